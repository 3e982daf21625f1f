"""Tasks of Celery: metered before its pool forks, counted in every process of it.

pip install taximeter openai celery
TAXIMETER_BOOTSTRAP=localhost:9092 OPENAI_API_KEY=… CELERY_BROKER_URL=… \
    celery --app celery_tasks worker --pool prefork --concurrency 2
"""

from __future__ import annotations

import os

from celery import Celery
from openai import OpenAI

import taximeter

app = Celery("examples")
# A broker in a directory, for a try without a server; leave it out with any other.
if folder := os.environ.get("CELERY_FOLDER"):
    app.conf.broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": f"{folder}/control",
    }

taximeter.start()
client = taximeter.wrap(OpenAI())


@app.task  # type: ignore[untyped-decorator]
def answer(user: str, question: str) -> str:
    """Ask one question for somebody."""
    with taximeter.attribute(user=user, project="examples"):
        said = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": question}],
        )
    return said.choices[0].message.content or ""
