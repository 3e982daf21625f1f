"""The report of a soak, as it stands in docs/reliability.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.faults.soak.memory import (
    Growth,
    Occupied,
    bound_of,
    growth,
    longest_life,
)
from tests.faults.soak.plan import Asked, Fault
from tests.faults.soak.readings import Readings
from tests.faults.soak.verdict import Verdict

__all__ = ["Soak", "report"]

_MOMENTS: Final = (25, 50, 75, 100)


@dataclass(frozen=True)
class Soak:
    """One soak that is over, with all that was seen of it."""

    asked: Asked
    saturation: float | None
    rate: float
    faults: Sequence[Fault]
    stalls: Sequence[float]
    undisturbed_stall: float
    drained_seconds: float
    sent: int
    readings: Readings
    parts: Sequence[str]
    judged: Sequence[str]


def report(soak: Soak, found: Verdict) -> str:
    """Return it as Markdown."""
    return "\n".join([*_figures(soak, found), "", *_faults(soak), "", *_memory(soak)])


def _figures(soak: Soak, found: Verdict) -> list[str]:
    audit, stalls = found.audit, soak.stalls
    lags = [r.lag for r in soak.readings.taken]
    ids = [r.remembered_ids for r in soak.readings.taken]
    calibrated = "given"
    if soak.saturation is not None:
        calibrated = f"half of {soak.saturation:,.0f}/s, which it found at the start"
    rows = [
        ("duration", f"{soak.asked.seconds:,.0f} s, seed {soak.asked.seed}"),
        ("rate", f"{soak.rate:,.0f} calls/s: {calibrated}"),
        ("calls", f"{found.rows:,}, each charged once"),
        ("accepted by emitters", f"{soak.sent:,}"),
        ("duplicates that reached Kafka", f"{audit.total('duplicates'):,}"),
        ("unpriced", f"{audit.total('unpriced'):,}"),
        ("alerts", f"{found.alerts:,}, each raised once"),
        ("spent", f"{audit.cost_usd} USD"),
        ("audit", f"difference {audit.difference_usd:f} USD, no finding"),
        ("faults", f"{len(soak.faults)}, one every {soak.asked.every_seconds:.0f} s"),
        (
            "longest standstill of a partition, by fault",
            f"median {median(stalls):.1f} s, longest {max(stalls):.1f} s "
            f"(before the first fault: {soak.undisturbed_stall:.1f} s)",
        ),
        ("everything in the ledger", f"{soak.drained_seconds:.1f} s after the last"),
        ("records waiting", f"median {median(lags):,.0f}, most {max(lags):,}, then 0"),
        ("ids remembered, all workers", f"most {max(ids):,}, in the end {ids[-1]:,}"),
    ]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _faults(soak: Soak) -> list[str]:
    stalls: dict[str, list[float]] = {}
    for fault, stall in zip(soak.faults, soak.stalls, strict=True):
        stalls.setdefault(fault.kind, []).append(stall)
    counts = Counter(fault.kind for fault in soak.faults)
    return [
        "| fault | times | standstill: median | longest |",
        "|---|---|---|---|",
        *(
            f"| {kind} | {times} | {median(stalls[kind]):.1f} s "
            f"| {max(stalls[kind]):.1f} s |"
            for kind, times in counts.most_common()
        ),
    ]


def _memory(soak: Soak) -> list[str]:
    moments = " | ".join(f"{percent} %" for percent in _MOMENTS)
    return [
        f"| MiB resident at | {moments} | bytes an event: longest life | whole run "
        "| bound |",
        "|---|" + "---|" * (len(_MOMENTS) + 3),
        *(_memory_of(soak, part) for part in soak.parts),
    ]


def _memory_of(soak: Soak, part: str) -> str:
    readings = soak.readings.of(part)
    moments = [soak.asked.seconds * percent / 100 for percent in _MOMENTS]
    cells = " | ".join(f"{_nearest(readings, at).mib:,.0f}" for at in moments)
    lives = " | ".join(
        _grown(growth(each)) for each in (longest_life(readings), readings)
    )
    bound = f"{bound_of(part):.0f}" if part in soak.judged else "not judged"
    return f"| {part} | {cells} | {lives} | {bound} |"


def _nearest(readings: Sequence[Occupied], seconds: float) -> Occupied:
    return min(readings, key=lambda each: abs(each.seconds - seconds))


def _grown(grown: Growth | None) -> str:
    if grown is None:
        return "too short"
    return f"{grown.bytes_an_event:+.1f} ({grown.seconds:,.0f} s)"
