"""The rows of the bench: their names, their targets, and when a target is met. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median_low
from typing import Final, Literal, NamedTuple

__all__ = ["TARGETS", "Pair", "Row", "Target", "row", "row_of_pairs"]


@dataclass(frozen=True)
class Target:
    """What a row has to reach: its ratio or its value, at least or at most."""

    unit: str
    of: Literal["ratio", "value"]
    bound: float
    at_most: bool = False

    def __str__(self) -> str:
        """Return the target as people read it.

        >>> str(Target("events/s", "ratio", 0.35)), str(Target("ms", "value", 5, True))
        ('≥ 0.35 times', '≤ 5')
        """
        times = " times" if self.of == "ratio" else ""
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}{times}"


TARGETS: Final = {
    "pricing": Target("usages/s", "value", 300_000),
    "pricing_agent": Target("events/s", "ratio", 0.35),
    "end_to_end": Target("events/s", "ratio", 10),
    "http_ingest": Target("events/s", "ratio", 0.2),
    "sink": Target("rows/s", "ratio", 0.5),
    "cpu_growth": Target("CPU s/million", "ratio", 1.1, at_most=True),
    "emit_p50_us": Target("us", "value", 20, at_most=True),
    "emit_p99_us": Target("us", "value", 200, at_most=True),
    "added_p50_us": Target("us", "value", 50, at_most=True),
    "added_p99_us": Target("us", "value", 500, at_most=True),
    "import_ms": Target("ms", "value", 150, at_most=True),
    "outage_hurt_calls": Target("calls", "value", 0, at_most=True),
    "outage_memory_mib": Target("MiB", "value", 200, at_most=True),
    "alert_p99_ms": Target("ms", "value", 1_000, at_most=True),
    "sql_p99_ms": Target("ms", "value", 2_000, at_most=True),
    "reserve_p50_ms": Target("ms", "value", 15, at_most=True),
    "reserve_p99_ms": Target("ms", "value", 100, at_most=True),
    "report_ms": Target("ms", "value", 300, at_most=True),
    "month_report_ms": Target("ms", "value", 1_000, at_most=True),
    "reprice_s": Target("s", "value", 60, at_most=True),
    "worker_memory_mib": Target("MiB", "value", 1_024, at_most=True),
}
"""Every row, in the order in which they are printed."""


@dataclass(frozen=True)
class Row:
    """One measured row; `ratio` is value over reference where it has one.

    `parts` are the figures that the value is the worst of; None was not measured.
    """

    name: str
    value: float
    reference: float | None
    detail: str
    parts: Mapping[str, float | None] | None = None

    @property
    def target(self) -> Target:
        """What it has to reach."""
        return TARGETS[self.name]

    @property
    def ratio(self) -> float | None:
        """The value over its reference, None without one."""
        return self.value / self.reference if self.reference else None

    @property
    def measured(self) -> float:
        """The figure that the target speaks of."""
        if self.target.of == "value" or self.ratio is None:
            return self.value
        return self.ratio

    @property
    def met(self) -> bool:
        """Whether the target is reached.

        >>> Row("sink", 60.0, 100.0, "").met, Row("emit_p50_us", 21.0, None, "").met
        (True, False)
        """
        bound = self.target.bound
        return self.measured <= bound if self.target.at_most else self.measured >= bound


class Pair(NamedTuple):
    """A value and its reference, measured one after the other."""

    value: float
    reference: float


def row(name: str, value: float, detail: str, reference: float | None = None) -> Row:
    """Return a row that was measured once."""
    return Row(name, value, reference, detail)


def row_of_pairs(name: str, pairs: list[Pair], detail: str) -> Row:
    """Return the row of the repeat with the median ratio (of two, the lower one).

    >>> pairs = [Pair(1, 10), Pair(3, 10), Pair(2, 10)]
    >>> row_of_pairs("sink", pairs, "300 rows").detail
    '300 rows; ratios of 3 repeats: 0.100 0.300 0.200'
    """
    ratios = [pair.value / pair.reference for pair in pairs]
    chosen = pairs[ratios.index(median_low(ratios))]
    if len(pairs) > 1:
        listed = " ".join(f"{ratio:.3f}" for ratio in ratios)
        detail = f"{detail}; ratios of {len(pairs)} repeats: {listed}"
    return Row(name, chosen.value, chosen.reference, detail)
