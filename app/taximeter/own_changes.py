"""What prices of one's own change, and what changes them again later. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Final

from taximeter.price_changes import PriceChange, price_changes
from taximeter_processors.own_layer import Changes, Entries, OwnLayer, own_layer_of
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.prices import PricesDefined

__all__ = ["changed_again", "own_changes", "told_beside"]

_ALL: Final = 100


def own_changes(books: PriceBooks, event: PricesDefined) -> list[PriceChange]:
    """Return every price that a version of one's own changes, for whom it does.

    Args:
        books: the prices until then.
        event: the version, which they have not learned.
    """
    layer, moment = own_layer_of(event), event.effective_from
    listed = books.list_at(moment)[1]
    old, known = books.entries_at(moment)[1], books.own_at(moment)
    new = _over(listed, layer.over(known).entries)
    found = price_changes(_some(old, layer.entries), _some(new, layer.entries))
    for scope, changes in layer.scoped.items():
        was = _over(old, known.scoped.get(scope, {}))
        becomes = _over(new, layer.over(known).scoped.get(scope, {}))
        found += [
            change._replace(model=f"{change.model} ({scope})")
            for change in price_changes(_some(was, changes), _some(becomes, changes))
        ]
    return found


def told_beside(layer: OwnLayer) -> Iterator[str]:
    """Yield in words what is no price: mark-ups and names."""
    for marked, factor in layer.markups.items():
        what = "no mark-up any more" if factor is None else _percent(factor)
        yield f"{what}, for {marked}"
    for name, meant in layer.aliases.items():
        yield f"{name} means {meant or 'nothing any more'}"


def changed_again(
    books: PriceBooks, versions: Iterable[PricesDefined]
) -> Iterator[str]:
    """Yield the later versions that state the same things otherwise.

    Args:
        books: what was published before.
        versions: what is published now, the first moment first.
    """
    now, *_ = versions
    stated = set(_places(own_layer_of(now)))
    for moment, name, layer in books.own_after(now.effective_from):
        if stated.intersection(_places(layer)):
            yield f"{name} states some of it otherwise from {moment} on"


def _percent(factor: Fraction) -> str:
    """Return a factor in words.

    >>> _percent(Fraction(9, 10)), _percent(Fraction(1001, 800))
    ('-10 percent', '+25.125 percent')
    """
    times = (factor - 1) * _ALL
    percent = Decimal(times.numerator) / Decimal(times.denominator)
    return f"{percent.normalize():+f} percent"


def _over(entries: Entries, changes: Changes) -> Entries:
    stated = {name: fields for name, fields in changes.items() if fields is not None}
    return {**entries, **stated}


def _some(entries: Entries, names: Iterable[str]) -> Entries:
    return {name: entries[name] for name in names if name in entries}


def _places(layer: OwnLayer) -> Iterator[object]:
    yield from layer.entries
    yield from ((scope, key) for scope, one in layer.scoped.items() for key in one)
    yield from layer.markups
    yield from layer.aliases
