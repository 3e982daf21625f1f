"""Meters what OpenAI's client does besides chats: nothing of it needs a line more.

pip install taximeter openai
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python openai_operations.py
"""

from __future__ import annotations

import os

from openai import OpenAI

import taximeter

meter = taximeter.start()
client = taximeter.wrap(OpenAI())

QUESTION = "What is the capital of France?"

with taximeter.attribute(user="ada", project="examples"):
    client.responses.create(model="gpt-5", input=QUESTION)
    client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": QUESTION}]
    )
    client.embeddings.create(model="text-embedding-3-small", input=QUESTION)
    client.images.generate(model="gpt-image-1", prompt="a taxi in Paris")
    speech = client.audio.speech.create(model="tts-1", voice="alloy", input=QUESTION)
    heard = ("question.mp3", speech.read())
    client.audio.transcriptions.create(model="whisper-1", file=heard)
    # What a batch did is told when its results are fetched.
    client.files.content(os.environ.get("BATCH_OUTPUT_FILE", "file-of-a-batch"))
meter.flush()
print(meter.stats().accepted, "calls")
taximeter.stop()
