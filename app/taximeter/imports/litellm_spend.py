"""Rows of the table LiteLLM_SpendLogs of litellm's proxy, as CSV or JSON.

The columns are those of `schema.prisma` in litellm 1.106.2; `metadata` and
`request_tags` may be JSON or its text. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from taximeter.imports.context import Context, Fields
from taximeter.imports.rows import LeftOut, Refused, Row
from taximeter_producers.call_ids import call_event_id
from taximeter_producers.litellm_attribution import proxy_attribution, tags_of
from taximeter_producers.litellm_operations import operation_of
from taximeter_producers.provider_usage import usage_from_response
from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import Usage

__all__ = ["events"]

_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_NO_USAGE: Final = (
    "it states a spend and no tokens (images, audio, …): litellm's log does not say "
    "what was used"
)


def events(row: Row, context: Context) -> Iterator[Fields]:
    """Yield the event of one request.

    Raises:
        LeftOut: it was answered from litellm's cache, or bills no call.
        Refused: a column is missing or contradicts another.
    """
    operation = operation_of(row.required("call_type"))
    if operation is None:
        raise LeftOut(f"{row.text('call_type')} bills no call")
    if row.text("cache_hit") in ("True", "true", "1"):
        raise LeftOut("answered from litellm's cache")
    noted = row.part("metadata")
    provider = row.text("custom_llm_provider") or context.seller(row.required("model"))
    yield {
        "event_id": _event_id(row),
        "occurred_at": row.happened_at("startTime", "start_time"),
        "provider": provider,
        "model": row.required("model"),
        "operation": operation,
        "response_id": row.text("request_id"),
        "usage": _usage(row, noted),
        "duration_ms": _duration_ms(row),
        "provider_cost_usd": row.amount_usd("spend"),
        **_outcome(row, noted),
        **_whom(row, noted),
    }


def _event_id(row: Row) -> UUID:
    """Return the id that the callback gave the call, where it saw it as well."""
    named = row.required("request_id")
    seen = call_event_id(row.text("custom_llm_provider") or "", named)
    return seen or derived_id("import", "litellm", named)


def _usage(row: Row, noted: Row) -> Usage:
    """Return the buckets: of the whole usage where the log keeps it."""
    whole = noted.part("usage_object").cells
    counts = {name: row.count(name) for name in _COUNTS}
    more = noted.part("additional_usage_values").cells
    stated: dict[str, Any] = dict(whole or {**more, **counts})
    if any(stated.get(name) for name in _COUNTS):
        return usage_from_response(stated, "litellm.usage")
    if row.amount_usd("spend"):
        raise Refused(_NO_USAGE)
    return Usage()


def _duration_ms(row: Row) -> int | None:
    stated = row.count("request_duration_ms")
    start = row.moment("startTime", "start_time")
    end = row.moment("endTime", "end_time")
    if stated is not None or start is None or end is None:
        return stated
    return max(round((end - start).total_seconds() * 1000), 0)


def _outcome(row: Row, noted: Row) -> Fields:
    if "failure" not in (row.text("status"), noted.text("status")):
        return {}
    error = noted.part("error_information")
    return {
        "status": "error",
        "error_type": error.text("error_class", "error_code") or "unknown",
    }


def _whom(row: Row, noted: Row) -> Fields:
    """Return whom it was for: the columns, and what `metadata` says beside them."""
    columns = {
        "user_api_key_user_id": row.text("user"),
        "user_api_key_team_id": row.text("team_id"),
        "user_api_key_org_id": row.text("organization_id"),
        "user_api_key_end_user_id": row.text("end_user"),
        "user_api_key_hash": row.text("api_key"),
        "model_group": row.text("model_group"),
        "session_id": row.text("session_id"),
        "tags": tags_of(row.items("request_tags")),
    }
    said = {name: value for name, value in columns.items() if value}
    return proxy_attribution({**noted.cells, **said})
