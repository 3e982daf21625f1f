"""How much is measured: enough for a figure, or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FULL", "QUICK", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """How many events, rows, calls and seconds each measurement takes."""

    priced_usages: int
    pricing_events: int
    single_events: int
    end_to_end_events: int
    reference_calls: int
    http_events: int
    http_singles: int
    sink_rows: int
    report_rows: int
    growth_events: int
    emits_back_to_back: int
    emit_seconds: float
    metered_calls: int
    imports: int
    outage_seconds: float
    backlog_events: int
    latency_seconds: float
    reservations: int
    repriced_calls: int
    memory_ids: int
    memory_users: int

    def limited(self, events: int) -> Sizes:
        """Return sizes in which no count is larger than this, and no time over 2 s."""
        kept = {
            name: min(value, events if isinstance(value, int) else 2.0)
            for name, value in vars(self).items()
        }
        return Sizes(**kept)


FULL: Final = Sizes(
    priced_usages=400_000,
    pricing_events=300_000,
    single_events=20_000,
    end_to_end_events=300_000,
    reference_calls=5_000,
    http_events=100_000,
    http_singles=2_000,
    sink_rows=300_000,
    report_rows=10_000_000,
    growth_events=1_000_000,
    emits_back_to_back=50_000,
    emit_seconds=10.0,
    metered_calls=2_000,
    imports=10,
    outage_seconds=5.0,
    backlog_events=100_000,
    latency_seconds=20.0,
    reservations=1_000,
    repriced_calls=1_000_000,
    memory_ids=2_000_000,
    memory_users=100_000,
)

QUICK: Final = Sizes(
    priced_usages=40_000,
    pricing_events=30_000,
    single_events=2_000,
    end_to_end_events=10_000,
    reference_calls=500,
    http_events=5_000,
    http_singles=200,
    sink_rows=30_000,
    report_rows=20_000,
    growth_events=5_000,
    emits_back_to_back=5_000,
    emit_seconds=2.0,
    metered_calls=200,
    imports=3,
    outage_seconds=2.0,
    backlog_events=20_000,
    latency_seconds=3.0,
    reservations=100,
    repriced_calls=5_000,
    memory_ids=40_000,
    memory_users=2_000,
)
