"""Real answers of providers, put back into the formats in which they are sent.

What providers say of usage is real (`provider_bodies`); the rest is what their
documentation says stands around it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from tests.provider_bodies import real_bodies
from tests.replaying import Reply

__all__ = [
    "ANSWER",
    "chat",
    "chat_stream",
    "error",
    "json_reply",
    "kinds",
    "message",
    "message_stream",
    "real",
    "response",
    "response_stream",
    "sse",
]

ANSWER = ["The capital", " of France", " is Paris."]
"""What every one of them answers, in the parts in which a stream has it."""


def real(shape: str) -> list[dict[str, Any]]:
    """Return the real bodies of one API, each with what it means."""
    return [one for one in real_bodies() if one["shape"] == shape]


def kinds(shape: str) -> list[dict[str, Any]]:
    """Return one real body of each kind: that states and counts the same classes."""
    found = {(_stated(one["body"]), tuple(one["expected"])): one for one in real(shape)}
    return list(found.values())


def _stated(part: object, path: str = "") -> frozenset[str]:
    if isinstance(part, dict):
        within = (_stated(value, f"{path}.{name}") for name, value in part.items())
        return frozenset[str]().union(*within)
    return frozenset((path,)) if part else frozenset()


def json_reply(body: object, status: int = 200, **headers: str) -> Reply:
    """Return an answer that comes whole."""
    said = {"content-type": "application/json", "x-request-id": f"req_{uuid4().hex}"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply([json.dumps(body).encode()], status, said | named)


def sse(events: Iterable[tuple[str | None, object]]) -> Reply:
    """Return an answer that comes as server-sent events."""
    parts = []
    for name, data in events:
        text = data if isinstance(data, str) else json.dumps(data)
        head = f"event: {name}\n" if name else ""
        parts.append(f"{head}data: {text}\n\n".encode())
    kind = "text/event-stream; charset=utf-8"
    return Reply(parts, headers={"content-type": kind, "x-request-id": uuid4().hex})


def error(status: int, kind: str = "overloaded_error") -> Reply:
    """Return a refusal; it asks for no pause before the next attempt."""
    body = {"type": "error", "error": {"type": kind, "message": "not now"}}
    return json_reply(body, status, retry_after_ms="1")


def chat(body: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Return a chat completion of OpenAI."""
    message = {"role": "assistant", "content": "".join(ANSWER), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    around = {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4o-2024-08-06",
        "choices": [choice],
    }
    return around | body | changes


def chat_stream(
    body: dict[str, Any], *, include_usage: bool = True, **changes: object
) -> Reply:
    """Return the chunks of a chat completion; the last one has the usage."""
    whole = chat(body, **changes)
    whole["object"] = "chat.completion.chunk"
    usage = whole.pop("usage", None)
    extra = {"usage": None} if include_usage else {}

    def chunk(delta: dict[str, str], finish: str | None = None) -> object:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return whole | extra | {"choices": [choice]}

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": text}) for text in ANSWER]
    events += [chunk({}, "stop")]
    if include_usage:
        events.append(whole | {"choices": [], "usage": usage})
    return sse([(None, event) for event in [*events, "[DONE]"]])


def response(body: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Return an answer of OpenAI's Responses API."""
    text = {"type": "output_text", "text": "".join(ANSWER), "annotations": []}
    said = {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [text],
    }
    around = {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "model": "gpt-5-2025-08-07",
        "output": [said],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
    }
    return around | body | changes


def response_stream(body: dict[str, Any], **changes: object) -> Reply:
    """Return the events of a response; the last one has all of it."""
    whole = response(body, **changes)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    place = {"item_id": whole["output"][0]["id"], "output_index": 0, "content_index": 0}
    item, part = whole["output"][0], {"type": "output_text", "text": ""}
    added = {"output_index": 0, "item": item | {"content": []}}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added"} | added,
        {"type": "response.content_part.added"} | place | {"part": part},
    ]
    for text in ANSWER:
        delta = {"type": "response.output_text.delta", "delta": text, "logprobs": []}
        events.append(delta | place)
    events.append({"type": "response.completed", "response": whole})
    return sse(
        (str(one["type"]), one | {"sequence_number": n}) for n, one in enumerate(events)
    )


def message(body: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Return a message of Anthropic."""
    around = {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "".join(ANSWER)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    return around | body | changes


def message_stream(body: dict[str, Any], **changes: object) -> Reply:
    """Return the events of a message: input at its start, output at its end."""
    whole = message(body, **changes)
    usage = whole["usage"]
    begun = whole | {
        "content": [],
        "stop_reason": None,
        "usage": usage | {"output_tokens": 1},
    }
    block = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
    ]
    for text in ANSWER:
        delta = {"type": "text_delta", "text": text}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": usage},
        {"type": "message_stop"},
    ]
    return sse([(one["type"], one) for one in events])
