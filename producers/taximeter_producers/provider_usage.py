"""From what a provider answers to the usage that it means.

    reading = reading_from_response(response, shape="openai.chat_completions")
    event = usage_recorded(provider="openai", model=m, **reading.event_fields())

The rules of each shape stand in `usage_shapes`. What cannot be understood is an error
that carries the body's usage part, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from taximeter_producers.attribution import attributed, label
from taximeter_producers.usage_readings import UsageBeside, UsageReading
from taximeter_producers.usage_shapes.bodies import (
    Faulty,
    Part,
    as_json,
    without_texts,
)
from taximeter_producers.usage_shapes.counted import disjoint
from taximeter_producers.usage_shapes.facts import (
    IDS,
    MODELS,
    cost_usd,
    text,
    tier_of,
)
from taximeter_producers.usage_shapes.otel import attributes_of
from taximeter_producers.usage_shapes.recognise import recognised
from taximeter_producers.usage_shapes.streams import JOINS, Joined, events_of
from taximeter_producers.usage_shapes.table import SHAPES, Shape, shape_named
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.errors import UnknownShape, UsageUnreadable
from taximeter_schemas.ids import time_ordered_id
from taximeter_schemas.usage import Usage, UsageNotUnderstood

__all__ = [
    "reading_from_response",
    "recognised_stream",
    "usage_from_response",
    "usage_from_stream",
    "usage_not_understood",
]

_MAX_PART: Final = 16 * 1024

# Rows of a batch's results, of Anthropic and of OpenAI.
_ENVELOPES: Final = (("result", "message"), ("response", "body"))
_MAX_DETAIL: Final = 1024


def usage_from_response(body: object, shape: str | None = None) -> Usage:
    """Return what a call used, from the provider's answer to it.

    >>> body = {"usage": {"input_tokens": 3, "cache_read_input_tokens": 7}}
    >>> usage = usage_from_response(body, shape="anthropic.messages")
    >>> usage.text_input_tokens, usage.cache_read_tokens
    (3, 7)

    Args:
        body: the answer as a dictionary, as JSON, or as the object of a client library;
            its usage part alone will do.
        shape: which API answered, as `<vendor>.<api>` (docs/usage.md has the names).
            Without it the shape must be plain from the body's own fields.

    Raises:
        UnknownShape: there is no such shape, or several are possible.
        UsageUnreadable: it states no usage, or contradicts itself.
    """
    return reading_from_response(body, shape).usage


def reading_from_response(body: object, shape: str | None = None) -> UsageReading:
    """Return what a call used and what else its answer says that an event needs.

    Takes and raises what `usage_from_response` does.
    """
    if shape is None:
        shape = _recognised(body)
    name, rules = shape_named(shape)
    try:
        whole = as_json(body)
    except Faulty as fault:
        raise UsageUnreadable(name, fault.field, fault.reason) from None
    return _read(name, rules, whole)


def usage_from_stream(
    chunks: Iterable[object],
    shape: str | None = None,
    *,
    model: str | None = None,
    messages: object = None,
) -> UsageReading:
    """Return what a streamed call used, from all of its chunks.

    Where the stream states no usage, or was cut short before it could, the tokens are
    counted by litellm's tokenizers, or without litellm by their length, and the
    reading says "estimated".

    Args:
        chunks: the stream's events in their order: objects, JSON, or lines of
            server-sent events.
        shape: as for `usage_from_response`.
        model: whose tokenizer counts, where the stream does not name its model.
        messages: what was asked, as text or as a list of messages, to be counted as
            well; nothing of it is kept.

    Raises:
        UnknownShape: there is no such shape, or several are possible.
        UsageUnreadable: a chunk cannot be read, the usage contradicts itself, or
            there is none and nothing to estimate it by.
    """
    named = "a stream" if shape is None else shape_named(shape)[0]
    try:
        events = list(events_of(chunks))
    except Faulty as fault:
        raise UsageUnreadable(named, fault.field, fault.reason) from None
    name, rules = shape_named(shape or recognised_stream(events))
    joined = JOINS[rules.stream](events)
    if joined.complete:
        return _read(name, rules, joined.body)
    return _estimated(name, rules, joined, model, messages)


def usage_not_understood(
    error: UsageUnreadable, *, clock: Clock | None = None, **event_fields: object
) -> UsageNotUnderstood:
    """Return the event that hands an unreadable usage on, to become a dead letter.

    It says whose call it was and what the provider said, so that the call can be
    counted once somebody knows what it used (docs/dead-letters.md).

    Args:
        error: what `usage_from_response` or `usage_from_stream` raised.
        clock: for the moment of the call, where `occurred_at` is not given.
        event_fields: `provider`, `model`, and whatever else the event would have said.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or out of bounds.
    """
    now = (clock or SystemClock()).now()
    said: dict[str, object] = {
        "event_id": time_ordered_id(now),
        "occurred_at": now,
        "event_type": "UsageNotUnderstood",
        "shape": error.shape,
        "detail": f"{error.field} {error.reason}"[:_MAX_DETAIL],
        "usage_part": json.dumps(error.usage_part, default=str)[:_MAX_PART],
    }
    said |= attributed(**event_fields)
    said.pop("reservation_id", None)  # charged nothing, it settles nothing
    return UsageNotUnderstood.model_validate(said)


def _recognised(body: object) -> str:
    if type(body).__module__.partition(".")[0] == "litellm":
        return "litellm.usage"
    try:
        whole = as_json(body)
    except Faulty:
        whole = None
    return recognised(whole if isinstance(whole, dict) else {})


def recognised_stream(events: list[dict[str, Any]]) -> str:
    """Return the shape of a stream that only one API sends.

    Raises:
        UnknownShape: nothing in it says which.
    """
    marks = {
        "message_start": "anthropic.messages",
        "response.completed": "openai.responses",
        "response.incomplete": "openai.responses",
        "response.created": "openai.responses",
    }
    for event in events:
        known = marks.get(str(event.get("type")))
        if known:
            return known
    for event in reversed(events):
        try:
            return recognised(event)
        except UnknownShape:
            continue
    raise UnknownShape(None, sorted(SHAPES))


def _read(name: str, rules: Shape, whole: object) -> UsageReading:
    if not isinstance(whole, Mapping):
        raise UsageUnreadable(name, "body", "is not an object")
    row = _row_of_batch(whole)
    body = Part(_unwrapped(rules, whole if row is None else row), "")
    try:
        usage = _usage_part(rules, body)
        counted = disjoint(rules.read(usage, body))
        return UsageReading(
            usage=counted,
            shape=name,
            provider_cost_usd=cost_usd(usage, own=rules.states_cost),
            response_model=text(body, *MODELS),
            response_id=text(body, *IDS),
            service_tier=tier_of(usage, body) if row is None else "batch",
            beside=_beside(usage, rules),
            chosen=rules.chosen(usage, body),
        )
    except Faulty as fault:
        kept = _kept(rules, body)
        raise UsageUnreadable(name, fault.field, fault.reason, kept) from None


def _row_of_batch(whole: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the answer in a row of a batch's results, None if this is no row."""
    for envelope, name in _ENVELOPES:
        part = whole.get(envelope)
        answer = part.get(name) if isinstance(part, Mapping) else None
        if isinstance(answer, Mapping):
            return answer
    return None


