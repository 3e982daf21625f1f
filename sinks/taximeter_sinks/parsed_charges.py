"""Charges as they stand in their records, parsed and held to their shape.

Pure. Only what the columns need is looked at: text stays text, to be turned into
moments and decimals column by column. Within a charge stands the event as its sender
wrote it; where that is not our own notation, the event is read through its schema and
written as we would.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from taximeter_schemas.records import explained
from taximeter_schemas.usage import (
    UNATTRIBUTED,
    Usage,
    UsageCorrected,
    UsageRecorded,
    UsageRepriced,
)

__all__ = [
    "SECONDS_UNITS",
    "Call",
    "Charge",
    "Repriced",
    "Used",
    "parse",
    "parse_with_care",
]

SECONDS_UNITS: Final = tuple(n for n in Usage.model_fields if n.endswith("_seconds"))

Used = dict[str, int | str]
"""Counts by the names of `Usage`'s fields; seconds are decimal text."""


class _Said(msgspec.Struct, kw_only=True, gc=False):
    """What an event says of its call, with what its schema fills in."""

    event_id: str
    occurred_at: str
    provider: str
    model: str
    source: str = "unknown"
    operation: str = "chat"
    service_tier: str = "standard"
    user_id: str = UNATTRIBUTED
    project_id: str = UNATTRIBUTED
    session_id: str | None = None
    conversation_id: str | None = None
    endpoint: str | None = None
    tags: dict[str, str] = {}
    response_model: str | None = None
    response_id: str | None = None
    api_key_hash: str | None = None
    region: str | None = None
    prompt_hash: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    image_size: str | None = None
    image_quality: str | None = None
    video_resolution: str | None = None
    search_context_size: str | None = None
    max_results: int | None = None


class Call(_Said, kw_only=True, gc=False):
    """A recorded call, or a correction in the shape of one."""

    usage: Used
    usage_source: str = "reported"
    duration_ms: int | None = None
    status: str = "ok"
    error_type: str | None = None
    provider_cost_usd: str | None = None
    reservation_id: str | None = None


class _Correction(_Said, kw_only=True, gc=False):
    old_usage: Used
    new_usage: Used

    def as_call(self) -> Call:
        """Return it in the shape of a call: its usage is the difference."""
        said = {name: getattr(self, name) for name in _Said.__struct_fields__}
        return Call(usage=_difference(self.old_usage, self.new_usage), **said)


class Repriced(Call, kw_only=True, gc=False):
    """A re-pricing, which is of the shape of a call that used nothing."""

    usage: Used = {}
    old_unpriced_reason: str | None = None


class Charge(msgspec.Struct, kw_only=True, gc=False):
    """A `UsagePriced`, or a `ChargeAdjusted`; with one of the last three."""

    recorded_at: str
    source_partition: int
    source_offset: int
    source_position: int
    input_cost_usd: str | None
    output_cost_usd: str | None
    cost_usd: str | None
    unpriced_reason: str | None = None
    price_version: str
    price_match: str | None = None
    list_cost_usd: str | msgspec.UnsetType | None = msgspec.UNSET
    adjusts: str | None = None
    reason: str | None = None
    old_price_version: str | None = None
    adjusted_by: str | None = None
    recorded: Call | None = None
    corrected: _Correction | None = None
    repriced: Repriced | None = None

    @property
    def listed_usd(self) -> str | None:
        """What the published list says: what is charged, if nothing else is stated."""
        if self.list_cost_usd is msgspec.UNSET:
            return self.cost_usd
        return self.list_cost_usd

    @property
    def call(self) -> Call:
        """The call that is charged, or whose charge is adjusted.

        Raises:
            ValueError: if it names none.
        """
        if self.recorded is not None:
            return self.recorded
        if self.adjusts is not None and self.repriced is not None:
            return self.repriced
        if self.adjusts is not None and self.corrected is not None:
            return self.corrected.as_call()
        raise ValueError("a charge without its call")


_charges: Final = msgspec.json.Decoder(list[Charge])


def parse(value: bytes) -> Sequence[Charge]:
    """Return the charges of a record whose events stand in our own notation.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        return _charges.decode(value)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


def parse_with_care(value: bytes) -> Sequence[Charge]:
    """Return the charges of a record, whichever way its events are written.

    The schema takes a moment as a number of seconds, an amount as a number, an id
    without hyphens, and more.

    Raises:
        ValueError: if it is not a record of charges, or the schema refuses an event.
    """
    try:
        charges = msgspec.json.decode(value, type=list[dict[str, Any]])
        canonical = [_canonical(charge) for charge in charges]
        return msgspec.convert(canonical, list[Charge])
    except (msgspec.MsgspecError, RecursionError, KeyError) as error:
        raise ValueError(str(error)) from error


_CAUSES: Final[dict[str, type[UsageRecorded | UsageCorrected | UsageRepriced]]] = {
    "corrected": UsageCorrected,
    "repriced": UsageRepriced,
    "recorded": UsageRecorded,
}


def _canonical(charge: dict[str, Any]) -> dict[str, Any]:
    name = next((name for name in _CAUSES if charge.get(name)), "recorded")
    try:
        event = _CAUSES[name].model_validate_json(msgspec.json.encode(charge[name]))
    except ValidationError as error:
        raise ValueError(explained(error)) from error
    return charge | {name: event.model_dump(mode="json", exclude_unset=True)}


def _difference(old: Used, new: Used) -> Used:
    changed: Used = {}
    for name in {*old, *new}:
        step = Decimal(str(new.get(name, 0))) - Decimal(str(old.get(name, 0)))
        changed[name] = str(step) if name in SECONDS_UNITS else int(step)
    return changed
