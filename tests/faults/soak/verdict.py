"""What the books must say when a soak is over: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from taximeter.audit import AuditResult, audit
from taximeter.reading import open_ledger
from taximeter.status import status
from taximeter_schemas.money import usd_from_pico
from taximeter_sinks.queries import Ledger
from tests.faults.soak.site import TOPICS, Site
from tests.faults.soak.traffic import USERS, Expected, Traffic
from tests.running_system import taximeter
from tests.waiting import eventually

__all__ = ["Verdict", "budgets_for", "nothing_waits", "rows", "verdict"]

# What a call costs on average, to set limits that are crossed all along the way.
_CALL_USD: Final = 0.0108
_THRESHOLDS: Final = range(10, 101, 10)
_PATIENCE_SECONDS: Final = 60
_ALERTS_SECONDS: Final = 120
_IDS: Final = """
SELECT count(*), count(DISTINCT event_id), min(event_id), max(event_id),
       count(*) - count(cost_usd)
FROM charges
"""
_SPEND: Final = "SELECT {by}, sum(cost_usd) FROM charges GROUP BY ALL ORDER BY ALL"
_ALERTS: Final = (
    "SELECT budget_id, subject_id, threshold_percent FROM alerts "
    "WHERE threshold_percent IS NOT NULL ORDER BY ALL"
)


class Verdict(NamedTuple):
    """What was found in the end."""

    rows: int
    alerts: int
    audit: AuditResult


class _Limits(NamedTuple):
    all_usd: int
    user_usd: int


def budgets_for(calls: float, site: Site, folder: Path) -> _Limits:
    """Define two budgets that are used up about when so many calls have been made."""
    limits = _Limits(
        round(calls * _CALL_USD) or 1, round(calls * _CALL_USD / USERS) or 1
    )
    file, percents = folder / "budgets.yaml", list(_THRESHOLDS)
    file.write_text(f"""
budgets:
  - {{id: all, scope: everything, period: total, limit_usd: {limits.all_usd},
     thresholds_percent: {percents}}}
  - {{id: each, scope: {{each: user}}, period: total, limit_usd: {limits.user_usd},
     thresholds_percent: {percents}}}
""")
    where = ("--data", str(site.running.data.path))
    partitions = ("--partitions", str(TOPICS.partitions))
    applied = taximeter("budgets", "apply", *where, *partitions, str(file))
    assert applied.returncode == 0, applied.stderr
    return limits


def rows(site: Site) -> int:
    """Return how many charges the ledger has."""
    with _opened(site) as ledger:
        return ledger.counts()["charges"]


def nothing_waits(site: Site) -> bool:
    """Tell whether the system says of itself that it has nothing left to do."""
    told = asyncio.run(status(site.running.data, TOPICS, None))
    by_topic = told["lag"].values()
    return all(set((counts or {0: None}).values()) == {0} for counts in by_topic)


def verdict(site: Site, traffic: Traffic, limits: _Limits) -> Verdict:
    """Hold the ledger against the calls, and have the product audit itself."""
    must = traffic.expected(site.emission.emitted)
    with _opened(site) as ledger:
        _each_call_once(ledger, traffic, must)
        _spend_is(ledger, "user_id", must.by_user)
        _spend_is(ledger, "project_id", must.by_project)
    due = _due(must, limits)
    eventually(lambda: _raised(site) == due, _ALERTS_SECONDS)
    kafka = site.running.urls["kafka"]
    result = asyncio.run(audit(kafka, TOPICS, lambda: _opened(site)))
    assert result.findings == []
    assert result.difference_usd == Decimal(0)
    assert result.duplicates_in_ledger == 0
    assert result.total("unprocessed") == 0
    assert result.total("events") == result.total("ledger_rows") == must.calls
    assert result.cost_usd == usd_from_pico(must.cost_pico)
    return Verdict(must.calls, len(due), result)


def _each_call_once(ledger: Ledger, traffic: Traffic, must: Expected) -> None:
    """As many ids as calls between the first call's and the last one's: these ids."""
    (found,) = ledger.sql(_IDS).rows
    first, last = traffic.event_id(0), traffic.event_id(must.calls - 1)
    ids = tuple(str(cell) for cell in found[2:4])
    assert found[:2] == (must.calls, must.calls)
    assert ids == (str(first), str(last))
    assert found[4] == must.unpriced


def _spend_is(ledger: Ledger, by: str, must: Counter[str]) -> None:
    found = ledger.sql(_SPEND.format(by=by)).rows
    assert dict(found) == {name: usd_from_pico(pico) for name, pico in must.items()}


def _due(must: Expected, limits: _Limits) -> list[tuple[str, str, int]]:
    spent = [("all", "", must.cost_pico, limits.all_usd)]
    spent += [("each", u, pico, limits.user_usd) for u, pico in must.by_user.items()]
    return sorted(
        (budget, subject, percent)
        for budget, subject, pico, limit in spent
        for percent in _THRESHOLDS
        if usd_from_pico(pico) * 100 >= limit * percent
    )


def _raised(site: Site) -> list[tuple[object, ...]]:
    with _opened(site) as ledger:
        return ledger.sql(_ALERTS).rows


def _opened(site: Site) -> Ledger:
    return open_ledger(site.running.data, _PATIENCE_SECONDS)
