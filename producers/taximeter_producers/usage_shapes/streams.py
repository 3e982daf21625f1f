"""The events of a streamed answer, put together to the body that it stands for.

Pure. A chunk may be an object, its JSON, or a line of server-sent events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from taximeter_producers.usage_shapes.bedrock import METRICS
from taximeter_producers.usage_shapes.bodies import as_json

__all__ = ["JOINS", "Joined", "events_of"]

Body = dict[str, Any]


@dataclass
class Joined:
    """A stream put together.

    Attributes:
        body: as an answer that was not streamed, as far as is known.
        texts: what was answered, to be counted where no usage was stated.
        complete: whether its usage is final, not only how far it had got.
    """

    body: Body = field(default_factory=dict[str, Any])
    texts: list[str] = field(default_factory=list[str])
    complete: bool = False


def events_of(chunks: Iterable[object]) -> Iterable[Body]:
    r"""Yield the objects of a stream in their order.

    >>> list(events_of([b'data: {"a": 1}\n\n', "event: ping", "data: [DONE]"]))
    [{'a': 1}]

    Raises:
        Faulty: a chunk is not JSON.
    """
    whole = isinstance(chunks, (str, bytes, Mapping))
    for chunk in [chunks] if whole else chunks:
        for one in _lines(_unpacked(chunk)):
            event = as_json(one)
            if isinstance(event, dict):
                yield event
            elif isinstance(event, list):
                yield from (item for item in event if isinstance(item, dict))


def _unpacked(chunk: object) -> object:
    """Return what is in an event of AWS's client, which has the bytes in a part."""
    part = chunk.get("chunk") if isinstance(chunk, Mapping) else None
    within = part.get("bytes") if isinstance(part, Mapping) else None
    return within if isinstance(within, (bytes, bytearray)) else chunk


def _lines(chunk: object) -> list[object]:
    if isinstance(chunk, (bytes, bytearray)):
        chunk = chunk.decode(errors="replace")
    if not isinstance(chunk, str):
        return [] if chunk is None else [chunk]
    text = chunk.strip()
    if text.startswith(("{", "[{")):
        return [text]
    lines = (line.strip() for line in text.splitlines())
    data = (line[5:].strip() for line in lines if line.startswith("data:"))
    found: list[object] = [line for line in data if line.startswith("{")]
    plain = text and not text.startswith(("data:", "event:", "id:", "retry:", ":", "["))
    return [text] if plain else found


def _join_chunks(events: Iterable[Body]) -> Joined:
    """OpenAI's chunks: the last usage wins, whether on one chunk or on every one."""
    joined = Joined()
    for event in events:
        _keep_facts(joined.body, event)
        usage = event.get("usage") or _within(event, "x_groq", "usage")
        if isinstance(usage, dict):
            joined.body["usage"] = usage
            joined.complete = True
        joined.texts += _delta_texts(event)
    return joined


def _join_responses(events: Iterable[Body]) -> Joined:
    """OpenAI's Responses: the last event that carries the whole response wins."""
    joined = Joined()
    for event in events:
        response = event.get("response", event if "usage" in event else None)
        if isinstance(response, dict):
            joined.body |= {k: v for k, v in response.items() if v is not None}
        delta = event.get("delta")
        if isinstance(delta, str):
            joined.texts.append(delta)
    joined.complete = isinstance(joined.body.get("usage"), dict)
    return joined


def _join_messages(events: Iterable[Body]) -> Joined:
    """Anthropic: what `message_start` says, and what each `message_delta` adds.

    Its counts are cumulative: a later one replaces an earlier, and a 0 or a field
    left out takes nothing away. Without a delta the output is not known yet.
    """
    joined = Joined()
    for event in events:
        message = event.get("message")
        if isinstance(message, dict):
            _keep_facts(joined.body, message)
            _add_usage(joined.body, message.get("usage"))
        if isinstance(event.get("usage"), dict):
            _add_usage(joined.body, event["usage"])
            joined.complete = True
        joined.texts += _block_texts(event)
    return joined


def _join_gemini(events: Iterable[Body]) -> Joined:
    """Gemini: every chunk may state the usage so far, the last one is final."""
    joined = Joined()
    for event in events:
        for name in ("modelVersion", "responseId", "model_version", "response_id"):
            if event.get(name):
                joined.body[name] = event[name]
        usage = event.get("usageMetadata") or event.get("usage_metadata")
        if isinstance(usage, dict):
            joined.body["usageMetadata"] = usage
            joined.complete = True
        candidates = event.get("candidates")
        if isinstance(candidates, list):
            grounded = [c for c in candidates if _grounded(c)]
            if grounded:
                joined.body["candidates"] = grounded
            joined.texts += [t for c in candidates for t in _gemini_texts(c)]
    return joined


