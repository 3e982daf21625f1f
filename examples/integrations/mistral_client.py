"""Meters Mistral's own client.

pip install taximeter mistralai
TAXIMETER_BOOTSTRAP=localhost:9092 MISTRAL_API_KEY=… python mistral_client.py
"""

from __future__ import annotations

import os

from mistralai.client import Mistral

import taximeter

taximeter.start()

with (
    taximeter.wrap(
        Mistral(
            api_key=os.environ["MISTRAL_API_KEY"],
            server_url=os.environ.get("MISTRAL_URL", "https://api.mistral.ai"),
        )
    ) as client,
    taximeter.attribute(user="ada", project="examples"),
):
    said = client.chat.complete(
        model="mistral-small-latest",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
    )
print(said.choices[0].message.content)
taximeter.stop()
