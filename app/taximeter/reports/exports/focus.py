"""FOCUS 1.2: spend in the columns that FinOps tools read, a row for each token class.

Pure. The ledger knows what the input and the output of a call cost, not each class. A
side is split by what the price book says of each class; where that does not add up to
what was charged (a long request, an own price, an older price) it is split in that
proportion instead, and `x_Split` says which. Either way the rows add up to the ledger,
to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any, Final

from taximeter_processors.pricing import PriceBook
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.usage import OUTPUT_TOKENS, Usage

__all__ = ["COLUMNS", "focus_rows"]

Row = dict[str, object]
Billed = Mapping[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_PLACES: Final = Decimal("1e-12")
_PROBE: Final = 1000
_MADE: Final = (
    *OUTPUT_TOKENS,
    "image_count",
    "output_characters",
    "image_pixels",
    "video_seconds",
)
_CACHES: Final = {
    "cache_read": "CacheRead",
    "cache_write": "CacheWrite",
}
_DURATIONS: Final = {"5m": "5 Minutes", "1h": "1 Hour", "12h": "12 Hours"}
_SIDES: Final = {"input_cost_usd": "Input", "output_cost_usd": "Output"}

COLUMNS: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_User",
    "x_PriceVersion",
    "x_Split",
    "x_AdjustReason",
)
"""The columns of a row, in their order; those with `x_` are our own."""


def focus_rows(
    billed: Iterable[Billed], book: PriceBook, account: str
) -> Iterator[Row]:
    """Yield the rows of one export.

    Args:
        billed: rows of `billed_days_query`, by their names.
        book: says what each class costs.
        account: whose bill it is.
    """

    @cache
    def price(provider: str, model: str, tier: str, unit: str) -> Decimal | None:
        usage = Usage.model_validate({unit: _PROBE})
        found = book.price_usage(provider, model, tier, usage)
        if found.input_pico is None or found.output_pico is None:
            return None
        return usd_from_pico(found.input_pico + found.output_pico) / _PROBE

    for row in billed:
        shared = _shared(row, account)
        for side in _SIDES:
            yield from _side_rows(row, side, shared, price)


def _side_rows(
    row: Billed,
    side: str,
    shared: Row,
    price: Callable[[str, str, str, str], Decimal | None],
) -> Iterator[Row]:
    cost: Decimal = row[side] or Decimal(0)
    counts = {
        unit: Decimal(row[unit])
        for unit in Usage.model_fields
        if row[unit] and (unit in _MADE) == (side == "output_cost_usd")
    }
    if not counts:
        if cost:
            yield shared | _unsplit(row, side, cost)
        return
    names = (row["provider"], row["model"], row["service_tier"])
    prices = {unit: price(*names, unit) for unit in counts}
    by_price, costs = _split(cost, counts, prices)
    lists = _proportion(_list_part(row, side), costs)
    for unit, count in counts.items():
        yield shared | _of_class(row, unit, count, costs[unit], lists[unit], by_price)


def _split(
    cost: Decimal, counts: Mapping[str, Decimal], prices: Mapping[str, Decimal | None]
) -> tuple[bool, dict[str, Decimal]]:
    """Return whether the book's prices make up the cost, and the cost of each class.

    >>> _split(Decimal(3), {"a": Decimal(1), "b": Decimal(1)},
    ...        {"a": Decimal(1), "b": Decimal(2)})
    (True, {'a': Decimal('1.000000000000'), 'b': Decimal('2.000000000000')})
    """
    listed = {u: _rounded(n * (prices[u] or 0)) for u, n in counts.items()}
    if None not in prices.values() and sum(listed.values()) == cost:
        return True, listed
    return False, _proportion(cost, listed if any(listed.values()) else dict(counts))


def _proportion(whole: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return a whole in parts of these weights, which add up to it.

    >>> _proportion(Decimal(1), {"a": Decimal(1), "b": Decimal(2)})
    {'a': Decimal('0.333333333333'), 'b': Decimal('0.666666666667')}
    """
    total = sum(weights.values(), Decimal(0))
    names = list(weights)
    if not total:
        return {n: whole if n == names[-1] else _rounded(Decimal(0)) for n in names}
    parts = {name: _rounded(whole * weights[name] / total) for name in names[:-1]}
    return parts | {names[-1]: whole - sum(parts.values(), Decimal(0))}


def _list_part(row: Billed, side: str) -> Decimal:
    """Return what the list says of one side: its share of what it says of both.

    Where it says nothing, what was charged stands there: the column is never empty.
    """
    listed, sides = row["list_cost_usd"], {n: row[n] or Decimal(0) for n in _SIDES}
    if listed is None or listed == sum(sides.values()):
        return sides[side]
    return _proportion(listed, sides)[side]


