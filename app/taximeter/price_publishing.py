"""Price versions, read from their topic and written to it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from hashlib import sha256
from typing import Final, cast

from taximeter.broker.admin import end_offsets, ensure_topics
from taximeter.broker.topic_io import publish, read_topic
from taximeter.own_entries import own_layer
from taximeter.own_prices import OwnFile
from taximeter_processors.own_layer import Changes, MarkedUp, OwnLayer
from taximeter_processors.price_book import (
    litellm_price_books,
    litellm_version_published,
)
from taximeter_processors.price_feed import learn_published
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import (
    MarkUp,
    PricesDefined,
    PriceVersionPublished,
    ScopedPrices,
)
from taximeter_schemas.topics import Topics

__all__ = [
    "entry_text",
    "list_version",
    "own_versions",
    "publish_prices",
    "published_books",
]

# What Kafka takes in one record, packed, with room for what is around it.
_LARGEST: Final = 900 * 1024
_EXACT_DIGITS: Final = 60
_PERCENT: Final = 100


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


async def publish_prices(
    bootstrap: str, topics: Topics, versions: Iterable[PricesDefined]
) -> None:
    """Write versions, the first time after the installed list's name.

    Raises:
        BrokerUnavailable: Kafka did not take them.
        ConfigurationError: one is too large for a record; then none is written.
    """
    events: list[PricesDefined | PriceVersionPublished] = [*versions]
    await ensure_topics(bootstrap, topics)
    if not await read_topic(bootstrap, topics.prices):
        events.insert(0, litellm_version_published())
    # Defaults stay out: what does not use a newer field, older readers can read.
    records = [
        (each.price_version.encode(), _encoded(each).encode()) for each in events
    ]
    for name, value in records:
        if len(gzip.compress(value)) > _LARGEST:
            raise ConfigurationError(
                f"{name.decode()} is too large for one record: "
                "change fewer prices at once"
            )
    await publish(bootstrap, topics.prices, records, compression="gzip")


def _encoded(event: PricesDefined | PriceVersionPublished) -> str:
    newer = ("scoped", "markups", "aliases")
    unused = {name for name in newer if not getattr(event, name, None)}
    return event.model_dump_json(exclude=unused)


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


def own_versions(
    books: PriceBooks, own: OwnFile, source: str, effective_from: datetime
) -> list[PricesDefined]:
    """Return the events that put own prices in force, from a moment on.

    There is one for that moment, and one for each later one at which an exchange rate
    changes that some of the prices stand on.

    Raises:
        ConfigurationError: names each price that would not do what it says.
    """
    made: list[PricesDefined] = []
    starts = own.rates.starts_after(effective_from, own.currencies)
    for moment in (effective_from, *starts):
        listed, known = books.list_at(moment)[1], books.own_at(moment)
        changed = own.rates.changed_at(moment) if made else None
        layer = own_layer(own, listed, known, moment, changed)
        made.append(_own_version(books, layer, source, moment))
    return made


def _own_version(
    books: PriceBooks, layer: OwnLayer, source: str, effective_from: datetime
) -> PricesDefined:
    scoped = [
        ScopedPrices(
            project_id=scope.project_id,
            tags=dict(sorted(scope.tags)),
            entries=_texts(changes),
        )
        for scope, changes in layer.scoped.items()
    ]
    markups = [_markup(marked, factor) for marked, factor in layer.markups.items()]
    entries, aliases = _texts(layer.entries), dict(layer.aliases)
    stated = [entries, aliases, *(one.model_dump_json() for one in scoped + markups)]
    content_hash = sha256(json.dumps(stated).encode()).hexdigest()
    name = f"own-{effective_from:%Y%m%dT%H%M%SZ}-{content_hash[:8]}"
    return PricesDefined(
        event_type="PricesDefined",
        price_version=_free_name(name, books.versions),
        effective_from=effective_from,
        layer="own",
        source=source,
        content_hash=content_hash,
        models=len(entries) + sum(len(one.entries) for one in scoped),
        entries=entries,
        scoped=scoped,
        markups=markups,
        aliases=aliases,
    )


def _markup(marked: MarkedUp, factor: Fraction | None) -> MarkUp:
    percent = None
    if factor is not None:
        with localcontext(prec=_EXACT_DIGITS):
            times = (factor - 1) * _PERCENT
            percent = Decimal(times.numerator) / Decimal(times.denominator)
    return MarkUp(
        project_id=marked.scope.project_id,
        tags=dict(sorted(marked.scope.tags)),
        provider=marked.provider,
        model=marked.model,
        percent=percent,
    )


def _texts(changes: Changes) -> dict[str, str | None]:
    return {
        name: None if fields is None else entry_text(fields)
        for name, fields in sorted(changes.items())
    }


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
