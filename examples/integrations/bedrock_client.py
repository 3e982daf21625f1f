"""Meters boto3's client for Bedrock.

pip install taximeter boto3
TAXIMETER_BOOTSTRAP=localhost:9092 python bedrock_client.py
"""

from __future__ import annotations

import boto3

import taximeter

taximeter.start()
client = taximeter.wrap(boto3.client("bedrock-runtime"))

with taximeter.attribute(user="ada", project="examples"):
    said = client.converse_stream(
        modelId="amazon.nova-lite-v1:0",
        messages=[
            {"role": "user", "content": [{"text": "What is the capital of France?"}]}
        ],
    )
    for event in said["stream"]:
        delta = event.get("contentBlockDelta", {}).get("delta", {})
        print(delta.get("text", ""), end="")
print()
taximeter.stop()
