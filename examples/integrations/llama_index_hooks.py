"""Counts the calls of LlamaIndex's LLMs, of whatever provider, by its own hooks.

pip install taximeter llama-index-llms-openai
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python llama_index_hooks.py
"""

from __future__ import annotations

from llama_index.llms.openai import OpenAI

import taximeter
from taximeter_producers.integrations import llama_index

taximeter.start()
llama_index.instrument()

with taximeter.attribute(user="ada", project="examples"):
    print(OpenAI(model="gpt-4o-mini").complete("What is the capital of France?"))
taximeter.stop()
