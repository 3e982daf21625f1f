"""What holds for every metered client: however a call ends, it is told of once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import boto3
import cohere
import httpx
import openai
import pytest
from botocore.config import Config
from google import genai
from mistralai.client import Mistral

import taximeter
from tests import aws_answers as aws
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import KEY, Events
from tests.integration.wrapping.test_other_clients import gemini, mistral
from tests.proving import proves
from tests.replaying import Replay, Reply

PROMPT = "planted-prompt-7f3a"
ASKED: Any = [{"role": "user", "content": PROMPT}]
CHAT: Any = {"model": "gpt-4o", "messages": ASKED}
STREAM: Any = {"stream": True}
CLAUDE: Any = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": ASKED}
NOVA: Any = {
    "modelId": "amazon.nova-pro-v1:0",
    "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
}
BODIES = {
    name: answers.real(shape)[0]["body"]
    for name, shape in (
        ("chat", "openai.chat_completions"),
        ("message", "anthropic.messages"),
        ("converse", "bedrock.converse"),
    )
}
GEMINI = answers.real("google.generate_content")[0]
UNITS = {"billed_units": {"input_tokens": 5, "output_tokens": 2}}

# What the libraries warn of, and sockets that some leave to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class Kind:
    """A client, how it is called, and what its provider answers."""

    made: Callable[[str], Any]
    whole: Callable[[Any], object]
    stream: Callable[[Any], Any]
    answer: Callable[[], Reply]
    streamed: Callable[[], Reply]
    refusal: Callable[[], Reply] = lambda: answers.error(400)


def cohere_whole() -> Reply:
    """Return an answer of Cohere."""
    said = {"role": "assistant", "content": [{"type": "text", "text": "Paris"}]}
    body = {"id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4", "message": said}
    return answers.json_reply({**body, "finish_reason": "COMPLETE", "usage": UNITS})


def cohere_stream() -> Reply:
    """Return the same in events."""
    end = {"finish_reason": "COMPLETE", "usage": UNITS}
    events: list[dict[str, Any]] = [{"type": "message-start", "id": "c14c80c3-18eb"}]
    for text in answers.ANSWER:
        delta = {"message": {"content": {"text": text}}}
        events.append({"type": "content-delta", "index": 0, "delta": delta})
    events.append({"type": "message-end", "delta": end})
    return answers.sse((one["type"], one) for one in events)


def gemini_stream() -> Reply:
    """Return an answer of Gemini in chunks; the last one states its usage."""
    chunks = [gemini({"body": {}}), gemini({"body": {}}), gemini(GEMINI)]
    return answers.sse((None, chunk) for chunk in chunks)


def bedrock(url: str) -> Any:
    """Return boto3's client."""
    return boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )


KINDS = {
    "openai": Kind(
        lambda url: openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0),
        lambda client: client.chat.completions.create(**CHAT),
        lambda client: client.chat.completions.create(**CHAT, **STREAM),
        lambda: answers.json_reply(answers.chat(BODIES["chat"])),
        lambda: answers.chat_stream(BODIES["chat"]),
    ),
    "anthropic": Kind(
        lambda url: anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0),
        lambda client: client.messages.create(**CLAUDE),
        lambda client: client.messages.create(**CLAUDE, **STREAM),
        lambda: answers.json_reply(answers.message(BODIES["message"])),
        lambda: answers.message_stream(BODIES["message"]),
    ),
    "google": Kind(
        lambda url: genai.Client(api_key=KEY, http_options={"base_url": url}),
        lambda client: client.models.generate_content(
            model="gemini-x", contents=PROMPT
        ),
        lambda client: client.models.generate_content_stream(
            model="gemini-x", contents=PROMPT
        ),
        lambda: answers.json_reply(gemini(GEMINI)),
        gemini_stream,
        lambda: answers.json_reply({"error": {"code": 400, "message": PROMPT}}, 400),
    ),
    "mistral": Kind(
        lambda url: Mistral(api_key=KEY, server_url=url),
        lambda client: client.chat.complete(**CHAT),
        lambda client: client.chat.stream(**CHAT),
        lambda: answers.json_reply(answers.chat(mistral())),
        lambda: answers.chat_stream(mistral()),
    ),
    "cohere": Kind(
        lambda url: cohere.ClientV2(
            api_key=KEY, base_url=url, httpx_client=httpx.Client()
        ),
        lambda client: client.chat(model="command-a", messages=ASKED),
        lambda client: client.chat_stream(model="command-a", messages=ASKED),
        cohere_whole,
        cohere_stream,
    ),
    "bedrock": Kind(
        bedrock,
        lambda client: client.converse(**NOVA),
        lambda client: client.converse_stream(**NOVA)["stream"],
        lambda: aws.converse(BODIES["converse"]),
        lambda: aws.converse_stream(BODIES["converse"]),
        lambda: aws.refused(400, "ValidationException"),
    ),
}


@contextmanager
def held(reply: Reply) -> Iterator[Reply]:
    """Give a stream that stands still after its first event, until the block ends."""
    hold = threading.Event()
    yield Reply(reply.parts, headers=reply.headers, hold=hold)
    hold.set()


@proves("openai", "streaming", "cut", "errors", "retries", "once", "secrets")
@proves("anthropic", "streaming", "cut", "errors", "retries", "once", "secrets")
@proves("google", "streaming", "cut", "errors", "retries", "once", "secrets")
@proves("mistral", "streaming", "cut", "errors", "retries", "once", "secrets")
@proves("cohere", "streaming", "cut", "errors", "retries", "once", "secrets")
@proves("bedrock", "streaming", "cut", "errors", "retries", "once", "secrets")
@pytest.mark.parametrize("name", KINDS)
def test_however_a_call_ends(name: str, provider: Replay, events: Events) -> None:
    """Refused, tried again, read, left, dropped, raised in: one event, no secret.

    It is wrapped twice and instrumented besides, and still counted once. What is
    asked again after it failed has the trace of the failure.
    """
    kind = KINDS[name]
    client = taximeter.wrap(taximeter.wrap(kind.made(provider.url)))
    taximeter.instrument()
    provider.answers(kind.refusal(), kind.answer())
    with pytest.raises(Exception, match=r".*"):
        kind.whole(client)
    kind.whole(client)
    kind.whole(client)
    refused, again, another = events.all()
    assert (refused.status, again.status) == ("error", "ok")
    assert refused.error_type
    assert refused.trace_id
    assert refused.trace_id == again.trace_id != another.trace_id
    provider.answers(kind.streamed())
    for _ in kind.stream(client):
        pass
    assert events.all()[3].usage == another.usage
    for ends in (left, dropped, raised):
        with held(kind.streamed()) as reply:
            provider.answers(reply)
            before = len(events.all())
            ends(kind.stream(client))
            gc.collect()
            assert len(events.all()) == before + 1, ends
        assert events.all()[-1].usage_source == "estimated", ends


def left(stream: Any) -> None:
    """Read one event, then close the stream, twice."""
    next(iter(stream))
    close = getattr(stream, "close", None) or stream.response.close
    close()
    close()


def dropped(stream: Any) -> None:
    """Read one event, and forget the stream."""
    next(iter(stream))


def raised(stream: Any) -> None:
    """Raise in the loop around the stream."""
    mistake = KeyError("mine")

    def read() -> None:
        for _ in stream:
            raise mistake

    with pytest.raises(KeyError) as told:
        read()
    assert told.value is mistake
    mistake.__traceback__ = None  # which holds the stream
