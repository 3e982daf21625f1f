"""How usage events stand in a Kafka record, and how a record is read back.

A record's value is one event as a JSON object, or a *packed* record: a JSON array of
events that all belong to the record's partition. Reading never raises: what cannot
be used comes back as a `Fault` in its place, so that the good events of a packed
record count whatever stands beside them. Pure: the pricing agent, the audit, the
HTTP API and `taximeter emit` read with the same rules.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from taximeter_schemas.dead_letters import DeadLetter, DeadLetterReason
from taximeter_schemas.partitioning import partition_of
from taximeter_schemas.usage import (
    ChargedEvent,
    EmittedEvent,
    UsageCorrected,
    UsageEvent,
    UsageNotUnderstood,
    UsageRecorded,
    UsageRepriced,
)

__all__ = [
    "MAX_AHEAD",
    "MAX_EVENT_BYTES",
    "NOT_EMITTED",
    "PACKED_HEADER",
    "Fault",
    "Origin",
    "dead_letter",
    "encode_event",
    "encoded_key",
    "explained",
    "kept_usage",
    "packed",
    "read_emitted",
    "read_record",
    "usage_key",
    "usage_partition",
]

MAX_EVENT_BYTES: Final = 64 * 1024
"""An emitter accepts no larger event; the bounds of the fields keep real ones below."""

PACKED_HEADER: Final = "taximeter-partitions"
"""Record header that says by how many partitions our own emitter distributed.

A record that carries the number now in force needs no check of each event's
partition; any other record is checked event by event.
"""

MAX_AHEAD: Final = timedelta(days=1)
"""An event may not claim to have happened later than this after Kafka took it in."""

NOT_EMITTED: Final = "a UsageRepriced comes from 'taximeter reprice' and nowhere else"
"""Why an event that states amounts of money is not taken from outside."""

_REPRICED: Final = b'"UsageRepriced"'
_BETWEEN: Final = b",\n"
_ID_FIRST: Final = re.compile(
    rb'\{"event_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"'
)
_MAX_FAULTS_TOLD: Final = 5
_MAX_SHOWN: Final = 80

_many: Final = TypeAdapter(list[UsageRecorded])
_many_repriced: Final = TypeAdapter(list[UsageRepriced])
_one: Final = TypeAdapter(UsageRecorded)
_adapters: Final[Mapping[str, TypeAdapter[Any]]] = {
    "UsageCorrected": TypeAdapter(UsageCorrected),
    "UsageNotUnderstood": TypeAdapter(UsageNotUnderstood),
    "UsageRepriced": TypeAdapter(UsageRepriced),
}


class Fault(NamedTuple):
    """Why a record, or one place in it, cannot be used, and the bytes in question."""

    reason: DeadLetterReason
    detail: str
    payload: bytes


class Origin(NamedTuple):
    """The place that something was read from."""

    topic: str
    partition: int
    offset: int


def usage_key(event_id: UUID) -> bytes:
    """Return the record key that decides an event's partition: its canonical text."""
    return str(event_id).encode()


def usage_partition(event_id: UUID, partitions: int) -> int:
    """Return the one partition of `usage` in which this id belongs."""
    return partition_of(usage_key(event_id), partitions)


def encode_event(event: ChargedEvent | EmittedEvent) -> bytes:
    """Return an event as the JSON that stands in a record."""
    return event.__pydantic_serializer__.to_json(event, exclude_unset=True)


def encoded_key(encoded: bytes) -> bytes:
    """Return the record key of an event that `encode_event` encoded.

    The id stands first, so that it need not be parsed.

    >>> encoded_key(b'{"event_id":"0199f3c2-7a11-7c3e-9d2a-5b8f0a1c2d3e","tags":{}}')
    b'0199f3c2-7a11-7c3e-9d2a-5b8f0a1c2d3e'
    """
    if found := _ID_FIRST.match(encoded):
        return found[1]
    return usage_key(UUID(from_json(encoded)["event_id"]))


def packed(encoded: Sequence[bytes]) -> bytes:
    r"""Return one record value for these encoded events.

    A line break separates them, for people who look at a record.

    >>> packed([b'{"a":1}', b'{"b":2}'])
    b'[{"a":1},\n{"b":2}]'
    """
    return b"[%b]" % _BETWEEN.join(encoded)


def read_record(
    value: bytes | None, recorded_at: datetime
) -> Sequence[ChargedEvent | Fault]:
    """Return what stands in a record, in its order, faults in their places.

    Args:
        value: the record's value.
        recorded_at: when Kafka took the record in; an event may not claim to have
            happened more than a day after it.
    """
    readings = _read(value or b"")
    latest = recorded_at + MAX_AHEAD
    for reading in readings:
        if not isinstance(reading, Fault) and reading.occurred_at > latest:
            whole = value if len(readings) == 1 else None
            return [_not_after(reading, latest, whole) for reading in readings]
    return readings


