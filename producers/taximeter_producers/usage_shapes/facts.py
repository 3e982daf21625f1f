"""What an answer says beside its counts: cost, tier, model and id."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from taximeter_producers.attribution import label
from taximeter_producers.usage_shapes.bodies import Part

__all__ = ["IDS", "MODELS", "cost_usd", "text", "tier_of"]

_PICO_USD: Final = Decimal("1e-12")
_MAX_USD: Final = Decimal(10**20)
_TICKS_PER_USD: Final = 10**10  # docs.x.ai/developers/cost-tracking

MODELS: Final = ("model", "modelVersion", "model_version", "gen_ai.response.model")
IDS: Final = (
    "id",
    "responseId",
    "response_id",
    "generation_id",
    "gen_ai.response.id",
)
_TIERS: Final = {
    "auto": "standard",
    "default": "standard",
    "standard_only": "standard",
    "on_demand": "standard",
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
}


def cost_usd(usage: Part, *, own: bool) -> Decimal | None:
    """Return what the provider says; of one's own keys, both of what is charged.

    `own` says that a `cost` is the provider's and not computed by somebody else; the
    other fields are nobody else's.
    """
    ticks = usage.value("cost_in_usd_ticks")
    if isinstance(ticks, int) and not isinstance(ticks, bool):
        return _usd(Decimal(ticks) / _TICKS_PER_USD)
    reported = _usd(usage.value("provider_reported_cost_usd"))
    if reported is not None or not own:
        return reported
    cost = usage.value("cost")
    if isinstance(cost, Mapping):
        cost = cost.get("total_cost")
    stated = _usd(cost)
    if stated is not None and usage.value("is_byok") is True:
        details = usage.value("cost_details")
        upstream = Part(details if isinstance(details, Mapping) else None, "")
        stated += _usd(upstream.value("upstream_inference_cost")) or 0
    return stated


def _usd(amount: object) -> Decimal | None:
    if isinstance(amount, bool) or not isinstance(amount, (int, float, str, Decimal)):
        return None
    try:
        usd = Decimal(str(amount)[:64])
    except (InvalidOperation, ValueError):
        return None
    known = usd.is_finite() and 0 <= usd < _MAX_USD
    return usd.quantize(_PICO_USD) if known else None


def text(whole: Part, *fields: str) -> str | None:
    """Return the first of these fields that is stated, if it is text, cut to fit."""
    value = whole.value(*fields)
    return label(value) if isinstance(value, str) else None


def tier_of(usage: Part, body: Part) -> str | None:
    """Return the tier in which a call was served, by our names, or None."""
    if usage.value("speed") == "fast":  # Anthropic's, beside its capacity tiers
        return "fast"
    tiers = ("service_tier", "serviceTier", "trafficType", "traffic_type")
    stated = body.value(*tiers) or usage.value(*tiers)
    if isinstance(stated, Mapping):  # Bedrock's
        stated = stated.get("type")
    tier = label(stated.lower()) if isinstance(stated, str) else None
    return None if tier is None else _TIERS.get(tier, tier)
