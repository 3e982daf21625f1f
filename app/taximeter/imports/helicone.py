"""Requests exported from Helicone: by its export tool (JSON, JSONL, CSV) or its API.

With bodies (`--include-body`) the provider's own usage is read. Without, Helicone's
columns are, in which cached, audio and reasoning tokens stand beside the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from taximeter.imports.context import Context, Fields
from taximeter.imports.rows import LeftOut, Row
from taximeter_producers.attribution import merged_tags
from taximeter_producers.provider_usage import usage_from_response
from taximeter_producers.usage_shapes.recognise import recognised
from taximeter_schemas.errors import UnknownShape
from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import Usage

__all__ = ["events"]

_NO_CACHE: Final = "00000000-0000-0000-0000-000000000000"
_LAST_OK: Final = 399
_SHAPES: Final = {
    "openai": "openai.chat_completions",
    "azure": "azure.chat_completions",
    "anthropic": "anthropic.messages",
    "google": "google.generate_content",
    "gemini": "google.generate_content",
}
_SESSION: Final = "Helicone-Session-Id"
_OURS: Final = {
    "text_input_tokens": ("prompt_tokens",),
    "text_output_tokens": ("completion_tokens",),
    "cache_read_tokens": ("prompt_cache_read_tokens",),
    "cache_write_5m_tokens": ("prompt_cache_write_tokens",),
    "audio_input_tokens": ("prompt_audio_tokens",),
    "audio_output_tokens": ("completion_audio_tokens",),
    "reasoning_output_tokens": ("reasoning_tokens",),
}


def events(row: Row, context: Context) -> Iterator[Fields]:
    """Yield the event of one request.

    Raises:
        LeftOut: Helicone answered it from its own cache.
        Refused: a field is missing or contradicts another.
    """
    if (row.text("cache_reference_id") or _NO_CACHE) != _NO_CACHE:
        raise LeftOut("answered from Helicone's cache")
    body = row.part("response_body")
    model = row.required(
        "model_override", "response_model", "request_model", "model", "body_model"
    )
    provider = (row.text("provider") or "").lower() or context.seller(model)
    yield {
        "event_id": _event_id(row),
        "occurred_at": row.happened_at("request_created_at", "response_created_at"),
        "provider": provider,
        "model": model,
        "response_id": body.text("id"),
        "usage": _usage(provider, row, body),
        "duration_ms": row.count("delay_ms", "latency"),
        "provider_cost_usd": row.amount_usd("cost", "costUSD", "cost_usd"),
        **_outcome(row),
        **_whom(row),
    }


def _event_id(row: Row) -> UUID:
    """Return the same id whichever way the call was exported.

    So it is Helicone's own, though the provider's would do as well where bodies are
    exported; and that of the answer, since the tool's CSV has no `request_id`.
    """
    named = row.required("response_id", "request_id")
    return derived_id("import", "helicone", named)


def _usage(provider: str, row: Row, body: Row) -> Usage:
    if isinstance(body.value("usage", "usageMetadata"), Mapping):
        try:
            shape = recognised(body.cells)
        except UnknownShape:
            shape = _SHAPES.get(provider, "openai.chat_completions")
        return usage_from_response(body.cells, shape)
    counts = {name: row.count(*columns) or 0 for name, columns in _OURS.items()}
    return Usage.model_validate(counts)


def _outcome(row: Row) -> Fields:
    status = row.count("response_status", "status")
    if status is None or 0 < status <= _LAST_OK:
        return {}
    return {"status": "error", "error_type": f"http_{status}"}


def _whom(row: Row) -> Fields:
    properties = row.part("request_properties", "properties").cells
    said = {
        "user_id": row.text("request_user_id", "user_id"),
        "session_id": Row(properties).text(_SESSION),
        "endpoint": row.text("request_path"),
    }
    own = {k: v for k, v in properties.items() if not k.startswith("Helicone-")}
    fields: Fields = {name: text for name, text in said.items() if text is not None}
    return fields | ({"tags": dict(merged_tags({}, own))} if own else {})
