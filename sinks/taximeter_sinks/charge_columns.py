"""Parsed charges as columns, one Arrow array each.

Pure, and the sink's hot path: a column in which nobody says anything costs next to
nothing, and text turns into decimals and moments inside Arrow, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET
from msgspec.structs import astuple, fields

from taximeter_schemas.usage import Usage
from taximeter_sinks.parsed_charges import SECONDS_UNITS, Call, Charge, Repriced

__all__ = ["CHARGES_SCHEMA", "charges_table"]

_MONEY: Final = pa.decimal128(38, 12)
_SECONDS: Final = pa.decimal128(38, 6)
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_TAGS: Final = pa.map_(pa.string(), pa.string())

_ID: Final = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

# Columns that a later migration put behind the first ones.
_LATER: Final = (
    "image_pixels",
    "output_characters",
    "annotated_pages",
    "credits",
    "maps_queries",
    "sessions",
    "cache_read_explicit_tokens",
    "cache_write_12h_tokens",
    "citation_tokens",
    "text_messages",
)
_CHOICES: Final = (
    "image_size",
    "image_quality",
    "video_resolution",
    "search_context_size",
)

_COUNTS: Final = tuple(n for n in Usage.model_fields if n not in SECONDS_UNITS)

# What a call may leave unsaid and the ledger has as text, with what is filled in.
_OTHERS: Final = (
    "tags",
    "duration_ms",
    "provider_cost_usd",
    "max_results",
    "reservation_id",
)
_CALL_TEXT: Final[dict[str, str | None]] = {
    field.name: field.default
    for field in fields(Call)
    if not field.required and field.name not in _OTHERS
}

_Value = str | int | Decimal | None

CHARGES_SCHEMA: Final = pa.schema(
    [
        ("kind", pa.string()),
        ("event_id", pa.string()),
        ("occurred_at", _MOMENT),
        ("recorded_at", _MOMENT),
        ("source", pa.string()),
        ("provider", pa.string()),
        ("model", pa.string()),
        ("operation", pa.string()),
        ("user_id", pa.string()),
        ("project_id", pa.string()),
        ("session_id", pa.string()),
        ("conversation_id", pa.string()),
        ("endpoint", pa.string()),
        ("tags", _TAGS),
        *(
            (n, _SECONDS if n in SECONDS_UNITS else pa.int64())
            for n in Usage.model_fields
            if n not in _LATER
        ),
        ("usage_source", pa.string()),
        ("service_tier", pa.string()),
        ("input_cost_usd", _MONEY),
        ("output_cost_usd", _MONEY),
        ("cost_usd", _MONEY),
        ("unpriced_reason", pa.string()),
        ("price_version", pa.string()),
        ("price_match", pa.string()),
        ("provider_cost_usd", _MONEY),
        ("status", pa.string()),
        ("error_type", pa.string()),
        ("duration_ms", pa.int64()),
        ("response_model", pa.string()),
        ("response_id", pa.string()),
        ("api_key_hash", pa.string()),
        ("region", pa.string()),
        ("prompt_hash", pa.string()),
        ("trace_id", pa.string()),
        ("span_id", pa.string()),
        ("adjusts", pa.string()),
        ("adjust_reason", pa.string()),
        ("source_partition", pa.int32()),
        ("source_offset", pa.int64()),
        ("source_position", pa.int32()),
        *((n, pa.int64()) for n in _LATER),
        *((n, pa.string()) for n in _CHOICES),
        ("max_results", pa.int64()),
        ("list_cost_usd", _MONEY),
        ("old_price_version", pa.string()),
        ("old_unpriced_reason", pa.string()),
        ("adjusted_by", pa.string()),
        ("reservation_id", pa.string()),
    ]
)
"""The columns of the ledger's `charges`, in their order."""


def charges_table(charges: Sequence[Charge]) -> pa.Table:
    """Return a row for each charge, in their order.

    Raises:
        ValueError: if something in them is not what its column holds.
    """
    if not charges:
        return CHARGES_SCHEMA.empty_table()
    calls = [charge.recorded or charge.call for charge in charges]
    columns = _charge_columns(charges) | _call_columns(calls) | _usage_columns(calls)
    arrays = [columns[field.name] for field in CHARGES_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=CHARGES_SCHEMA)


def _charge_columns(charges: Sequence[Charge]) -> dict[str, pa.Array]:
    columns = _Columns(charges, Charge)
    charged = _amounts(columns.values("cost_usd"), _MONEY)
    return {
        "kind": _kinds(columns.values("adjusts")),
        "recorded_at": _moments(columns.values("recorded_at")),
        "input_cost_usd": _amounts(columns.values("input_cost_usd"), _MONEY),
        "output_cost_usd": _amounts(columns.values("output_cost_usd"), _MONEY),
        "cost_usd": charged,
        "list_cost_usd": _listed(charges, columns.values("list_cost_usd"), charged),
        "unpriced_reason": columns.text("unpriced_reason"),
        "price_version": _text(columns.values("price_version")),
        "price_match": columns.text("price_match"),
        "adjusts": columns.ids("adjusts"),
        "adjust_reason": columns.text("reason"),
        "old_price_version": columns.text("old_price_version"),
        "old_unpriced_reason": _old_reasons(columns.values("repriced")),
        "adjusted_by": columns.text("adjusted_by"),
        "source_partition": pa.array(columns.values("source_partition"), pa.int32()),
        "source_offset": pa.array(columns.values("source_offset"), pa.int64()),
        "source_position": pa.array(columns.values("source_position"), pa.int32()),
    }