def _unwrapped(rules: Shape, whole: Mapping[str, object]) -> Mapping[str, object]:
    """Return the answer itself where an event or a span is around it."""
    if not rules.places:
        return attributes_of(whole)
    if whole.get("usage") is None:
        groq, response = whole.get("x_groq"), whole.get("response")
        if isinstance(groq, Mapping) and "usage" in groq:
            return {**whole, "usage": groq["usage"]}
        if rules.stream == "responses" and isinstance(response, Mapping):
            return response
    return whole


def _usage_part(rules: Shape, body: Part) -> Part:
    """Return the usage: where the body has it, or the body if it is nothing else."""
    if not rules.places or (
        not body.states(*rules.places) and body.states(*rules.counts)
    ):
        return body
    return body.part(*rules.places)


def _kept(rules: Shape, body: Part) -> object:
    """Return what an error may carry: the usage and nothing of the call's content."""
    if rules.places and body.states(*rules.places):
        return without_texts(body.value(*rules.places))
    names = [n for n in body.said if n in rules.counts or _is_usage(n)]
    return without_texts({n: body.said[n] for n in names}) if names else None


def _is_usage(name: str) -> bool:
    return name.startswith("gen_ai.usage.") or "token" in name.lower()


def _estimated(
    name: str, rules: Shape, joined: Joined, model: str | None, messages: object
) -> UsageReading:
    from taximeter_producers.usage_estimates import estimated_tokens  # noqa: PLC0415

    if not (joined.texts or joined.body or messages):
        raise UsageUnreadable(name, "usage", "is not stated, and nothing was answered")
    known = joined.body.get("usage")
    so_far = _read(name, rules, joined.body) if isinstance(known, dict) else None
    of = model or text(Part(joined.body, ""), *MODELS)
    given, made = estimated_tokens(of or "", messages, "".join(joined.texts))
    if so_far is not None:
        usage = _at_least(so_far.usage, made)
    else:
        usage = Usage(text_input_tokens=given, text_output_tokens=made)
    return UsageReading(
        usage=usage,
        shape=name,
        usage_source="estimated",
        response_model=text(Part(joined.body, ""), *MODELS) or label(model),
        response_id=text(Part(joined.body, ""), *IDS),
    )


def _at_least(known: Usage, output_tokens: int) -> Usage:
    """Return the usage known so far, with as much text as has been seen since."""
    seen = max(known.text_output_tokens, output_tokens)
    return known.model_copy(update={"text_output_tokens": seen})


def _beside(usage: Part, rules: Shape) -> tuple[UsageBeside, ...]:
    if rules is not SHAPES["anthropic.messages"]:
        return ()
    return tuple(
        UsageBeside(
            kind=text(one, "type") or "unknown",
            model=text(one, "model"),
            usage=disjoint(rules.read(one, one)),
        )
        for one in usage.parts("iterations")
        if one.value("type") != "message"
    )
