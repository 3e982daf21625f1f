"""Meters Google's own client.

pip install taximeter google-genai
TAXIMETER_BOOTSTRAP=localhost:9092 GOOGLE_API_KEY=… python google_client.py
"""

from __future__ import annotations

from google import genai

import taximeter

taximeter.start()
client = taximeter.wrap(genai.Client())

with taximeter.attribute(user="ada", project="examples"):
    said = client.models.generate_content(
        model="gemini-2.5-flash", contents="What is the capital of France?"
    )
print(said.text)
taximeter.stop()
