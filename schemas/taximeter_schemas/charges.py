"""Usage times price for one event, and what corrects it later."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from taximeter_schemas.fields import Count, Event, Moment, Name, Usd
from taximeter_schemas.usage import UsageCorrected, UsageRecorded

__all__ = [
    "Charge",
    "ChargeAdjusted",
    "UnpricedReason",
    "UsagePriced",
    "charges_adapter",
]

UnpricedReason = Literal["unknown_model", "unpriced_unit"]
"""Why there is no price: no entry for the model, or none for a unit it used."""


class _Priced(Event):
    """Where a charge came from and what it amounts to.

    `cost_usd` is None when the usage has no known price: unpriced is not free.
    `recorded_at` is the moment at which Kafka took the usage event in, so that
    pricing the same record again makes the same charge, to the last byte.
    `list_cost_usd` is what the published list says for it, None where that has no
    price. It is stated only where own prices or a mark-up made it differ from
    `cost_usd`; left out, it is the same amount.
    """

    schema_version: Literal[1] = 1
    recorded_at: Moment
    source_partition: Count
    source_offset: Count
    source_position: Count
    input_cost_usd: Usd | None
    output_cost_usd: Usd | None
    cost_usd: Usd | None
    unpriced_reason: UnpricedReason | None = None
    price_version: Name
    price_match: Name | None = None
    list_cost_usd: Usd | None = None


class UsagePriced(_Priced):
    """The charge for one recorded call, with the call itself."""

    event_type: Literal["UsagePriced"] = "UsagePriced"
    recorded: UsageRecorded


class ChargeAdjusted(_Priced):
    """A difference to an earlier charge; its amounts are what to add."""

    event_type: Literal["ChargeAdjusted"]
    adjusts: UUID
    reason: Name
    corrected: UsageCorrected


Charge = UsagePriced | ChargeAdjusted

charges_adapter: Final[TypeAdapter[list[Charge]]] = TypeAdapter(
    list[Annotated[UsagePriced | ChargeAdjusted, Field(union_mode="left_to_right")]]
)
