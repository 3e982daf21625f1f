"""Results of batches: each line is a call, in the batches' tier, and counts once."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from taximeter_schemas.clock import SystemClock
from taximeter_schemas.usage import Usage
from tests import provider_answers as answers
from tests.integration.wrapping.conftest import Events
from tests.integration.wrapping.test_openai_client import CHAT, RESPONSES, agrees
from tests.proving import proves
from tests.replaying import Replay, Reply

MESSAGE = answers.real("anthropic.messages")[0]
EMBEDDING = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    **answers.real("openai.embeddings")[0]["body"],
}


def lines(rows: list[dict[str, Any]], kind: str = "application/octet-stream") -> Reply:
    """Return a file of JSON lines, in parts that break them."""
    whole = b"\n".join(json.dumps(row).encode() for row in rows)
    half = len(whole) // 2
    return Reply([whole[:half], whole[half:]], headers={"content-type": kind})


def row(number: int, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """Return a line of OpenAI's results."""
    answered = {"status_code": status, "request_id": f"req_{number:020}", "body": body}
    named = {"id": f"batch_req_{number:020}", "custom_id": f"planted-{number}"}
    return named | {"response": answered, "error": None}


def results() -> list[dict[str, Any]]:
    """Return results of every kind: chat, response, embedding, refused, expired."""
    made_at = 1_000_000_000  # long before there were batches: not to be believed
    expired = {"code": "batch_expired", "message": "too late"}
    refused = {"error": {"type": "invalid_request_error", "message": "no"}}
    return [
        row(1, answers.chat(CHAT[0]["body"], created=made_at)),
        row(2, answers.response(RESPONSES[0]["body"], created_at=made_at)),
        row(3, EMBEDDING),
        row(4, refused, 400),
        row(5, {}) | {"response": None, "error": expired},
    ]


@proves("openai", "batches")
def test_results_of_openai_count_once(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """Fetched twice, whole and streamed, they are the same events."""
    provider.answers(lines(results()))
    whole = client.files.content("file-1")
    assert len(whole.text.splitlines()) == 5
    found = events.all()
    with client.files.with_streaming_response.content("file-1") as streamed:
        assert streamed.read() == whole.content
    again = events.all()[5:]
    assert [one.event_id for one in again] == [one.event_id for one in found]
    chat, response, embedding, refused, expired = found
    assert agrees(chat, CHAT[0])
    assert chat.occurred_at.year > 2001
    assert agrees(response, RESPONSES[0])
    assert embedding.usage.text_input_tokens > 0
    assert [one.operation for one in found[:3]] == ["chat", "responses", "embedding"]
    assert {one.service_tier for one in found} == {"batch"}
    assert (chat.model, chat.provider) == (CHAT[0]["body"]["model"], "openai")
    assert (refused.error_type, expired.error_type) == (
        "invalid_request_error",
        "batch_expired",
    )
    assert (refused.status, refused.usage) == ("error", Usage())
    assert not any("planted" in one.model_dump_json() for one in found)


async def test_an_answer_says_when_it_was_made(
    aclient: openai.AsyncOpenAI, provider: Replay, events: Events
) -> None:
    """A line counts in the hour in which its call was made, not fetched."""
    made_at = int(SystemClock().now().timestamp()) - 7200
    provider.answers(lines([row(1, answers.chat(CHAT[0]["body"], created=made_at))]))
    await aclient.files.content("file-1")
    assert int(events.only().occurred_at.timestamp()) == made_at


def test_other_files_are_left_alone(
    client: openai.OpenAI, provider: Replay, events: Events
) -> None:
    """What was asked, what trains a model, sounds, and errors are no results."""
    asked = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {}}
    provider.answers(
        lines([asked, {"messages": []}]),
        Reply([b"GIF89a", b'{"custom_id": 1, "error": {"code": "x"}}']),
        answers.error(404),
    )
    client.files.content("file-1")
    with client.files.with_streaming_response.content("file-2") as streamed:
        streamed.read()
    with pytest.raises(openai.NotFoundError):
        client.files.content("file-3")
    assert events.all() == []


def claude_results() -> list[dict[str, Any]]:
    """Return results of Anthropic: one that succeeded, and one of each other kind."""
    error = {"type": "error", "error": {"type": "invalid_request_error"}}
    ends: list[dict[str, Any]] = [
        {"type": "succeeded", "message": answers.message(MESSAGE["body"])},
        {"type": "errored", "error": error},
        {"type": "expired"},
        {"type": "canceled"},
    ]
    return [{"custom_id": f"planted-{n}", "result": end} for n, end in enumerate(ends)]


@proves("anthropic", "batches")
def test_results_of_anthropic_count_once(
    claude: anthropic.Anthropic, provider: Replay, events: Events
) -> None:
    """So do those that its client streams, with what was not answered."""
    batch = {
        "id": "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message_batch",
        "processing_status": "ended",
        "results_url": f"{provider.url}/v1/messages/batches/msgbatch_01/results",
        "request_counts": dict.fromkeys(
            ("processing", "succeeded", "errored", "canceled", "expired"), 1
        ),
        "created_at": "2026-11-20T10:00:00Z",
        "expires_at": "2026-11-21T10:00:00Z",
    }
    told = lines(claude_results(), "application/x-jsonl")
    provider.answers(answers.json_reply(batch), told, answers.json_reply(batch), told)
    for _ in range(2):
        rows = list(claude.messages.batches.results("msgbatch_01"))
        assert [one.result.type for one in rows][:2] == ["succeeded", "errored"]
    found = events.all()
    assert [one.event_id for one in found[:4]] == [one.event_id for one in found[4:]]
    assert len({one.event_id for one in found}) == 4
    assert agrees(found[0], MESSAGE)
    assert {one.service_tier for one in found} == {"batch"}
    assert [one.error_type for one in found[1:4]] == [
        "invalid_request_error",
        "expired",
        "canceled",
    ]
    assert not any("planted" in one.model_dump_json() for one in found)
