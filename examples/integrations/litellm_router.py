"""Meters litellm's Router, each attempt by itself, and what litellm does besides chats.

pip install taximeter[litellm]
TAXIMETER_BOOTSTRAP=… OPENAI_API_KEY=… COHERE_API_KEY=… python litellm_router.py
"""

from __future__ import annotations

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it is fetched at each start

import litellm

import taximeter

meter = taximeter.start()
litellm.callbacks = [taximeter.LiteLLMCallback(meter, source="examples")]
router = litellm.Router(
    model_list=[
        {"model_name": "fast", "litellm_params": {"model": "openai/gpt-4o-mini"}},
        {"model_name": "spare", "litellm_params": {"model": "openai/gpt-4.1-mini"}},
    ],
    fallbacks=[{"fast": ["spare"]}],
    num_retries=0,
)

QUESTION = "What is the capital of France?"

with taximeter.attribute(user="ada", project="examples"):
    router.completion(model="fast", messages=[{"role": "user", "content": QUESTION}])
    litellm.responses(model="openai/gpt-5", input=QUESTION)
    litellm.embedding(model="openai/text-embedding-3-small", input=[QUESTION])
    litellm.image_generation(model="openai/dall-e-2", prompt="a taxi in Paris")
    litellm.speech(model="openai/tts-1", voice="alloy", input=QUESTION)
    heard = ("question.mp3", b"sound")
    litellm.transcription(model="openai/whisper-1", file=heard)
    litellm.rerank(
        model="cohere/rerank-v3.5", query=QUESTION, documents=["Paris", "Lyon"]
    )
meter.flush()
print(meter.stats().accepted, "calls")
taximeter.stop()
