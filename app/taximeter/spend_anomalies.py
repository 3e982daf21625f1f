"""Hours of the ledger in which a subject spent far more than it usually does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from taximeter.budget_outlook import amount_in, history_in
from taximeter_processors.anomalies import AnomalyRules, usual_at
from taximeter_processors.forecast import HISTORY, Hourly
from taximeter_schemas.subjects import Subject
from taximeter_sinks.queries import Ledger

__all__ = ["ANOMALY_COLUMNS", "spend_anomalies"]

ANOMALY_COLUMNS: Final = (
    "hour_start",
    "subject_kind",
    "subject_id",
    "spent_usd",
    "usual_usd",
    "threshold_usd",
)


def spend_anomalies(
    ledger: Ledger, start: datetime, end: datetime, rules: AnomalyRules
) -> list[dict[str, Any]]:
    """Return the anomalies of `[start, end)`, the earliest first.

    They are those that a worker would raise, had it known all that the ledger knows.
    """
    kinds = dict.fromkeys(rules.kinds)
    history = ledger.hourly(kinds, start - HISTORY, end)
    rows = [
        row
        for subject, sums in history.items()
        for row in _of(subject, history_in("usd", sums), start, rules)
    ]
    return sorted(rows, key=lambda row: (row["hour_start"], row["subject_kind"]))


def _of(
    subject: Subject, hourly: Hourly, start: datetime, rules: AnomalyRules
) -> Iterator[dict[str, Any]]:
    for hour, amount in hourly.items():
        if hour < start.timestamp() or amount < rules.minimum_pico:
            continue
        usual = usual_at(_before(hourly, hour), hour, rules)
        if usual is not None and amount > usual.most:
            yield {
                "hour_start": datetime.fromtimestamp(hour, UTC),
                "subject_kind": subject.kind,
                "subject_id": subject.id,
                "spent_usd": amount_in("usd", amount),
                "usual_usd": amount_in("usd", usual.median),
                "threshold_usd": amount_in("usd", usual.most),
            }


def _before(hourly: Hourly, hour: int) -> Hourly:
    earliest = hour - HISTORY.total_seconds()
    return {past: n for past, n in hourly.items() if earliest <= past < hour}