def _of_class(
    row: Billed,
    unit: str,
    count: Decimal,
    cost: Decimal,
    listed: Decimal,
    by_price: bool,
) -> Row:
    sku = f"{row['provider']}/{row['model']}/{unit}"
    return _amounts(cost, listed) | {
        "ChargeDescription": f"{row['model']}: {unit.replace('_', ' ')}",
        "ConsumedQuantity": count,
        "ConsumedUnit": _unit(unit),
        "ContractedUnitPrice": _each(cost, count),
        "ListUnitPrice": _each(listed, count),
        "PricingQuantity": count,
        "PricingUnit": _unit(unit),
        "SkuId": sku,
        "SkuMeter": _meter(unit),
        "SkuPriceDetails": json.dumps(_details(row, unit)),
        "SkuPriceId": f"{sku}/{row['service_tier']}/{row['price_version']}",
        "x_Split": "Price" if by_price else "Proportion",
    }


def _unsplit(row: Billed, side: str, cost: Decimal) -> Row:
    """Return a row without a class: a price by the call, or a new price of a call."""
    meter = f"{_SIDES[side]} Tokens"
    sku = f"{row['provider']}/{row['model']}/{_SIDES[side].lower()}"
    requests = Decimal(row["calls"]) if row["calls"] else None
    unit = "Requests" if requests else None
    return _amounts(cost, _list_part(row, side)) | {
        "ChargeDescription": f"{row['model']}: {meter.lower()}, as a whole",
        "ConsumedQuantity": requests,
        "ConsumedUnit": unit,
        "PricingQuantity": requests,
        "PricingUnit": unit,
        "ContractedUnitPrice": _each(cost, requests) if requests else None,
        "ListUnitPrice": _each(_list_part(row, side), requests) if requests else None,
        "SkuId": sku,
        "SkuMeter": meter,
        "SkuPriceDetails": json.dumps({"x_ServiceTier": row["service_tier"]}),
        "SkuPriceId": f"{sku}/{row['service_tier']}/{row['price_version']}",
        "x_Split": "None",
    }


def _amounts(cost: Decimal, listed: Decimal) -> Row:
    names = ("BilledCost", "EffectiveCost", "ContractedCost")
    return {**dict.fromkeys(names, cost), "ListCost": listed}


def _shared(row: Billed, account: str) -> Row:
    day = _EPOCH + row["day"] * _DAY
    month = day.replace(day=1)
    provider, standard = row["provider"], row["service_tier"] == "standard"
    named = dict.fromkeys(
        ("ProviderName", "PublisherName", "InvoiceIssuerName"), provider
    )
    return (
        dict.fromkeys(COLUMNS)
        | named
        | {
            "BillingAccountId": account,
            "BillingAccountName": account,
            "BillingCurrency": "USD",
            "BillingPeriodStart": month,
            "BillingPeriodEnd": (month + 31 * _DAY).replace(day=1),
            "ChargeCategory": "Usage",
            "ChargeClass": "Correction" if row["kind"] == "adjustment" else None,
            "ChargeFrequency": "Usage-Based",
            "ChargePeriodStart": day,
            "ChargePeriodEnd": day + _DAY,
            "PricingCategory": "Standard" if standard else "Other",
            "PricingCurrency": "USD",
            "RegionId": row["region"],
            "ResourceId": row["model"],
            "ResourceName": row["model"],
            "ResourceType": "Model",
            "ServiceCategory": "AI and Machine Learning",
            "ServiceName": provider,
            "ServiceSubcategory": "Generative AI",
            "SubAccountId": row["project_id"],
            "SubAccountName": row["project_id"],
            "SubAccountType": "Project",
            "Tags": row["tags"],
            "x_User": row["user_id"],
            "x_PriceVersion": row["price_version"],
            "x_AdjustReason": row["reason"],
        }
    )


def _details(row: Billed, unit: str) -> Row:
    found = next(
        (s for name, s in _CACHES.items() if unit.startswith(name)), "Uncached"
    )
    duration = next((d for part, d in _DURATIONS.items() if f"_{part}_" in unit), None)
    said: Row = {
        "ModelProvider": row["provider"],
        "ModelVersion": row["model"],
        "x_TokenClass": unit,
        "x_CacheStatus": found,
        "x_ServiceTier": row["service_tier"],
    }
    return said | {"x_CacheDuration": duration} if duration else said


def _unit(unit: str) -> str:
    """Return what is counted.

    >>> _unit("cache_read_tokens"), _unit("audio_seconds"), _unit("image_count")
    ('Tokens', 'Seconds', 'Images')
    """
    return "Images" if unit == "image_count" else unit.rpartition("_")[2].title()


def _meter(unit: str) -> str:
    if not unit.endswith("_tokens"):
        return unit.replace("_", " ").title()
    return "Output Tokens" if unit in OUTPUT_TOKENS else "Input Tokens"


def _each(cost: Decimal, count: Decimal) -> Decimal:
    return _rounded(cost / count)


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(_PLACES, ROUND_HALF_EVEN)
