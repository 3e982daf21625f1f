"""Which rules of FOCUS 1.2 a row has to keep: there is no validator to install.

Pure. The rules are those of the specification's columns that a row of usage has:
https://focus.finops.org/focus-specification/v1-2/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, cast

from taximeter.reports.exports.focus import COLUMNS

__all__ = ["broken_rules"]

Row = Mapping[str, object]

_NEVER_NULL: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuPriceId",
)
_ALLOWED: Final[Mapping[str, set[str | None]]] = {
    "BillingCurrency": {"USD"},
    "PricingCurrency": {"USD"},
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {None, "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {None, "Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {"AI and Machine Learning"},
}
_COSTS: Final = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
_QUANTITIES: Final = ("ConsumedQuantity", "PricingQuantity")
_PAIRS: Final = {"ConsumedQuantity": "ConsumedUnit", "PricingQuantity": "PricingUnit"}
_MEASURED: Final = ("ConsumedQuantity", "PricingQuantity", "ListUnitPrice")


def broken_rules(row: Row) -> Iterator[str]:
    """Yield a sentence for each rule that a row breaks; none for a valid one."""
    if tuple(row) != COLUMNS:
        yield "the columns are those of FOCUS, in one order"
        return
    yield from (f"{name} is not null" for name in _NEVER_NULL if row[name] is None)
    for name, allowed in _ALLOWED.items():
        if row[name] not in allowed:
            yield f"{name} is one of {', '.join(map(str, allowed))}"
    yield from _numbers(row)
    yield from _periods(row)
    yield from (
        f"{name} is a JSON object"
        for name in ("Tags", "SkuPriceDetails")
        if not _is_object(row[name])
    )


def _numbers(row: Row) -> Iterator[str]:
    for name in _COSTS:
        if not isinstance(row[name], Decimal):
            yield f"{name} is a decimal"
    for name, unit in _PAIRS.items():
        if (row[name] is None) != (row[unit] is None):
            yield f"{name} and {unit} are there both, or neither"
    corrected = row["ChargeClass"] == "Correction"
    yield from (
        f"{name} is null in corrections only"
        for name in _MEASURED
        if row[name] is None and not corrected
    )
    if not corrected:
        yield from (
            f"{name} is not below 0"
            for name in (*_COSTS, *_QUANTITIES)
            if isinstance(row[name], Decimal) and cast("Decimal", row[name]) < 0
        )


def _periods(row: Row) -> Iterator[str]:
    for kind in ("Billing", "Charge"):
        start, end = row[f"{kind}PeriodStart"], row[f"{kind}PeriodEnd"]
        if not isinstance(start, datetime) or not isinstance(end, datetime):
            yield f"{kind}PeriodStart and {kind}PeriodEnd are moments"
        elif start.utcoffset() is None or start >= end:
            yield f"{kind}PeriodStart is before {kind}PeriodEnd, both in UTC"


def _is_object(text: object) -> bool:
    return text is None or isinstance(json.loads(str(text)), dict)
