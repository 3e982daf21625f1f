"""Anthropic's usage reports: answers of `/v1/organizations/usage_report/messages`.

Ask them with `group_by[]=model`, and with `context_window`, `service_tier` and
`workspace_id` where you want to know. They do not count requests: a bucket becomes the
fewest calls that fit the context window that it is of, so that no call is priced as a
longer one, and the number of calls is too small.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from taximeter.imports.context import Context, Fields
from taximeter.imports.rows import Refused, Row
from taximeter.imports.shares import Bucket, events_of

__all__ = ["events"]

_GROUPS: Final = (
    "model",
    "workspace_id",
    "api_key_id",
    "service_tier",
    "context_window",
    "inference_geo",
)
_ANYWHERE: Final = frozenset({None, "global", "not_available"})
_SHORT: Final = 200_000
_LONG: Final = 1_000_000
_NO_MODEL: Final = "names no model: ask the API for it with group_by[]=model"
_COSTS: Final = (
    "is a line of costs, not of usage: `taximeter reconcile` holds the ledger "
    "against those"
)
_INPUT: Final = (
    "text_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)


def events(row: Row, context: Context) -> Iterator[Fields]:
    """Yield the events of one result of a bucket.

    Raises:
        LeftOut: nothing was used, or the bucket is not over yet.
        Refused: it is no usage, or does not name the model.
    """
    if row.value("amount") is not None:
        raise Refused(_COSTS)
    start, end = row.happened_at("starting_at"), row.happened_at("ending_at")
    grouped = tuple(f"{name}={row.text(name) or ''}" for name in _GROUPS)
    counts = _counts(row)
    bucket = Bucket(
        start=start,
        end=end,
        facts=("anthropic", start.isoformat(), end.isoformat(), *grouped),
        counts=counts,
        calls=_calls(sum(counts[name] for name in _INPUT), row),
        fields=_fields(row),
    )
    yield from events_of(bucket, context.now)


def _counts(row: Row) -> dict[str, int]:
    written = row.part("cache_creation")
    tools = row.part("server_tool_use")
    return {
        "text_input_tokens": row.count("uncached_input_tokens") or 0,
        "cache_read_tokens": row.count("cache_read_input_tokens") or 0,
        "cache_write_5m_tokens": written.count("ephemeral_5m_input_tokens") or 0,
        "cache_write_1h_tokens": written.count("ephemeral_1h_input_tokens") or 0,
        "text_output_tokens": row.count("output_tokens") or 0,
        "web_searches": tools.count("web_search_requests") or 0,
    }


def _calls(input_tokens: int, row: Row) -> int:
    """Return the fewest calls that may have had so much input; what is long stays long.

    >>> _calls(450_000, Row({})), _calls(450_000, Row({"context_window": "200k-1M"}))
    (3, 1)
    """
    most = _LONG if row.text("context_window") == "200k-1M" else _SHORT
    return max(-(-input_tokens // most), 1)


def _fields(row: Row) -> Fields:
    model = row.text("model")
    if model is None:
        raise Refused(_NO_MODEL)
    place = row.text("inference_geo")
    names = ("api_key_id", "workspace_id", "context_window")
    said: Fields = {
        "provider": "anthropic",
        "model": model,
        "service_tier": row.text("service_tier"),
        "region": None if place in _ANYWHERE else place,
        "tags": {name: text for name in names if (text := row.text(name))},
    }
    return {name: value for name, value in said.items() if value}
