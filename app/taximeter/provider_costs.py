"""What providers say that calls cost, held against what the price book says.

Both stand in the ledger side by side and neither replaces the other. A difference is a
price that changed, a discount, or a class of tokens that somebody counts otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taximeter.reports.figures import percent
from taximeter.spend_report import Stretch
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger, ProviderCostRow

__all__ = ["COLUMNS", "difference_rows", "total_difference"]

Row = dict[str, object]

COLUMNS: Final = (
    "calls",
    "cost_usd",
    "provider_cost_usd",
    "difference_usd",
    "difference_percent",
    "unpriced_calls",
    "unpriced_provider_cost_usd",
)
"""What a row says, after its dimensions."""


def difference_rows(
    ledger: Ledger,
    by: Sequence[str],
    stretch: Stretch,
    limit: int | None = None,
    only: Only | None = None,
) -> list[Row]:
    """Return the differences by these dimensions, the largest first."""
    found = ledger.provider_costs(
        by, stretch.start, stretch.end, stretch.zone, limit, only
    )
    return [dict(zip(by, line.keys, strict=True)) | _row(line) for line in found]


def total_difference(ledger: Ledger, stretch: Stretch, only: Only | None = None) -> Row:
    """Return the difference over all calls whose provider states a cost."""
    (line,) = ledger.provider_costs((), stretch.start, stretch.end, only=only)
    return _row(line)


def _row(line: ProviderCostRow) -> Row:
    difference = None
    if line.cost_usd is not None and line.provider_cost_usd is not None:
        difference = line.cost_usd - line.provider_cost_usd
    said: Row = {name: getattr(line, name) for name in COLUMNS if hasattr(line, name)}
    said["difference_usd"] = difference
    said["difference_percent"] = percent(difference, line.provider_cost_usd)
    return {name: said[name] for name in COLUMNS}
