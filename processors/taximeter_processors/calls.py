"""Usage records as the pricing agent reads them: as strictly as the models, quicker.

Pure. `UsageRecorded` says what an event may be, but reading every event through that
model takes a third of the time that the agent has for it. So ordinary records are read
by msgspec into `Call`, which has the same fields with the same bounds; whatever it
refuses is read again through the models, which know what is wrong with it. A test
holds the two to one meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from pydantic import TypeAdapter

from taximeter_processors.rates import Counts, counts_of
from taximeter_schemas.fields import EARLIEST, MAX_COUNT, MAX_TAGS, Usd
from taximeter_schemas.money import pico_from_usd, usd_text
from taximeter_schemas.records import (
    MAX_AHEAD,
    Fault,
    encode_event,
    read_record,
)
from taximeter_schemas.usage import (
    UNATTRIBUTED,
    ChargedEvent,
    UnpricedReason,
    Usage,
    UsageCorrected,
    UsageRecorded,
    UsageRepriced,
)

__all__ = ["Call", "Counting", "Reading", "Readings", "Repriced", "read_usage"]

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Hash = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]

# An id and an amount as we write them, of no more digits than the models take, each
# in a line of its own: a pattern for each field takes as long as all else of an event.
_IDS = re.compile(r"(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\n)*+")
_AMOUNTS = re.compile(r"(?:-?[0-9]{1,26}\.[0-9]{12}\n)*+")

if TYPE_CHECKING:
    _Used = Counts
else:
    _Used = dict[Literal[tuple(Usage.model_fields)], _Count]


class Call(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """One recorded call: the fields, bounds and defaults of `UsageRecorded`.

    `occurred_at` and `provider_cost_usd` have bounds that are checked by whoever
    decodes; seconds that are no whole number are left to the models.
    """

    event_id: UUID
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    provider: _Name
    model: _Name
    usage: _Used
    schema_version: Literal[1] = 1
    source: _Name = "unknown"
    operation: _Name = "chat"
    service_tier: _Name = "standard"
    user_id: _Name = UNATTRIBUTED
    project_id: _Name = UNATTRIBUTED
    session_id: _Name | None = None
    conversation_id: _Name | None = None
    endpoint: _Name | None = None
    tags: Annotated[dict[_Name, _Name], msgspec.Meta(max_length=MAX_TAGS)] = {}
    response_model: _Name | None = None
    response_id: _Name | None = None
    api_key_hash: _Hash | None = None
    region: _Name | None = None
    prompt_hash: _Hash | None = None
    trace_id: _Hash | None = None
    span_id: _Hash | None = None
    image_size: _Name | None = None
    image_quality: _Name | None = None
    video_resolution: _Name | None = None
    search_context_size: _Name | None = None
    max_results: _Count | None = None
    event_type: Literal["UsageRecorded"] = "UsageRecorded"
    usage_source: Literal["reported", "estimated"] = "reported"
    duration_ms: _Count | None = None
    status: Literal["ok", "error"] = "ok"
    error_type: _Name | None = None
    provider_cost_usd: Decimal | None = None
    reservation_id: UUID | None = None

    @classmethod
    def of(cls, event: UsageRecorded) -> Call:
        """Return the same call, from an event that was read through the model."""
        said: dict[str, Any] = {
            name: getattr(event, name) for name in event.model_fields_set
        }
        said["usage"] = counts_of(event.usage)
        return cls(**said)


class Repriced(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    kw_only=True,
    gc=False,
):
    """One call at another price: the fields, bounds and defaults of `UsageRepriced`.

    Amounts are text with all their 12 places, the call's id is text as we write it:
    whoever decodes sees to that, and leaves others to the models.
    """

    event_id: UUID
    schema_version: Literal[1] = 1
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    source: _Name = "unknown"
    provider: _Name
    model: _Name
    operation: _Name = "chat"
    service_tier: _Name = "standard"
    user_id: _Name = UNATTRIBUTED
    project_id: _Name = UNATTRIBUTED
    session_id: _Name | None = None
    conversation_id: _Name | None = None
    endpoint: _Name | None = None
    tags: Annotated[dict[_Name, _Name], msgspec.Meta(max_length=MAX_TAGS)] = {}
    response_model: _Name | None = None
    response_id: _Name | None = None
    api_key_hash: _Hash | None = None
    region: _Name | None = None
    prompt_hash: _Hash | None = None
    trace_id: _Hash | None = None
    span_id: _Hash | None = None
    image_size: _Name | None = None
    image_quality: _Name | None = None
    video_resolution: _Name | None = None
    search_context_size: _Name | None = None
    max_results: _Count | None = None
    event_type: Literal["UsageRepriced"]
    reprices: str
    status: Literal["ok", "error"] = "ok"
    old_input_cost_usd: str
    old_output_cost_usd: str
    old_unpriced_reason: UnpricedReason | None = None
    old_price_version: _Name
    new_input_cost_usd: str
    new_output_cost_usd: str
    old_list_cost_usd: str | None = None
    new_list_cost_usd: str | None = None
    new_price_version: _Name
    price_match: _Name | None = None
    reason: _Name
    repriced_by: _Name

    @property
    def amounts(self) -> Iterator[str]:
        """All amounts that are stated."""
        yield self.old_input_cost_usd
        yield self.old_output_cost_usd
        yield self.new_input_cost_usd
        yield self.new_output_cost_usd
        if self.old_list_cost_usd is not None:
            yield self.old_list_cost_usd
        if self.new_list_cost_usd is not None:
            yield self.new_list_cost_usd

    @classmethod
    def of(cls, event: UsageRepriced) -> Repriced:
        """Return the same, from an event that was read through the model."""
        said: dict[str, Any] = {
            name: getattr(event, name) for name in event.model_fields_set
        }
        for name, value in said.items():
            if name.endswith("_cost_usd") and value is not None:
                said[name] = usd_text(pico_from_usd(value))
        said["reprices"] = str(event.reprices)
        return cls(**said)


Counting = Call | UsageCorrected | Repriced
"""An event that counts: a call, or a statement about an earlier one."""

Reading = Counting | Fault


class Readings(NamedTuple):
    """What stands in one record, in its order.

    `encoded` has the JSON of each event, in our own notation; nothing for a fault.
    `plain` says that all were read quickly, so that there is no fault among them.
    """

    events: Sequence[Reading]
    encoded: Sequence[bytes]
    plain: bool


def read_usage(value: bytes, recorded_at: datetime, *, ours: bool) -> Readings:
    """Read a record of the `usage` topic; it never raises.

    Args:
        value: the record's value.
        recorded_at: when Kafka took it in.
        ours: whether our own emitter packed it, so that each event's bytes are in our
            notation already.
    """
    events: Sequence[Call | Repriced] | None = _read_quickly(
        value, recorded_at, ours=ours
    )
    if events is None and ours:
        events = _read_repriced(value, recorded_at)
    if events is None:
        return _read_with_care(value, recorded_at, ours=ours)
    parts = _parts(value) if ours else None
    return Readings(events, parts or [_encode(event) for event in events], plain=True)


def _parts(value: bytes) -> Sequence[bytes] | None:
    r"""Return the bytes of each event of a record, if they stand in an array.

    >>> _parts(b'[{"a":[1,2]},\n{"b":2}]')
    [b'{"a":[1,2]}', b'{"b":2}']
    >>> _parts(b'{"a":1}') is None
    True
    """
    try:
        return [bytes(part) for part in _unread.decode(value)]
    except _REFUSED:
        return None


_unread: Final = msgspec.json.Decoder(list[msgspec.Raw])
_one: Final = msgspec.json.Decoder(Call)
_many: Final = msgspec.json.Decoder(list[Call])
_many_repriced: Final = msgspec.json.Decoder(list[Repriced])
_REPRICED: Final = b'"UsageRepriced"'
_encode: Final = msgspec.json.Encoder().encode
_usd: Final = TypeAdapter[Decimal | None](Usd | None)
_STATED: Final = b'"provider_cost_usd"'
_REFUSED: Final = (msgspec.MsgspecError, ValueError, RecursionError)

# Finer than microseconds: msgspec rounds them, the models cut them off.
_TOO_FINE: Final = re.compile(rb":\d\d\.\d{7}")


def _read_quickly(
    value: bytes, recorded_at: datetime, *, ours: bool
) -> Sequence[Call] | None:
    """Return the calls of a record, or None if it has to be read with care."""
    try:
        packed = value.startswith(b"[")
        calls = _many.decode(value) if packed else [_one.decode(value)]
        moments = [call.occurred_at for call in calls] or [recorded_at]
        if min(moments) < EARLIEST or max(moments) > recorded_at + MAX_AHEAD:
            return None
        if not ours and _TOO_FINE.search(value):
            return None
        if _STATED in value:
            for call in calls:
                _usd.validate_python(call.provider_cost_usd)
            return calls if ours else None
    except _REFUSED:
        return None
    return calls


def _read_repriced(value: bytes, recorded_at: datetime) -> Sequence[Repriced] | None:
    """Return the re-pricings of a record that holds nothing else, as we pack them."""
    if _REPRICED not in value:
        return None
    try:
        events = _many_repriced.decode(value)
    except _REFUSED:
        return None
    latest = recorded_at + MAX_AHEAD
    in_time = all(EARLIEST <= event.occurred_at <= latest for event in events)
    return events if in_time and _as_we_write(events) else None


def _as_we_write(events: Sequence[Repriced]) -> bool:
    """Tell whether ids and amounts stand as we write them: all of a record at once."""
    amounts = [amount for event in events for amount in event.amounts]
    return _all_are(_AMOUNTS, amounts) and _all_are(_IDS, [e.reprices for e in events])


def _all_are(form: re.Pattern[str], texts: Sequence[str]) -> bool:
    r"""Tell whether each text is of a form, which is that of a line.

    >>> _all_are(_AMOUNTS, ["0.000000000001", "-2.500000000000"])
    True
    >>> _all_are(_AMOUNTS, ["0.000000000001\n-2.500000000000"])
    False
    """
    lines = "".join([f"{text}\n" for text in texts])
    return lines.count("\n") == len(texts) and form.fullmatch(lines) is not None


def _read_with_care(value: bytes, recorded_at: datetime, *, ours: bool) -> Readings:
    found = read_record(value, recorded_at)
    whole = not any(isinstance(one, Fault) for one in found)
    # A fault has no bytes to go on with.
    parts = _parts(value) if ours and whole else None
    encoded = parts or [b"" if isinstance(o, Fault) else encode_event(o) for o in found]
    return Readings([_compact(one) for one in found], encoded, plain=False)


def _compact(event: ChargedEvent | Fault) -> Reading:
    if isinstance(event, UsageRecorded):
        return Call.of(event)
    return Repriced.of(event) if isinstance(event, UsageRepriced) else event
