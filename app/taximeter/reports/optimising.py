"""What the same calls would cost otherwise: on another model, or with a cache.

Pure: each call is priced on its own, by the same book on both sides, so that a long
request is a long request there too. Tokens are taken as they were counted; another
model's tokenizer counts a few percent otherwise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from taximeter.price_lookup import PriceList
from taximeter.reports.figures import Row, percent
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.usage import Usage

__all__ = ["Call", "cached_elsewhere", "other_models", "read_calls"]

_LIFETIME: Final = timedelta(minutes=5)
_LEAST_CACHED_TOKENS: Final = 1024
_CACHED: Final = ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")

Tiers = Sequence[Sequence[str]]
"""Models that are as good as each other, in the eyes of whoever says so."""


class Call(NamedTuple):
    """One call, with what it used."""

    provider: str
    model: str
    service_tier: str
    endpoint: str | None
    conversation_id: str | None
    occurred_at: datetime
    usage: Usage


class _Seller(NamedTuple):
    provider: str
    model: str


def read_calls(rows: Iterable[Sequence[object]], units: Sequence[str]) -> list[Call]:
    """Return calls from the rows of `recent_calls_query`."""
    return [_call(row, units) for row in rows]


def other_models(calls: Sequence[Call], tiers: Tiers, book: PriceBook) -> list[Row]:
    """Return what the calls of each model would cost on the others of its tier.

    The largest saving first. `priced_calls` are those that both have a price for; all
    others are in no sum.

    Raises:
        ConfigurationError: a tier names a model without a price.
    """
    prices = PriceList(book)
    groups: dict[_Seller, list[Call]] = defaultdict(list)
    for call in calls:
        groups[_Seller(call.provider, call.model)].append(call)
    rows: list[Row] = []
    for tier in tiers:
        sellers = [_seller(name, prices) for name in tier]
        for used in sellers:
            rows += [
                _alternative(groups[used], used, other, book)
                for other in sellers
                if other != used and used in groups
            ]
    return sorted(rows, key=_largest_saving)


def cached_elsewhere(calls: Sequence[Call], book: PriceBook) -> list[Row]:
    """Return where a cache would have paid, by model and endpoint, at most how much.

    A conversation whose next call follows within five minutes is taken to begin with
    what was sent before: that could have been read from a cache of five minutes, which
    each call writes what is new to. Calls that used a cache, or sent too little for
    one, are left out.
    """
    sums: dict[tuple[str, str, str | None], Counter[str]] = defaultdict(Counter)
    for before, call in _in_conversations(calls):
        key = (call.provider, call.model, call.endpoint)
        now, then = _pico(call, book), _pico(_with_cache(call, before), book)
        if now is not None and then is not None:
            sums[key].update(calls=1, now=now, then=then, again=int(before > 0))
    rows = [_saved(*key, found) for key, found in sums.items() if found["again"]]
    paid = [row for row in rows if Decimal(str(row["saving_usd"])) > 0]
    return sorted(paid, key=_largest_saving)


def _call(row: Sequence[object], units: Sequence[str]) -> Call:
    facts, counts = row[: -len(units)], row[-len(units) :]
    used = {n: count for n, count in zip(units, counts, strict=True) if count}
    return Call._make([*facts, Usage.model_validate(used)])


def _seller(name: str, prices: PriceList) -> _Seller:
    provider, slash, model = name.partition("/")
    if slash and prices.finds(provider, model):
        return _Seller(provider, model)
    return _Seller(prices.seller(name), name)


def _alternative(
    calls: Sequence[Call], used: _Seller, other: _Seller, book: PriceBook
) -> Row:
    sums = Counter[str](calls=len(calls))
    for call in calls:
        now = _pico(call, book)
        then = _pico(call._replace(provider=other.provider, model=other.model), book)
        if now is not None and then is not None:
            sums.update(priced=1, now=now, then=then)
    return {
        "provider": used.provider,
        "model": used.model,
        "calls": sums["calls"],
        "instead": f"{other.provider}/{other.model}",
        "priced_calls": sums["priced"],
        **_difference(sums),
    }


def _saved(provider: str, model: str, endpoint: str | None, sums: Counter[str]) -> Row:
    named: Row = {"provider": provider, "model": model, "endpoint": endpoint}
    return {**named, "calls": sums["calls"], **_difference(sums)}


def _difference(sums: Counter[str]) -> Row:
    now, then = usd_from_pico(sums["now"]), usd_from_pico(sums["then"])
    return {
        "now_usd": now,
        "then_usd": then,
        "saving_usd": now - then,
        "saving_percent": percent(now - then, now),
    }


def _pico(call: Call, book: PriceBook) -> int | None:
    found = book.price_usage(call.provider, call.model, call.service_tier, call.usage)
    if found.input_pico is None or found.output_pico is None:
        return None
    return found.input_pico + found.output_pico


def _in_conversations(calls: Sequence[Call]) -> Iterator[tuple[int, Call]]:
    """Yield calls that could use a cache, with how many tokens one would hold."""
    latest: dict[tuple[str, str, str], Call] = {}
    for call in calls:
        if call.conversation_id is None or not _could_cache(call):
            continue
        key = (call.conversation_id, call.provider, call.model)
        before = latest.get(key)
        latest[key] = call
        fresh = before is None or call.occurred_at - before.occurred_at > _LIFETIME
        held = 0 if fresh or before is None else before.usage.text_input_tokens
        yield min(held, call.usage.text_input_tokens), call


def _could_cache(call: Call) -> bool:
    used = call.usage
    return used.text_input_tokens >= _LEAST_CACHED_TOKENS and not any(
        getattr(used, name) for name in _CACHED
    )


def _with_cache(call: Call, held: int) -> Call:
    """Return the call as it were with a cache that holds so much of its input."""
    sent = call.usage.text_input_tokens
    counts = call.usage.model_dump(exclude_unset=True)
    counts |= {
        "text_input_tokens": 0,
        "cache_read_tokens": held,
        "cache_write_5m_tokens": sent - held,
    }
    return call._replace(usage=Usage.model_validate(counts))


def _largest_saving(row: Row) -> tuple[Decimal, str, str]:
    return -Decimal(str(row["saving_usd"])), str(row["model"]), str(row.get("instead"))
