"""Meters all clients, also those that some library makes deep inside.

pip install taximeter openai
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python instrument_all.py
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from openai import OpenAI

import taximeter

taximeter.start()
taximeter.instrument()


def embed(text: str) -> int:
    """Do as a library of somebody else's does, with a client of its own."""
    with OpenAI() as client:
        made = client.embeddings.create(model="text-embedding-3-small", input=text)
    return len(made.data)


with taximeter.attribute(user="ada", project="examples"), ThreadPoolExecutor(2) as pool:
    print(sum(pool.map(embed, ["a taxi", "a meter"])), "embedded")

taximeter.uninstrument()
taximeter.stop()
