"""A web service under gunicorn: metered before the fork, counted in every worker.

pip install taximeter openai gunicorn
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… \
    gunicorn --preload --workers 2 gunicorn_app:app
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from openai import OpenAI

import taximeter

# With --preload this runs once, in the parent; each worker has a meter of its own.
taximeter.start()
client = taximeter.wrap(OpenAI())


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one question; any WSGI server runs it."""
    with taximeter.attribute(user=environ.get("HTTP_X_USER_ID"), project="examples"):
        said = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "What is the capital of France?"}],
        )
    worker = ("x-worker", str(os.getpid()))
    start_response("200 OK", [("content-type", "text/plain; charset=utf-8"), worker])
    return [(said.choices[0].message.content or "").encode()]
