"""Meters Cohere's own client.

pip install taximeter cohere
TAXIMETER_BOOTSTRAP=localhost:9092 CO_API_KEY=… python cohere_client.py
"""

from __future__ import annotations

import cohere

import taximeter

taximeter.start()
client = taximeter.wrap(cohere.ClientV2())

with taximeter.attribute(user="ada", project="examples"):
    said = client.chat(
        model="command-a-03-2025",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
    )
print(said.message.content[0].text)
taximeter.stop()
