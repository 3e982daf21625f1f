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


def act(alert: dict[str, Any]) -> None:
    """Do what has to be done. Amounts are decimals, written as text."""
    if alert["event_type"] != "BudgetThresholdCrossed":
        print(alert["event_type"], alert["alert_id"], flush=True)
        return
    print(
        f"{alert['event_type']} {alert['budget_id']}: {alert['subject_kind']} "
        f"{alert['subject_id']} at {alert['threshold_percent']} %, "
        f"{alert['spent_usd']} of {alert['limit_usd']} USD",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004 - the program's name and one argument
        sys.exit("usage: subscribe_alerts.py HOST:PORT [TOPIC]")
    given = sys.argv[2] if len(sys.argv) > 2 else "taximeter.budget-alerts"  # noqa: PLR2004
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1], given))
