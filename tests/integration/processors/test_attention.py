"""Alerts besides thresholds by real workers on a real Kafka: once, across a kill."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from taximeter_schemas.alerts import alert_key
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage
from tests.integration.processors.broker_side import BrokerSide
from tests.integration.processors.workers import Workers
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

NOW = SystemClock().now()
THREE_USD = Usage(text_input_tokens=1_000_000)


def dear(count: int, weeks: int = 0) -> list[UsageRecorded]:
    """Return calls of Ada's of 3 USD each, so many weeks ago."""
    at = NOW - timedelta(weeks=weeks)
    return [
        a_usage(user_id="ada", occurred_at=at, usage=THREE_USD) for _ in range(count)
    ]


async def test_anomalies_and_missing_prices_are_raised_once(
    side: BrokerSide, workers: Workers
) -> None:
    """For each subject and hour, and model and day, whoever owns the partitions."""
    first = workers.start().ready()
    past = [call for weeks in (1, 2, 3) for call in dear(1, weeks)]
    unpriced = a_usage(user_id="bob", model="nobody-knows", occurred_at=NOW)
    await side.emit([*past, *dear(5), unpriced])
    expected = Counter(
        [
            ("SpendAnomalyDetected", b"all:"),
            ("SpendAnomalyDetected", b"user:ada"),
            ("SpendAnomalyDetected", b"project:search"),
            ("SpendAnomalyDetected", b"model:claude-sonnet-4-5"),
            ("PriceMissing", b"model:nobody-knows"),
        ]
    )

    async def raised() -> bool:
        found = await side.every_alert()
        assert Counter((a.event_type, alert_key(a)) for a in found) == expected
        return True

    await eventually_async(raised, 30)
    first.kill()
    second = workers.start().ready()
    again = a_usage(user_id="bob", model="nobody-knows", occurred_at=NOW)
    await side.emit([*dear(5), again])

    async def charged() -> bool:
        assert len(await side.charges()) == len(past) + 2 * 6
        return True

    await eventually_async(charged, 30)
    assert second.stop() == 0
    await raised()
