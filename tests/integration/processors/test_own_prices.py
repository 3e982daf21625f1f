"""A real worker prices by prices of one's own, and the audit finds the same."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Final

import pytest

from taximeter.audit.compare import PartitionAudit
from taximeter.own_prices import parse_own_prices
from taximeter.price_publishing import own_versions, publish_prices, published_books
from taximeter_processors.price_book import litellm_price_file
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import NOON, a_usage
from tests.integration.processors.broker_side import BrokerSide
from tests.integration.processors.test_price_feed import audited, settled
from tests.integration.processors.workers import Workers
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

OWN: Final = """
currencies: {EUR: {2026-11-01: 1.25}}
aliases: {prod-chat: anthropic/claude-sonnet-4-5}
prices:
  - {provider: anthropic, model: claude-sonnet-4-5, project: search,
     currency: EUR, input_per_million: 0.8, output_per_million: 0}
  - {provider: anthropic, tag: {team: growth}, discount_percent: 50}
  - {provider: vllm, model: our-llama, gpu_second: 0.0006, gpus: 4}
  - {project: research, markup_percent: 20}
"""


def usd(text: str | None) -> Decimal | None:
    """Return an amount."""
    return None if text is None else Decimal(text)


# A call of `a_usage` costs 0.006 by the list: 1,000 tokens in, 200 out.
CALLS: Final = (
    ({"project_id": "ads"}, "0.006", "0.006"),
    ({"project_id": "search"}, "0.001", "0.006"),
    ({"project_id": "ads", "tags": {"team": "growth", "x": "y"}}, "0.003", "0.006"),
    ({"project_id": "research"}, "0.0072", "0.006"),
    (
        {"project_id": "ads", "provider": "azure", "model": "prod-chat"},
        "0.006",
        "0.006",
    ),
    (
        {"provider": "vllm", "model": "our-llama", "duration_ms": 1_500},
        "0.0036",
        None,
    ),
    ({"provider": "vllm", "model": "our-llama"}, None, None),
    ({"provider": "vllm", "model": "nobodys", "usage": Usage(pages=1)}, None, None),
)


def calls() -> list[UsageRecorded]:
    """Return one call of each kind."""
    return [a_usage(**facts) for facts, _, _ in CALLS]


async def published(side: BrokerSide, text: str) -> None:
    """Publish a file as `taximeter prices import` does, from long ago on."""
    books = await published_books(side.bootstrap, side.topics)
    start = NOON.replace(month=11, day=2)
    versions = own_versions(books, parse_own_prices(text, "own"), "own", start)
    await publish_prices(side.bootstrap, side.topics, versions)
    await settled(side)


async def charged(side: BrokerSide, count: int) -> Counter[tuple[object, ...]]:
    """Return charged and listed cost of all charges, once all are there."""

    async def there() -> bool:
        return len(await side.charges()) == count

    await eventually_async(there, 30)
    found = Counter[tuple[object, ...]]()
    for charge in await side.charges():
        stated = "list_cost_usd" in charge.model_fields_set
        listed = charge.list_cost_usd if stated else charge.cost_usd
        found[charge.cost_usd, listed] += 1
    return found


async def test_every_kind_of_own_price_is_charged_and_audited(
    side: BrokerSide, workers: Workers
) -> None:
    """By scope, currency, discount, GPU, mark-up and alias: exactly, list beside it."""
    first = litellm_price_file().price_version
    await published(side, OWN)
    workers.start().ready()
    await side.emit([call for _ in range(3) for call in calls()])
    expected = Counter((usd(cost), usd(listed)) for _, cost, listed in CALLS * 3)
    assert await charged(side, 3 * len(CALLS)) == expected
    assert {c.price_version.partition("-")[0] for c in await side.charges()} == {"own"}
    assert first not in {charge.price_version for charge in await side.charges()}
    # What is stated while it runs holds as well, and takes back what was stated.
    await published(side, "prices: [{project: research, markup_percent: -50}]")
    await side.emit([a_usage(project_id="research")])
    expected[Decimal("0.003"), Decimal("0.006")] += 1
    assert await charged(side, 3 * len(CALLS) + 1) == expected

    accounts: list[PartitionAudit] = await audited(side)
    assert sum(account.events for account in accounts) == 3 * len(CALLS) + 1
    assert not [finding for account in accounts for finding in account.findings]
    assert not sum(account.other_version for account in accounts)