def _join_bedrock(events: Iterable[Body]) -> Joined:
    """Bedrock: the metadata event, with or without its envelope."""
    joined = Joined()
    for event in events:
        usage = _within(event, "metadata", "usage") or event.get("usage")
        if isinstance(usage, dict):
            joined.body["usage"] = usage
            joined.complete = True
        text = _within(event, "contentBlockDelta", "delta", "text")
        joined.texts += [text] if isinstance(text, str) else []
    return joined


def _join_invoked(events: Iterable[Body]) -> Joined:
    """Bedrock's `InvokeModel`: the metrics on its last event, else the model's own."""
    listed = list(events)
    joined = _join_messages(listed)
    for event in listed:
        metrics = event.get(METRICS)
        if isinstance(metrics, dict):
            joined.body.setdefault("usage", metrics)
            joined.complete = True
    return joined


def _join_cohere(events: Iterable[Body]) -> Joined:
    """Cohere: `stream-end` of version 1, `message-end` of version 2."""
    joined = Joined()
    for event in events:
        response = event.get("response")
        end = response if isinstance(response, dict) else {}
        delta = event.get("delta")
        usage = (
            end.get("meta")
            or (delta.get("usage") if isinstance(delta, dict) else None)
            or event.get("usage")
        )
        _keep_facts(joined.body, event)
        if isinstance(end.get("generation_id"), str):
            joined.body.setdefault("generation_id", end["generation_id"])
        if isinstance(usage, dict):
            joined.body["usage"] = usage
            joined.complete = True
        text = event.get("text") or _within(
            event, "delta", "message", "content", "text"
        )
        joined.texts += [text] if isinstance(text, str) else []
    return joined


JOINS: Final[Mapping[str, Callable[[Iterable[Body]], Joined]]] = {
    "chunks": _join_chunks,
    "responses": _join_responses,
    "messages": _join_messages,
    "gemini": _join_gemini,
    "bedrock": _join_bedrock,
    "invoked": _join_invoked,
    "cohere": _join_cohere,
}


def _keep_facts(body: Body, event: Body) -> None:
    for name in ("id", "model", "service_tier", "type", "generation_id"):
        if event.get(name):
            body[name] = event[name]


def _add_usage(body: Body, usage: object) -> None:
    if isinstance(usage, dict):
        known = body.get("usage")
        body["usage"] = _added(known if isinstance(known, dict) else {}, usage)


def _added(known: Body, later: Body) -> Body:
    merged = dict(known)
    for name, value in later.items():
        before = merged.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[name] = _added(before, value)
        elif value or before is None:
            merged[name] = value
    return merged


def _within(whole: object, *names: str) -> object:
    for name in names:
        whole = whole.get(name) if isinstance(whole, dict) else None
    return whole


def _delta_texts(event: Body) -> list[str]:
    choices = event.get("choices")
    found: list[str] = []
    for choice in choices if isinstance(choices, list) else []:
        delta = _within(choice, "delta") or _within(choice, "message")
        places = (
            _within(choice, "text"),
            _within(delta, "content"),
            _within(delta, "reasoning_content"),
            _within(delta, "reasoning"),
            _within(delta, "refusal"),
        )
        found += [text for text in places if isinstance(text, str)]
        found += _called(delta)
    return found


def _called(delta: object) -> list[str]:
    calls = _within(delta, "tool_calls")
    functions = (
        [_within(c, "function") for c in calls] if isinstance(calls, list) else []
    )
    said = [_within(f, name) for f in functions for name in ("name", "arguments")]
    return [text for text in said if isinstance(text, str)]


def _block_texts(event: Body) -> list[str]:
    places = ("text", "thinking", "partial_json")
    found = (_within(event, "delta", name) for name in places)
    return [text for text in found if isinstance(text, str)]


def _gemini_texts(candidate: object) -> list[str]:
    parts = _within(candidate, "content", "parts")
    texts = [_within(p, "text") for p in parts] if isinstance(parts, list) else []
    return [text for text in texts if isinstance(text, str)]


def _grounded(candidate: object) -> bool:
    names = ("groundingMetadata", "grounding_metadata")
    return any(_within(candidate, name) for name in names)
