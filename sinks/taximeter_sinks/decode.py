"""Charge records as Arrow tables: pure, so it needs neither Kafka nor DuckDB.

This is the sink's hot path. Text becomes columns without a Python object per cell
where that can be helped: a column that no event of the batch fills in costs nothing,
and text turns into decimals and moments inside Arrow, exactly.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from taximeter_schemas.records import explained
from taximeter_schemas.usage import UNATTRIBUTED, Usage, UsageCorrected, UsageRecorded

__all__ = [
    "CHARGES_SCHEMA",
    "DecodedCharges",
    "RawRecord",
    "Undecodable",
    "decode_charges",
    "source_offset_of",
]

_MONEY: Final = pa.decimal128(38, 12)
_SECONDS: Final = pa.decimal128(38, 6)
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_TAGS: Final = pa.map_(pa.string(), pa.string())

_ID: Final = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

# How much text is parsed and taken apart in one go, see `_slices`.
_SLICE_BYTES: Final = 384 * 1024

_SECONDS_UNITS: Final = tuple(n for n in Usage.model_fields if n.endswith("_seconds"))
_COUNTS: Final = tuple(n for n in Usage.model_fields if n not in _SECONDS_UNITS)

# What the call itself says, with what its schema fills in where it says nothing.
_CALL_TEXT: Final[dict[str, str | None]] = {
    "source": "unknown",
    "operation": "chat",
    "user_id": UNATTRIBUTED,
    "project_id": UNATTRIBUTED,
    "session_id": None,
    "conversation_id": None,
    "endpoint": None,
    "usage_source": "reported",
    "service_tier": "standard",
    "status": "ok",
    "error_type": None,
    "response_model": None,
    "response_id": None,
    "api_key_hash": None,
    "region": None,
    "prompt_hash": None,
    "trace_id": None,
    "span_id": None,
}

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
            (n, _SECONDS if n in _SECONDS_UNITS else pa.int64())
            for n in Usage.model_fields
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
    ]
)
"""The columns of the ledger's `charges`, in their order."""


_NULLABLE: Final = frozenset(
    {
        *(name for name, default in _CALL_TEXT.items() if default is None),
        *("input_cost_usd", "output_cost_usd", "cost_usd", "provider_cost_usd"),
        *("unpriced_reason", "price_match", "duration_ms"),
        *("adjusts", "adjust_reason"),
    }
)
_ALWAYS: Final = tuple(n for n in CHARGES_SCHEMA.names if n not in _NULLABLE)


