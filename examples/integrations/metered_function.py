"""Counts what a function returns, whoever makes the call; here by hand, over HTTP.

pip install taximeter
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… python metered_function.py
"""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

import taximeter

URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")


@taximeter.metered(
    user="ada", project="examples", provider="openai", model="gpt-4o-mini"
)
def answer(question: str) -> dict[str, Any]:
    """Ask one question."""
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": question}],
    }
    request = urllib.request.Request(  # noqa: S310 - the address is ours
        f"{URL}/chat/completions",
        json.dumps(body).encode(),
        {
            "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
            "content-type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        said: dict[str, Any] = json.load(response)
    return said


taximeter.start()
found = answer("What is the capital of France?")
print(found["choices"][0]["message"]["content"])
taximeter.stop()
