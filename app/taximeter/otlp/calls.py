"""The event of a span that is a call: who answered, what it used, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from taximeter.otlp.nesting import Stated
from taximeter.otlp.spans import Span
from taximeter.otlp.whom import first_of, whom
from taximeter_processors.model_names import family_of
from taximeter_producers.attribution import label
from taximeter_producers.call_ids import call_event_id
from taximeter_producers.provider_usage import (
    reading_from_response,
    usage_not_understood,
)
from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.facts import tier_of
from taximeter_producers.wrapping.routes import provider_at
from taximeter_schemas.errors import UsageUnreadable
from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    EmittedEvent,
    Usage,
    UsageRecorded,
)

__all__ = ["Made", "NoEvent", "event_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE: Final = "otel.gen_ai"
_USAGE: Final = "gen_ai.usage."

# OpenInference's names of what OpenTelemetry counts.
_OPENINFERENCE: Final[Mapping[str, str]] = {
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.prompt_details.cache_read": "cache_read.input_tokens",
    "llm.token_count.prompt_details.cache_write": "cache_write.input_tokens",
    "llm.token_count.prompt_details.audio": "audio.input_tokens",
    "llm.token_count.completion_details.reasoning": "reasoning.output_tokens",
    "llm.token_count.completion_details.audio": "audio.output_tokens",
}
_PROVIDERS: Final = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
)
_MODELS: Final = (
    "gen_ai.request.model",
    "gen_ai.response.model",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "ai.model.id",
)
_TIERS: Final = (
    "taximeter.service_tier",
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
)
# Spellings that our price list does not know either: OpenTelemetry's old ones, and
# those of Vercel's AI SDK, which says "openai.responses" for a provider and its API.
_SPELT: Final[Mapping[str, str]] = {
    "_other": "unknown",
    "az.ai.inference": "azure_ai",
    "az.ai.openai": "azure",
    "google.generative-ai": "gemini",
    "google.vertex": "vertex_ai",
    "vertex.anthropic": "vertex_ai",
}
_OF_AN_API: Final = (".chat", ".completion", ".embedding", ".messages", ".responses")


class NoEvent(ValueError):
    """A call's span that lacks what an event must say; the words name the next step."""


@dataclass(frozen=True)
class Made:
    """The event of a call, and what it stated, for the spans around it."""

    event: EmittedEvent
    stated: Stated


def event_of(span: Span, operation: str) -> Made:
    """Return the event of a span that is a call.

    The id is that of the provider's answer where the span names it, so that the same
    call metered by another integration counts once; else it is the span's.

    Raises:
        NoEvent: the span has no ids or no time.
    """
    usage = _usage_attributes(span.attributes)
    fields = _fields(span, operation) | whom(span)
    failed = span.failed or span.attributes.get("error.type") is not None
    try:
        if failed and not usage:
            return _made({"usage": Usage()} | fields | _outcome(span, failed=True))
        reading = reading_from_response(usage | _answered(span), _SHAPE)
    except UsageUnreadable as error:
        return _not_understood(error, fields)
    said = reading.event_fields() | fields
    return _made(said | _outcome(span, failed=failed))


def _made(fields: Mapping[str, object]) -> Made:
    try:
        event = UsageRecorded.model_validate(fields)
    except ValidationError as error:
        raise _lacking(error) from None
    usage = event.usage
    stated = Stated(
        sum(getattr(usage, name) for name in INPUT_TOKENS),
        sum(getattr(usage, name) for name in OUTPUT_TOKENS),
        event.response_id,
    )
    return Made(event, stated)


def _not_understood(error: UsageUnreadable, fields: dict[str, Any]) -> Made:
    try:
        event = usage_not_understood(error, **fields)
    except ValidationError as wrong:
        raise _lacking(wrong) from None
    return Made(event, Stated(response_id=event.response_id))


def _lacking(error: ValidationError) -> NoEvent:
    first = error.errors()[0]
    return NoEvent(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _fields(span: Span, operation: str) -> dict[str, Any]:
    if not int(span.trace_id or "0", 16) or not int(span.span_id or "0", 16):
        raise NoEvent("it has no trace id or no span id")
    provider = _provider(span)
    response_id = label(span.attributes.get("gen_ai.response.id"))
    said = {
        "event_id": _event_id(span, provider, response_id),
        "occurred_at": _moment(span.began_ns or span.ended_ns),
        "provider": provider,
        "model": label(first_of(span, *_MODELS)) or "unknown",
        "operation": operation,
        "response_model": label(span.attributes.get("gen_ai.response.model")),
        "response_id": response_id,
        "service_tier": _tier(span),
        "trace_id": span.trace_id,
        "span_id": span.span_id,
    }
    return {name: value for name, value in said.items() if value is not None}


def _event_id(span: Span, provider: str, response_id: str | None) -> UUID:
    named = call_event_id(provider, response_id)
    return named or derived_id("otel", span.trace_id, span.span_id)


def _provider(span: Span) -> str:
    """Return whose model it was, by the names that the wrapped clients use."""
    host = label(span.attributes.get("server.address"))
    stated = (label(first_of(span, *_PROVIDERS)) or "").lower()
    for api in _OF_AN_API:
        stated = stated.removesuffix(api)
    named = _SPELT.get(stated) or family_of(stated)
    return (host and provider_at(host)) or named or "unknown"


def _moment(nanoseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
    except OverflowError:
        raise NoEvent("its time is out of bounds") from None


def _tier(span: Span) -> str | None:
    stated = {"service_tier": first_of(span, *_TIERS)}
    return tier_of(Part(None, ""), Part(stated, ""))


def _outcome(span: Span, *, failed: bool) -> dict[str, object]:
    took = span.ended_ns - span.began_ns if span.began_ns else -1
    lasted: dict[str, object] = {}
    if took >= 0:
        lasted["duration_ms"] = took // 1_000_000
    if not failed:
        return lasted
    kind = label(span.attributes.get("error.type")) or label(span.exception)
    return lasted | {"status": "error", "error_type": kind or "error"}


def _usage_attributes(said: Mapping[str, object]) -> dict[str, object]:
    other = {
        _USAGE + name: said[theirs]
        for theirs, name in _OPENINFERENCE.items()
        if theirs in said
    }
    own = {name: value for name, value in said.items() if name.startswith(_USAGE)}
    return other | own


def _answered(span: Span) -> dict[str, object]:
    names = ("gen_ai.response.id", "gen_ai.response.model")
    return {name: span.attributes[name] for name in names if name in span.attributes}
