"""Meters OpenAI's own client: three lines, and the calls stay as they are.

pip install taximeter openai
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python openai_client.py
"""

from __future__ import annotations

from openai import OpenAI

import taximeter

taximeter.start()
client = taximeter.wrap(OpenAI())

QUESTION = {"role": "user", "content": "What is the capital of France?"}

with taximeter.attribute(user="ada", project="examples"):
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[QUESTION],  # type: ignore[list-item]
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        for choice in chunk.choices:
            print(choice.delta.content or "", end="")
print()
taximeter.stop()
