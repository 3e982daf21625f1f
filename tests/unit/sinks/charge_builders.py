"""Charges as the pricing agent sends them, built from what a test cares about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from taximeter_schemas.charges import Charge, ChargeAdjusted, UsagePriced
from taximeter_schemas.usage import (
    ChargedEvent,
    Usage,
    UsageCorrected,
    UsageRecorded,
    UsageRepriced,
)
from taximeter_sinks.decode import RawRecord
from tests.builders import NOON, a_usage, an_id

__all__ = [
    "a_charge",
    "a_repriced_charge",
    "an_adjustment",
    "charges_record",
    "charges_value",
]

CORRECTED: Final = an_id("corrected")


def a_charge(
    partition: int = 0,
    offset: int = 0,
    position: int = 0,
    cost_usd: str | None = "0.006000000000",
    recorded: UsageRecorded | None = None,
    **stated: Any,  # noqa: ANN401 - further fields
) -> UsagePriced:
    """Return the charge for one call; without a cost it is unpriced."""
    cost = None if cost_usd is None else Decimal(cost_usd)
    return UsagePriced(
        **stated,
        recorded_at=NOON + timedelta(seconds=1),
        source_partition=partition,
        source_offset=offset,
        source_position=position,
        input_cost_usd=cost,
        output_cost_usd=None if cost is None else Decimal(0),
        cost_usd=cost,
        unpriced_reason="unknown_model" if cost is None else None,
        price_version="prices-1",
        price_match=None if cost is None else "claude-sonnet-4-5",
        recorded=recorded or a_usage(event_id=an_id(partition, offset, position)),
    )


def an_adjustment(
    old: Usage,
    new: Usage,
    cost_usd: str,
    partition: int = 0,
    offset: int = 1,
    corrects: UUID = CORRECTED,
    provider: str = "anthropic",
) -> ChargeAdjusted:
    """Return the difference that a correction of the usage makes."""
    return ChargeAdjusted(
        event_type="ChargeAdjusted",
        recorded_at=NOON + timedelta(seconds=2),
        source_partition=partition,
        source_offset=offset,
        source_position=0,
        input_cost_usd=Decimal(cost_usd),
        output_cost_usd=Decimal(0),
        cost_usd=Decimal(cost_usd),
        price_version="prices-1",
        adjusts=corrects,
        reason="stream completed",
        corrected=UsageCorrected(
            event_type="UsageCorrected",
            event_id=an_id("correction"),
            occurred_at=NOON,
            provider=provider,
            model="claude-sonnet-4-5",
            corrects=corrects,
            old_usage=old,
            new_usage=new,
            reason="stream completed",
        ),
    )


def a_repriced_charge(
    event: UsageRepriced, partition: int = 0, offset: int = 2
) -> ChargeAdjusted:
    """Return the difference that a re-pricing makes."""
    input_usd = event.new_input_cost_usd - event.old_input_cost_usd
    output_usd = event.new_output_cost_usd - event.old_output_cost_usd
    return ChargeAdjusted(
        event_type="ChargeAdjusted",
        recorded_at=NOON + timedelta(seconds=3),
        source_partition=partition,
        source_offset=offset,
        source_position=0,
        input_cost_usd=input_usd,
        output_cost_usd=output_usd,
        cost_usd=input_usd + output_usd,
        price_version=event.new_price_version,
        adjusts=event.reprices,
        reason=event.reason,
        old_price_version=event.old_price_version,
        adjusted_by=event.repriced_by,
        repriced=event,
    )


def charges_value(charges: Sequence[Charge]) -> bytes:
    """Return the record value: the event within leaves its unset defaults out."""
    return b"[%b]" % b",".join(_encoded(charge) for charge in charges)


def charges_record(
    charges: Sequence[Charge], record_offset: int = 0, topic: str = "taximeter.charges"
) -> RawRecord:
    """Return a whole charges record, keyed by where the charges come from."""
    partition, offset = charges[0].source_partition, charges[0].source_offset
    key = f"{partition}:{offset}".encode()
    return RawRecord(topic, partition, record_offset, key, charges_value(charges))


def _encoded(charge: Charge) -> bytes:
    causes = ("recorded", "corrected", "repriced")
    name = next(name for name in causes if getattr(charge, name, None))
    event: ChargedEvent = getattr(charge, name)
    # Left out and null are two things to say of what the list says.
    unsaid = {"list_cost_usd"} - charge.model_fields_set
    fields = charge.model_dump(mode="json", exclude={name, *unsaid})
    fields[name] = event.model_dump(mode="json", exclude_unset=True)
    return json.dumps(fields).encode()