class RawRecord(NamedTuple):
    """One record as Kafka gave it; `offset` is its own, not its source's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Undecodable(NamedTuple):
    """A record of our own topics that cannot be read, and why."""

    record: RawRecord
    reason: str


@dataclass(frozen=True)
class DecodedCharges:
    """The charges of some records, and the records that could not be read."""

    table: pa.Table
    undecodable: list[Undecodable] = field(default_factory=list[Undecodable])


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Hold the collector back, which takes a quarter of the time and finds nothing.

    Parsed JSON has no cycles, and there are some hundred thousand new dicts of it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# What reading text that is not a charge can raise: wrong shape, wrong type, too large.
_FAULTS: Final = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


def source_offset_of(record: RawRecord) -> int:
    """Return the offset of the usage record that a charges record was made from.

    Raises:
        ValueError: if the key is not "{source_partition}:{source_offset}", or names
            another partition than the one that the record stands in.
    """
    partition, _, offset = (record.key or b"").partition(b":")
    if not offset or int(partition) != record.partition:
        raise ValueError(f"key {record.key!r} is not of partition {record.partition}")
    return int(offset)


def decode_charges(records: Sequence[RawRecord]) -> DecodedCharges:
    """Return every charge in these records as one table, in their order.

    A record that cannot be decoded is handed back with its reason and the others
    count: a slice is read at once, and only if that fails, record by record.
    """
    tables, undecodable = [CHARGES_SCHEMA.empty_table()], list[Undecodable]()
    with _no_garbage_collection():
        for some in _slices(records):
            try:
                tables.append(_table_of([_charges_of(record) for record in some], some))
            except _FAULTS:
                decoded = _decode_with_care(some)
                tables.append(decoded.table)
                undecodable += decoded.undecodable
    return DecodedCharges(pa.concat_tables(tables).combine_chunks(), undecodable)


def _slices(records: Sequence[RawRecord]) -> Iterator[Sequence[RawRecord]]:
    """Divide records so that the parsed ones fit into the processor's cache.

    Each is walked through some forty times, once a column. From main memory that
    takes twice as long.
    """
    first = size = 0
    for after, record in enumerate(records, 1):
        size += len(record.value or b"")
        if size >= _SLICE_BYTES:
            yield records[first:after]
            first, size = after, 0
    if first < len(records):
        yield records[first:]


def _decode_with_care(records: Sequence[RawRecord]) -> DecodedCharges:
    tables, undecodable = [CHARGES_SCHEMA.empty_table()], list[Undecodable]()
    for record in records:
        try:
            tables.append(_table_with_care(record))
        except _FAULTS as error:
            reason = f"{type(error).__name__}: {error}"
            undecodable.append(Undecodable(record, reason))
    return DecodedCharges(pa.concat_tables(tables), undecodable)


def _table_with_care(record: RawRecord) -> pa.Table:
    charges = _charges_of(record)
    try:
        return _table_of([charges], [record])
    except _FAULTS:
        # Within a charge stands the caller's own notation of the event.
        return _table_of([[_canonical(charge) for charge in charges]], [record])


def _canonical(charge: dict[str, Any]) -> dict[str, Any]:
    """Write the event in a charge as we would, whichever way its sender did.

    The schema takes a moment as a number of seconds, an amount as a number, an id
    without hyphens, and more. What it refuses raises ValueError.
    """
    name = "corrected" if "corrected" in charge else "recorded"
    model = UsageCorrected if name == "corrected" else UsageRecorded
    try:
        event = model.model_validate_json(orjson.dumps(charge[name]))
    except ValidationError as error:
        raise ValueError(explained(error)) from error
    return charge | {name: event.model_dump(mode="json", exclude_unset=True)}


def _table_of(
    parsed: Sequence[list[dict[str, Any]]], records: Sequence[RawRecord]
) -> pa.Table:
    charges = list(chain.from_iterable(parsed))
    if not charges:
        return CHARGES_SCHEMA.empty_table()
    _check_origins(records, parsed)
    if any("corrected" in charge for charge in charges):
        charges = [_as_recorded(charge) for charge in charges]
    calls = [charge["recorded"] for charge in charges]
    usages = [call["usage"] for call in calls]
    columns = _charge_columns(charges) | _call_columns(calls) | _usage_columns(usages)
    for name in _ALWAYS:
        if columns[name].null_count:
            raise ValueError(f"{name} is missing")
    arrays = [columns[field.name] for field in CHARGES_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=CHARGES_SCHEMA)


def _charges_of(record: RawRecord) -> list[dict[str, Any]]:
    charges: list[dict[str, Any]] = orjson.loads(record.value or b"")
    if not isinstance(charges, list):
        raise TypeError("a charges record is an array")
    return charges


def _check_origins(
    records: Sequence[RawRecord], parsed: Sequence[Sequence[Mapping[str, Any]]]
) -> None:
    """Hold charges against their record's key, by which they are told from repeats."""
    for record, charges in zip(records, parsed, strict=True):
        origin = source_offset_of(record)
        if [charge["source_offset"] for charge in charges].count(origin) < len(charges):
            raise ValueError(f"a charge of another origin than {record.key!r}")


def _as_recorded(charge: dict[str, Any]) -> dict[str, Any]:
    """Bring an adjustment into the shape of a charge: its usage is the difference."""
    if "corrected" not in charge:
        return charge
    call = charge["corrected"]
    usage = _difference(call["old_usage"], call["new_usage"])
    return charge | {"recorded": call | {"usage": usage}}


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for name in {*old, *new}:
        step = Decimal(str(new.get(name, 0))) - Decimal(str(old.get(name, 0)))
        changed[name] = str(step) if name in _SECONDS_UNITS else int(step)
    return changed


