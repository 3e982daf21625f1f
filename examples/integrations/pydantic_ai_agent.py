"""Counts the requests of a Pydantic AI agent, of whatever provider.

pip install taximeter "pydantic-ai-slim[openai]"
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python pydantic_ai_agent.py
"""

from __future__ import annotations

from pydantic_ai import Agent

import taximeter
from taximeter_producers.integrations.pydantic_ai import MeteredModel

taximeter.start()
agent = Agent(MeteredModel("openai-chat:gpt-4o-mini"))

with taximeter.attribute(user="ada", project="examples"):
    print(agent.run_sync("What is the capital of France?").output)
taximeter.stop()