def kept_usage(fault: Fault) -> UsageNotUnderstood | None:
    """Return the event that a fault is, if it is a valid one that waits for people.

    Whoever takes events in hands it on, so that a worker makes its dead letter.
    """
    if fault.reason != "usage_not_understood":
        return None
    return UsageNotUnderstood.model_validate_json(fault.payload)


def read_emitted(value: bytes | None, now: datetime) -> Sequence[UsageEvent | Fault]:
    """Read what somebody wants to emit: as a record, but nobody may state amounts."""
    return [
        Fault("invalid_event", NOT_EMITTED, encode_event(reading))
        if isinstance(reading, UsageRepriced)
        else reading
        for reading in read_record(value, now)
    ]


def dead_letter(
    fault: Fault, origin: Origin, position: int | None, recorded_at: datetime
) -> DeadLetter:
    """Return the event that keeps a fault with its origin.

    `position` is the place in a packed record, or None for a record that could not
    be read as a whole.
    """
    return DeadLetter(
        reason=fault.reason,
        detail=fault.detail,
        origin_topic=origin.topic,
        origin_partition=origin.partition,
        origin_offset=origin.offset,
        origin_position=position,
        recorded_at=recorded_at,
        payload=b64encode(fault.payload),
    )


def _read(value: bytes) -> Sequence[ChargedEvent | Fault]:
    try:
        if value.startswith(b"["):
            # Re-pricings come in records of their own, some thousand records at once.
            many = _many_repriced if _REPRICED in value else _many
            return many.validate_json(value)
        return [_one.validate_json(value)]
    except ValidationError:
        return _read_with_care(value)


def _read_with_care(value: bytes) -> Sequence[ChargedEvent | Fault]:
    try:
        parsed = _parsed(value)
        if isinstance(parsed, list):
            items = cast("list[object]", parsed)
            return [_read_item(item, _encoded(item)) for item in items]
    except RecursionError:
        return [Fault("not_json", "nested too deeply", value)]
    except ValueError as error:
        return [Fault("not_json", str(error), value)]
    return [_read_item(parsed, value)]


def _parsed(value: bytes) -> object:
    try:
        return from_json(value)
    except ValueError:
        # The fast parser refuses the whole text for one lone surrogate; the standard
        # library's reads it, so that it spoils only the event in which it stands.
        if b"\\u" not in value:
            raise
        return json.loads(value.decode())


def _encoded(item: object) -> bytes:
    return json.dumps(item, separators=(",", ":")).encode()


def _read_item(item: object, payload: bytes) -> ChargedEvent | Fault:
    if not isinstance(item, dict):
        return Fault("not_an_event", "an event is a JSON object", payload)
    fields = cast("dict[str, object]", item)
    version = fields.get("schema_version", 1)
    if version != 1:
        known = "this Taximeter reads schema_version 1"
        detail = f"schema_version is {_short(repr(version))}; {known}"
        return Fault("unknown_schema_version", detail, payload)
    adapter = _adapters.get(str(fields.get("event_type")), _one)
    try:
        event: ChargedEvent | UsageNotUnderstood = adapter.validate_json(payload)
    except ValidationError as error:
        return Fault("invalid_event", explained(error), payload)
    if isinstance(event, UsageNotUnderstood):
        detail = f"usage of shape {event.shape}: {event.detail}"
        return Fault("usage_not_understood", detail, payload)
    return event


def explained(error: ValidationError) -> str:
    """Return which field is wrong and why, one clause a field."""
    clauses = [_clause(fault) for fault in error.errors(include_url=False)]
    told, rest = clauses[:_MAX_FAULTS_TOLD], clauses[_MAX_FAULTS_TOLD:]
    more = [f"and {len(rest)} more"] if rest else []
    return "; ".join(told + more)


def _clause(fault: ErrorDetails) -> str:
    field = ".".join(_short(str(step)) for step in fault["loc"]) or "event"
    given = fault["input"]
    shown = (
        "" if isinstance(given, (dict, list)) else f" (given {_short(str(given))!r})"
    )
    return f"{field}: {fault['msg']}{shown}"


def _short(text: str) -> str:
    return text[:_MAX_SHOWN]


def _not_after(
    reading: ChargedEvent | Fault, latest: datetime, whole: bytes | None
) -> ChargedEvent | Fault:
    if isinstance(reading, Fault) or reading.occurred_at <= latest:
        return reading
    detail = f"occurred_at {reading.occurred_at.isoformat()} is over a day ahead"
    return Fault("from_the_future", detail, whole or encode_event(reading))
