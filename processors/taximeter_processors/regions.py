"""What a call costs more for where it was served: regional prices of the list.

Pure. A provider's name for a place stands in the event's `region`; where it says
nothing, the global price holds, as the list states it.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from taximeter_processors.price_entries import PriceEntry

__all__ = ["regional_multiplier", "varies_by_region"]

_NOWHERE: Final = ("", "global", "not_available")
_OPENAI: Final = "regional_processing_uplift_multiplier_"
_VERTEX: Final = "regional_endpoint_uplift_multiplier"


def regional_multiplier(entry: PriceEntry, region: str | None) -> Fraction:
    """Return what all token prices of an entry are multiplied with in a region.

    OpenAI's data residency (`eu.api.openai.com`, `us.…`) is a region "eu" or "us":

    >>> entry = PriceEntry("m", {"regional_processing_uplift_multiplier_eu": "1.1"})
    >>> regional_multiplier(entry, "EU"), regional_multiplier(entry, None)
    (Fraction(11, 10), Fraction(1, 1))

    Every Vertex AI endpoint but the global one is dearer:

    >>> entry = PriceEntry("m", {"regional_endpoint_uplift_multiplier": "1.1"})
    >>> regional_multiplier(entry, "us-east5"), regional_multiplier(entry, "global")
    (Fraction(11, 10), Fraction(1, 1))

    Anthropic's `inference_geo`:

    >>> entry = PriceEntry("m", {"litellm_provider": "anthropic",
    ...                          "provider_specific_entry": {"us": "1.1"}})
    >>> regional_multiplier(entry, "us"), regional_multiplier(entry, "eu")
    (Fraction(11, 10), Fraction(1, 1))
    """
    place = (region or "").strip().lower()
    if place in _NOWHERE:
        return Fraction(1)
    uplift = _stated(entry.fields.get(f"{_OPENAI}{place}"))
    uplift *= _stated(entry.fields.get(_VERTEX))
    if entry.family == "anthropic" and place != "fast":
        uplift *= _stated(entry.table("provider_specific_entry").get(place))
    return uplift


def varies_by_region(entry: PriceEntry) -> bool:
    """Whether an entry costs more in some region.

    >>> varies_by_region(PriceEntry("m", {}))
    False
    """
    if any(name.startswith(_OPENAI) or name == _VERTEX for name in entry.fields):
        return True
    table = entry.table("provider_specific_entry")
    return entry.family == "anthropic" and any(name != "fast" for name in table)


def _stated(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return Fraction(1)
    try:
        factor = Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        return Fraction(1)
    return factor if factor > 0 else Fraction(1)
