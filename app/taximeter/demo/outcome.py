"""What came of a run of the demo, as a program reads it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from taximeter.audit import AuditResult
from taximeter.demo.child import Plan, Up
from taximeter.demo.replay import Latency

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """The figures of one run.

    `events_per_second` is from the first `emit` of the fast part until a query
    returned the last of its rows: the whole way, not how fast one can send.
    """

    seed: int
    calls: int
    alerts: int
    cost_usd: Decimal
    events_per_second: float
    latency: Latency
    seconds: float
    audit: AuditResult
    plan: Plan
    up: Up

    @property
    def kept(self) -> bool:
        """Whether everything goes on running."""
        return self.plan.keep

    @property
    def difference(self) -> str:
        """The audit's verdict to the last digit."""
        return f"{self.audit.difference_usd:.12f}"

    def as_facts(self) -> dict[str, object]:
        """Return the object that `--format json` prints.

        `events` counts what was sent, so that events = charges + duplicates +
        dead letters.
        """
        total = self.audit.total
        return {
            "events": total("events"),
            "duplicates": total("duplicates"),
            "dead_letters": total("dead_letters"),
            "unpriced": total("unpriced"),
            "charges": total("charges"),
            "cost_usd": f"{self.cost_usd:.12f}",
            "alerts": self.alerts,
            "events_per_second": round(self.events_per_second, 1),
            "emit_to_sql_ms": {
                "p50": _rounded(self.latency.percentile(50)),
                "p99": _rounded(self.latency.percentile(99)),
                "events": len(self.latency.milliseconds),
            },
            "audit_difference_usd": self.difference,
            "audit_ok": self.audit.ok,
            "calls": self.calls,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "urls": self.up.urls if self.kept else {},
        }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)
