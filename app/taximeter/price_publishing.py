"""Price versions, read from their topic and written to it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Container, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final, cast

from taximeter.broker.admin import end_offsets, ensure_topics
from taximeter.broker.topic_io import publish, read_topic
from taximeter_processors.price_book import (
    litellm_price_books,
    litellm_version_published,
)
from taximeter_processors.price_feed import learn_published
from taximeter_processors.price_versions import Entries, PriceBooks
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PricesDefined, PriceVersionPublished
from taximeter_schemas.topics import Topics

__all__ = [
    "entry_text",
    "list_version",
    "own_version",
    "publish_prices",
    "published_books",
]

# What Kafka takes in one record, packed, with room for what is around it.
_LARGEST: Final = 900 * 1024


async def published_books(bootstrap: str, topics: Topics) -> PriceBooks:
    """Return all versions: the installed list, and what was published.

    Raises:
        BrokerUnavailable: no broker answers.
        ConfigurationError: no price list is installed.
    """
    books = litellm_price_books()
    if await end_offsets(bootstrap, [topics.prices]):
        await learn_published(bootstrap, topics, books)
    return books


async def publish_prices(bootstrap: str, topics: Topics, event: PricesDefined) -> None:
    """Write a version, the first time after the installed list's name.

    Raises:
        BrokerUnavailable: Kafka did not take it.
        ConfigurationError: it is too large for a record.
    """
    events: list[PricesDefined | PriceVersionPublished] = [event]
    await ensure_topics(bootstrap, topics)
    if not await read_topic(bootstrap, topics.prices):
        events.insert(0, litellm_version_published())
    records = [
        (each.price_version.encode(), each.model_dump_json().encode())
        for each in events
    ]
    for _, value in records:
        if len(gzip.compress(value)) > _LARGEST:
            raise ConfigurationError(
                f"{event.price_version} is too large for one record: "
                "change fewer prices at once"
            )
    await publish(bootstrap, topics.prices, records, compression="gzip")


def list_version(
    books: PriceBooks,
    entries: Mapping[str, Mapping[str, object]],
    release: str,
    content: bytes,
    effective_from: datetime,
) -> PricesDefined:
    """Return the event that puts a list in force: what differs from the one before."""
    base, before = books.list_at(effective_from)
    content_hash = sha256(content).hexdigest()
    changed: dict[str, str | None] = {
        name: entry_text(fields)
        for name, fields in entries.items()
        if before.get(name) != fields
    }
    changed |= {name: None for name in before if name not in entries}
    return PricesDefined(
        event_type="PricesDefined",
        price_version=_free_name(f"{release}-{content_hash[:8]}", books.versions),
        effective_from=effective_from,
        layer="list",
        base=base,
        source=release,
        content_hash=content_hash,
        models=len(entries),
        entries=changed,
    )


def own_version(
    books: PriceBooks, entries: Entries, source: str, effective_from: datetime
) -> PricesDefined:
    """Return the event that puts own prices in force, from a moment on."""
    texts = {name: entry_text(fields) for name, fields in sorted(entries.items())}
    content_hash = sha256(json.dumps(texts).encode()).hexdigest()
    name = f"own-{effective_from:%Y%m%dT%H%M%SZ}-{content_hash[:8]}"
    return PricesDefined(
        event_type="PricesDefined",
        price_version=_free_name(name, books.versions),
        effective_from=effective_from,
        layer="own",
        source=source,
        content_hash=content_hash,
        models=len(entries),
        entries=dict(texts),
    )


def entry_text(value: object) -> str:
    """Return an entry as JSON, its numbers digit by digit.

    >>> entry_text({"input_cost_per_token": Decimal("3E-7"), "modes": ["chat", None]})
    '{"input_cost_per_token":3E-7,"modes":["chat",null]}'
    """
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        parts = [f"{json.dumps(k)}:{entry_text(v)}" for k, v in fields.items()]
        return f"{{{','.join(parts)}}}"
    if isinstance(value, list):
        items = cast("list[object]", value)
        return f"[{','.join(map(entry_text, items))}]"
    return json.dumps(value, allow_nan=False)


def _free_name(name: str, taken: Container[str]) -> str:
    """Return a name that no version has.

    >>> _free_name("v", ["v", "v.2"])
    'v.3'
    """
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}.{number}"
    return found
