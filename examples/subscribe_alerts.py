"""Subscribes to Taximeter's alerts: one line for each, and each once.

    pip install taximeter
    python examples/subscribe_alerts.py HOST:PORT [TOPIC]

It belongs to the consumer group "my-alerts": stopped and started again, it goes on
where it was. Delivery is at least once, so the ids that were seen are remembered; keep
them where they outlive the process if acting twice would hurt.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer


async def follow(bootstrap: str, topic: str) -> None:
    """Act on each alert, the old ones first, until stopped."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id="my-alerts",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        # Alerts are written in transactions; one that was taken back never happened.
        isolation_level="read_committed",
    )
    seen: set[str] = set()
    async with consumer:
        async for record in consumer:
            alert = json.loads(record.value)
            if alert["alert_id"] not in seen:
                seen.add(alert["alert_id"])
                act(alert)
            # Only now: an alert that we did not get to act on comes again.
            await consumer.commit()


WORDS = {
    "BudgetForecastExceeded": "{budget_id}: {subject_kind} {subject_id} is expected "
    "to end at {projected} of {limit} {unit}",
    "SpendAnomalyDetected": "{subject_kind} {subject_id} spent {spent_usd} USD in the "
    "hour from {hour_start}, usual are {usual_usd}",
    "SpendRecovered": "{subject_kind} {subject_id}: {recovers} is over ({reason})",
    "PriceMissing": "{model}: {unpriced_calls} calls on {day} have no price",
    "DigestDue": "{period} from {period_start}: {spent_usd} USD, {calls} calls",
}


def act(alert: dict[str, Any]) -> None:
    """Do what has to be done. Amounts are decimals, written as text."""
    kind = alert["event_type"]
    if kind == "BudgetThresholdCrossed":
        words = crossed(alert)
    else:  # or a kind that came later
        words = WORDS.get(kind, "{alert_id}").format_map(alert)
    print(kind, words, flush=True)


def crossed(alert: dict[str, Any]) -> str:
    """Say how much was spent of a limit, which is in USD, tokens or calls."""
    units = ("usd", "tokens", "calls")
    unit = next(name for name in units if alert[f"limit_{name}"] is not None)
    used = alert["spent_usd" if unit == "usd" else unit]
    return (
        f"{alert['budget_id']}: {alert['subject_kind']} {alert['subject_id']} at "
        f"{alert['threshold_percent']} %, {used} of {alert[f'limit_{unit}']} "
        f"{unit.upper()}"
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004 - the program's name and one argument
        sys.exit("usage: subscribe_alerts.py HOST:PORT [TOPIC]")
    given = sys.argv[2] if len(sys.argv) > 2 else "taximeter.budget-alerts"  # noqa: PLR2004
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1], given))
