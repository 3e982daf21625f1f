"""A function of AWS Lambda, which freezes its process as soon as it has answered.

pip install --target package taximeter openai
Handler: aws_lambda.answer; environment: TAXIMETER_BOOTSTRAP, OPENAI_API_KEY
"""

from __future__ import annotations

from typing import Any

from openai import OpenAI

import taximeter
from taximeter_producers.integrations.aws_lambda import flushed

taximeter.start()
client = taximeter.wrap(OpenAI())


@flushed
def answer(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one question; what it cost is in Kafka before the answer is."""
    del context
    with taximeter.attribute(user=event["user"], project="examples"):
        said = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": event["question"]}],
        )
    return {"answer": said.choices[0].message.content}
