"""A call as the ledger has it: what was used, and what it has cost so far. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from taximeter_processors.calls import Call
from taximeter_schemas.usage import UnpricedReason
from taximeter_sinks.charged_calls import FACTS

__all__ = ["PricedCall", "pico", "priced_calls"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FACTS: Final = len(FACTS)

# No price depends on the id, and reading a million of them takes seconds.
_ANY_ID: Final = UUID(int=0)


class PricedCall(NamedTuple):
    """A call with all corrections of its usage in it, and with what it has cost.

    The costs are those of its charge and all adjustments together, `list_cost_usd` what
    the published list says of them, 0 where it has no price; `statements` is
    how many these are. `unpriced_reason` says why the call has no price until now, if
    it has none. `said` is what the ledger says of it besides, see `FACTS`.
    """

    event_id: str
    call: Call
    statements: int
    input_cost_usd: str
    output_cost_usd: str
    list_cost_usd: str
    unpriced_reason: UnpricedReason | None
    price_version: str
    said: str

    @property
    def usable(self) -> bool:
        """Whether a price can be had: corrections may take away more than there was."""
        used = self.call.usage
        return not used or min(used.values()) >= 0


def priced_calls(
    rows: Sequence[Sequence[Any]], units: Sequence[str]
) -> list[PricedCall]:
    """Return the calls of one stretch of the ledger, `FACTS` and units in each row."""
    return [_priced_call(row, units) for row in rows]


def _priced_call(row: Sequence[Any], units: Sequence[str]) -> PricedCall:
    (
        event_id,
        occurred_us,
        provider,
        model,
        service_tier,
        region,
        response_model,
        duration_ms,
        image_size,
        image_quality,
        video_resolution,
        search_context_size,
        max_results,
        user_id,
        project_id,
        tags,
        price_version,
        unpriced_reason,
        input_usd,
        output_usd,
        list_usd,
        adjustments,
        repricings,
        said,
    ) = row[:_FACTS]
    counts = zip(units, row[_FACTS:], strict=True)
    call = Call(
        event_id=_ANY_ID,
        occurred_at=_EPOCH + timedelta(microseconds=occurred_us),
        provider=provider,
        model=model,
        usage={unit: count for unit, count in counts if count},
        service_tier=service_tier,
        user_id=user_id,
        project_id=project_id,
        tags=_tags(tags),
        response_model=response_model,
        region=region,
        duration_ms=duration_ms,
        image_size=image_size,
        image_quality=image_quality,
        video_resolution=video_resolution,
        search_context_size=search_context_size,
        max_results=max_results,
    )
    return PricedCall(
        event_id,
        call,
        adjustments + 1,
        input_usd,
        output_usd,
        list_usd,
        None if repricings else unpriced_reason,
        price_version,
        said,
    )


@lru_cache(maxsize=4_096)
def _tags(text: str) -> dict[str, str]:
    # The same few come again and again.
    tags: dict[str, str] = json.loads(text)
    return tags


def pico(usd: str) -> int:
    """Return an amount that is written with all its 12 places in pico-dollars.

    >>> pico("-0.000000000012")
    -12
    """
    return int(usd.replace(".", ""))
