"""Meters litellm through its callback.

pip install taximeter[litellm]
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python litellm_callback.py
"""

from __future__ import annotations

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it is fetched at each start

import litellm

import taximeter

litellm.callbacks = [taximeter.LiteLLMCallback(taximeter.start(), source="examples")]

with taximeter.attribute(user="ada", project="examples"):
    said = litellm.completion(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
    )
print(said.choices[0].message.content)  # type: ignore[union-attr]
taximeter.stop()