def _call_columns(calls: Sequence[Call]) -> dict[str, pa.Array]:
    columns = _Columns(calls, Call)
    named = {name: columns.text(name, default) for name, default in _CALL_TEXT.items()}
    return named | {
        "event_id": columns.ids("event_id"),
        "occurred_at": _moments(columns.values("occurred_at")),
        "provider": _text(columns.values("provider")),
        "model": _text(columns.values("model")),
        "tags": _tags(columns.values("tags")),
        "provider_cost_usd": columns.amounts("provider_cost_usd"),
        "duration_ms": columns.whole("duration_ms"),
        "max_results": columns.whole("max_results"),
        "reservation_id": columns.ids("reservation_id"),
    }


def _usage_columns(calls: Sequence[Call]) -> dict[str, pa.Array]:
    usages = [call.usage for call in calls]
    used = set[str]().union(*usages)
    columns = {name: _constant(0, pa.int64(), len(usages)) for name in _COUNTS} | {
        name: _constant(Decimal(0), _SECONDS, len(usages)) for name in SECONDS_UNITS
    }
    for name in used & columns.keys():
        values = [usage.get(name, 0) for usage in usages]
        columns[name] = (
            _amounts(list(map(str, values)), _SECONDS)
            if name in SECONDS_UNITS
            else pa.array(values, pa.int64())
        )
    return columns


class _Columns:
    """The fields of many charges, or of many calls, turned over into columns.

    A column in which nobody says anything but the default is not built anew.
    """

    def __init__(
        self, said: Sequence[Charge | Call], kind: type[Charge] | type[Call]
    ) -> None:
        # A re-pricing is a call with a field more; mostly all of them are one, or none.
        alike = len(set(map(type, said))) == 1
        names = (type(said[0]) if alike else kind).__struct_fields__
        turned = zip(*map(astuple if alike else attrgetter(*names), said), strict=True)
        self._columns = dict(zip(names, turned, strict=True))

    def values(self, name: str) -> Sequence[Any]:
        return self._columns[name]

    def text(self, name: str, default: str | None = None) -> pa.Array:
        values = self.values(name)
        return self._unsaid(values, default, pa.string()) or _text(values)

    def ids(self, name: str) -> pa.Array:
        values = self.values(name)
        return self._unsaid(values, None, pa.string()) or _ids(values)

    def whole(self, name: str) -> pa.Array:
        values = self.values(name)
        return self._unsaid(values, None, pa.int64()) or pa.array(values, pa.int64())

    def amounts(self, name: str) -> pa.Array:
        values = self.values(name)
        return self._unsaid(values, None, _MONEY) or _amounts(values, _MONEY)

    def _unsaid(
        self, values: Sequence[Any], default: str | None, kind: pa.DataType
    ) -> pa.Array | None:
        if values.count(default) < len(values):
            return None
        return _constant(default, kind, len(values))


def _constant(value: _Value, kind: pa.DataType, count: int) -> pa.Array:
    return _repeated(value, kind, 1 << count.bit_length()).slice(0, count)


@lru_cache(maxsize=512)
def _repeated(value: _Value, kind: pa.DataType, count: int) -> pa.Array:
    # Arrays never change, so that all tables may share one.
    return pa.repeat(pa.scalar(value, kind), count)


def _text(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def _amounts(values: Sequence[str | None], kind: pa.DataType) -> pa.Array:
    """Turn decimal text into decimals; text with too many places raises ValueError."""
    return pa.array(values, pa.string()).cast(kind)


def _listed(
    charges: Sequence[Charge], stated: Sequence[object], charged: pa.Array
) -> pa.Array:
    """Mostly nobody states it: then it is what was charged, and so is its column."""
    if stated.count(UNSET) == len(stated):
        return charged
    return _amounts([charge.listed_usd for charge in charges], _MONEY)


def _moments(values: Sequence[str]) -> pa.Array:
    """Turn RFC 3339 text of any zone into UTC moments; other notations raise."""
    return pa.array(values, pa.string()).cast(_MOMENT)


def _ids(values: Sequence[str | None]) -> pa.Array:
    """Hold ids to their usual form: others would fail as late as in the ledger."""
    ids = _text(values)
    usual: pa.Array = pc.call_function(
        "match_substring_regex", [ids], pc.MatchSubstringOptions(_ID)
    )
    if usual.false_count:
        raise ValueError("an id is not written as a UUID")
    return ids


def _kinds(adjusts: Sequence[str | None]) -> pa.Array:
    if adjusts.count(None) == len(adjusts):
        return _constant("charge", pa.string(), len(adjusts))
    return _text(["charge" if one is None else "adjustment" for one in adjusts])


def _old_reasons(repriced: Sequence[Repriced | None]) -> pa.Array:
    if repriced.count(None) == len(repriced):
        return _constant(None, pa.string(), len(repriced))
    return _text([each.old_unpriced_reason if each else None for each in repriced])


def _tags(values: Sequence[dict[str, str]]) -> pa.Array:
    offsets = pa.array([0, *accumulate(map(len, values))], pa.int32())
    keys = pa.array(list(chain.from_iterable(values)), pa.string())
    items = chain.from_iterable(map(dict.values, values))
    return pa.MapArray.from_arrays(offsets, keys, pa.array(list(items), pa.string()))
