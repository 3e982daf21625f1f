"""Workers and audit switch prices at the same moment of event time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from taximeter.audit.compare import PartitionAudit, compare_charges
from taximeter.audit.observed import charges_made, spend_table
from taximeter.audit.recompute import Recomputed, expected_charges
from taximeter_processors.price_book import litellm_price_books, litellm_price_file
from taximeter_processors.price_feed import learn_published
from taximeter_processors.price_versions import SETTLING
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.prices import PricesDefined
from tests.builders import NOON, a_usage
from tests.integration.processors.broker_side import BrokerSide
from tests.integration.processors.workers import Workers
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
_NOTHING = '"input_cost_per_token":0,"output_cost_per_token":0'
FREE = f'{{"litellm_provider":"anthropic",{_NOTHING}}}'


def free_from(start: datetime, version: str) -> PricesDefined:
    """Return a version in which the model of `a_usage` costs nothing."""
    return PricesDefined(
        event_type="PricesDefined",
        price_version=version,
        effective_from=start,
        layer="list",
        base=litellm_price_file().price_version,
        source="tests",
        content_hash="0",
        models=1,
        entries={"claude-sonnet-4-5": FREE},
    )


async def publish(side: BrokerSide, *values: PricesDefined | bytes) -> None:
    """Write versions, and what is none, into their topic."""
    async with side.producer() as producer:
        for value in values:
            if isinstance(value, bytes):
                record = b"?", value
            else:
                record = value.price_version.encode(), value.model_dump_json().encode()
            topic = side.topics.prices.name
            await producer.send_and_wait(topic, record[1], key=record[0])


async def settled(side: BrokerSide) -> None:
    """Wait until what arrives from now on is priced with all that is published."""
    published_at = (await side.read(side.topics.prices))[-1].at

    async def over() -> bool:
        return SystemClock().now() > published_at + SETTLING

    await eventually_async(over, 10)


async def versions_charged(
    side: BrokerSide, count: int
) -> Counter[tuple[str, Decimal | None]]:
    """Return how many charges name which version at which cost, once all are there."""

    async def there() -> bool:
        return len(await side.charges()) == count

    await eventually_async(there, 20)
    found = await side.charges()
    return Counter((charge.price_version, charge.cost_usd) for charge in found)


async def audited(side: BrokerSide) -> list[PartitionAudit]:
    """Return the audit of every partition: usage, charges, nothing else."""
    books = litellm_price_books()
    await learn_published(side.bootstrap, side.topics, books)
    accounts: list[PartitionAudit] = []
    for partition in range(side.topics.partitions):
        account = PartitionAudit(partition)
        end = (await spend_table(side.bootstrap, side.topics, partition)).next_offset
        where = (side.bootstrap, side.topics, partition, end)
        must = expected_charges(*where, books, Recomputed())
        await compare_charges(account, must, charges_made(*where))
        accounts.append(account)
    return accounts


async def test_each_event_is_priced_by_the_version_of_its_moment(
    side: BrokerSide, workers: Workers
) -> None:
    """Two workers, one from before the version and one from after: all agree."""
    first, both = litellm_price_file().price_version, "later+earlier"
    # 1. What stands there before the worker starts, a record that is no version too.
    await publish(side, b"{no version", free_from(NOON + HOUR, "later"))
    await settled(side)
    worker = workers.start().ready()
    around = [NOON + HOUR - TICK, NOON + HOUR]
    await side.emit([a_usage(occurred_at=moment) for moment in around * 5])
    paid, free = Decimal("0.006"), Decimal(0)
    counted = await versions_charged(side, 10)
    assert counted == {(first, paid): 5, ("later", free): 5}
    # 2. What comes while it runs, in force from a moment before.
    await publish(side, free_from(NOON - HOUR, "earlier"))
    await settled(side)
    moments = [NOON - HOUR - TICK, NOON - HOUR, NOON + HOUR]
    await side.emit([a_usage(occurred_at=moment) for moment in moments * 4])
    counted += {(first, paid): 4, ("earlier", free): 4, (both, free): 4}
    assert await versions_charged(side, 22) == counted
    # 3. Another worker, which has to learn all of it first.
    worker.stop()
    workers.start().ready()
    await side.emit([a_usage(occurred_at=moment) for moment in moments])
    counted += {(first, paid): 1, ("earlier", free): 1, (both, free): 1}
    assert await versions_charged(side, 25) == counted

    accounts = await audited(side)
    assert sum(account.events for account in accounts) == 25
    assert not [finding for account in accounts for finding in account.findings]
    assert not sum(account.other_version for account in accounts)
