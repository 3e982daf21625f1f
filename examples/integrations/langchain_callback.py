"""Counts the calls of LangChain's models, of whatever provider, by a callback.

pip install taximeter langchain-openai
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python langchain_callback.py
"""

from __future__ import annotations

from langchain_openai import ChatOpenAI

import taximeter
from taximeter_producers.integrations.langchain import TaximeterCallback

taximeter.start()
llm = ChatOpenAI(model="gpt-4o-mini", callbacks=[TaximeterCallback()])

with taximeter.attribute(user="ada", project="examples"):
    print(llm.invoke("What is the capital of France?").content)
taximeter.stop()
