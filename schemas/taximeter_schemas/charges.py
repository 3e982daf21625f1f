"""Usage times price for one event, and what corrects it later."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field, TypeAdapter, model_validator

from taximeter_schemas.fields import Count, Event, Moment, Name, Usd
from taximeter_schemas.usage import (
    UnpricedReason,
    UsageCorrected,
    UsageRecorded,
    UsageRepriced,
)

__all__ = [
    "Charge",
    "ChargeAdjusted",
    "UnpricedReason",
    "UsagePriced",
    "charges_adapter",
]


class _Priced(Event):
    """Where a charge came from and what it amounts to.

    `cost_usd` is None when the usage has no known price: unpriced is not free.
    `recorded_at` is the moment at which Kafka took the usage event in, so that
    pricing the same record again makes the same charge, to the last byte.
    `list_cost_usd` is what the published list says for it, None where that has no
    price. It is stated only where own prices or a mark-up made it differ from
    `cost_usd`; left out, it is the same amount.
    """

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
    schema_version: Literal[1] = 1
    recorded: UsageRecorded


class ChargeAdjusted(_Priced):
    """A difference to an earlier charge; its amounts are what to add.

    It has one of two causes: `corrected`, the usage was another one, which is version
    1; or, since version 2, `repriced`, the price is another one. Then `price_version`
    is the new version, `old_price_version` the one before, and `adjusted_by` who
    wanted it.
    """

    event_type: Literal["ChargeAdjusted"]
    schema_version: Literal[1, 2] = 2
    adjusts: UUID
    reason: Name
    corrected: UsageCorrected | None = None
    repriced: UsageRepriced | None = None
    old_price_version: Name | None = None
    adjusted_by: Name | None = None

    @property
    def cause(self) -> UsageCorrected | UsageRepriced:
        """The event that the adjustment was made for."""
        cause = self.corrected or self.repriced
        assert cause is not None
        return cause

    @model_validator(mode="after")
    def _has_one_cause(self) -> Self:
        if (self.corrected is None) == (self.repriced is None):
            raise ValueError("an adjustment has one of corrected and repriced")
        return self


Charge = UsagePriced | ChargeAdjusted

charges_adapter: Final[TypeAdapter[list[Charge]]] = TypeAdapter(
    list[Annotated[UsagePriced | ChargeAdjusted, Field(union_mode="left_to_right")]]
)