def _charge_columns(charges: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    columns = _Columns(charges)
    return {
        "kind": columns.kinds(),
        "recorded_at": _moments(columns.required("recorded_at")),
        "input_cost_usd": _amounts(columns.required("input_cost_usd"), _MONEY),
        "output_cost_usd": _amounts(columns.required("output_cost_usd"), _MONEY),
        "cost_usd": _amounts(columns.required("cost_usd"), _MONEY),
        "unpriced_reason": columns.text("unpriced_reason"),
        "price_version": _text(columns.required("price_version")),
        "price_match": columns.text("price_match"),
        "adjusts": columns.ids("adjusts"),
        "adjust_reason": columns.text("reason"),
        "source_partition": pa.array(columns.required("source_partition"), pa.int32()),
        "source_offset": pa.array(columns.required("source_offset"), pa.int64()),
        "source_position": pa.array(columns.required("source_position"), pa.int32()),
    }


def _call_columns(calls: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    columns = _Columns(calls)
    named = {name: columns.text(name, default) for name, default in _CALL_TEXT.items()}
    return named | {
        "event_id": _ids(columns.required("event_id")),
        "occurred_at": _moments(columns.required("occurred_at")),
        "provider": _text(columns.required("provider")),
        "model": _text(columns.required("model")),
        "tags": _tags(columns.values("tags", {})),
        "provider_cost_usd": columns.amounts("provider_cost_usd", _MONEY),
        "duration_ms": columns.whole("duration_ms"),
    }


def _usage_columns(usages: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    columns = _Columns(usages)
    counts = {name: columns.whole(name, 0) for name in _COUNTS}
    seconds = {n: columns.amounts(n, _SECONDS, "0") for n in _SECONDS_UNITS}
    return counts | seconds


class _Columns:
    """The fields of many events, one column at a time.

    Events of one program mostly say the same things in the same order: then they are
    turned over at once, without looking up a single name.
    """

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        self._events = events
        self._turned: dict[str, Sequence[Any]] = {}
        shapes = set(map(tuple, events))
        self._present = set[str]().union(*shapes)
        if len(shapes) == 1:
            turned = zip(*map(dict.values, events), strict=True)
            self._turned.update(zip(*shapes, turned, strict=True))

    def required(self, name: str) -> Sequence[Any]:
        return self._turned.get(name) or list(map(itemgetter(name), self._events))

    def values(self, name: str, default: object = None) -> Sequence[Any]:
        if name not in self._present:
            return [default] * len(self._events)
        try:
            return self.required(name)  # where each event has it: twice as fast
        except KeyError:
            return [event.get(name, default) for event in self._events]

    def text(self, name: str, default: str | None = None) -> pa.Array:
        if name not in self._present:
            return self._constant(default, pa.string())
        return _text(self.values(name, default))

    def ids(self, name: str) -> pa.Array:
        if name not in self._present:
            return self._constant(None, pa.string())
        return _ids(self.values(name))

    def whole(self, name: str, default: int | None = None) -> pa.Array:
        if name not in self._present:
            return self._constant(default, pa.int64())
        return pa.array(self.values(name, default), pa.int64())

    def amounts(
        self, name: str, kind: pa.DataType, default: str | None = None
    ) -> pa.Array:
        if name not in self._present:
            return self._constant(None if default is None else Decimal(default), kind)
        return _amounts(self.values(name, default), kind)

    def kinds(self) -> pa.Array:
        if "adjusts" not in self._present:
            return self._constant("charge", pa.string())
        kinds = ["adjustment" if "adjusts" in e else "charge" for e in self._events]
        return _text(kinds)

    def _constant(
        self, value: str | int | Decimal | None, kind: pa.DataType
    ) -> pa.Array:
        count = len(self._events)
        return _repeated(value, kind, 1 << count.bit_length()).slice(0, count)


@lru_cache(maxsize=512)
def _repeated(
    value: str | int | Decimal | None, kind: pa.DataType, count: int
) -> pa.Array:
    # Arrays never change, so that all tables may share one.
    return pa.repeat(pa.scalar(value, kind), count)


def _text(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def _amounts(values: Sequence[str | None], kind: pa.DataType) -> pa.Array:
    """Turn decimal text into decimals; text with too many places raises ValueError."""
    return pa.array(values, pa.string()).cast(kind)


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


def _tags(values: Sequence[dict[str, str]]) -> pa.Array:
    offsets = pa.array([0, *accumulate(map(len, values))], pa.int32())
    keys = pa.array(list(chain.from_iterable(values)), pa.string())
    items = chain.from_iterable(map(dict.values, values))
    return pa.MapArray.from_arrays(offsets, keys, pa.array(list(items), pa.string()))
