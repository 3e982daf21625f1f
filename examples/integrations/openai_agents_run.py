"""Counts the model calls of OpenAI's Agents SDK.

pip install taximeter openai-agents
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python openai_agents_run.py
"""

from __future__ import annotations

from agents import Agent, RunConfig, Runner

import taximeter
from taximeter_producers.integrations.openai_agents import MeteredProvider

taximeter.start()
guide = Agent(name="guide", instructions="Be brief.", model="gpt-5-mini")
config = RunConfig(model_provider=MeteredProvider(), tracing_disabled=True)

with taximeter.attribute(user="ada", project="examples"):
    done = Runner.run_sync(guide, "What is the capital of France?", run_config=config)
print(done.final_output)
taximeter.stop()
