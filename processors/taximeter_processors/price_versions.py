"""The prices in force when a call was made, among all versions that were published.

Pure: it is told of versions, and knows no topic and no clock. Which prices an event
gets depends on nothing but the log:

- a version counts for what happened from its `effective_from` on;
- and for what Kafka took in from `SETTLING` after the version on, so that each worker
  has read it by then, and no event changes its price because it is read again.

The order in which versions are learned does not matter.
"""

from __future__ import annotations

import logging
from bisect import bisect_right, insort
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from taximeter_processors.charging import Pricer
from taximeter_processors.circumstances import Circumstances
from taximeter_processors.own_layer import (
    Changes,
    Entries,
    OwnLayer,
    entries_of,
    own_layer_of,
)
from taximeter_processors.pricing import PriceBook, Priced
from taximeter_processors.rates import Counts
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PricesDefined

__all__ = ["SETTLING", "Entries", "PriceBooks", "Prices"]

log = logging.getLogger(__name__)

SETTLING: Final = timedelta(seconds=3)
"""How long after its publication a version begins to count for what arrives."""

# A compiled book takes some megabytes.
_KEPT_BOOKS: Final = 16
_TOLD: Final = 8


class Prices(Pricer, Protocol):
    """The prices of all times, or of one version."""

    def book_at(self, moment: datetime) -> PriceBook:
        """Return the book in force at a moment."""
        ...


class _Version(NamedTuple):
    """One version; sorted, it stands behind those that are in force before it.

    It changes the list by `entries`, or lies over all lists as `own`.
    """

    effective_from: datetime
    counts_from: datetime
    name: str
    event: PricesDefined
    entries: Changes
    own: OwnLayer


class PriceBooks:
    """Every version of the prices, from the installed list on.

    Args:
        entries: the installed list, which is in force for all time before others.
        version: its name.

    >>> gpt = {"litellm_provider": "openai", "input_cost_per_token": "0.000002"}
    >>> books = PriceBooks({"gpt-4o": gpt}, "installed")
    >>> books.at(datetime.max, datetime.max).version
    'installed'
    """

    def __init__(self, entries: Entries, version: str) -> None:
        self._installed = PriceBook(entries, version)
        self._entries = entries
        self._learned: dict[str, _Version] = {}
        self._arrivals: list[datetime] = []
        self._histories: dict[int, _History] = {}

    @property
    def versions(self) -> list[str]:
        """The names of all versions that can be used, as they come into force."""
        return [self._installed.version, *(v.name for v in self._usable(None))]

    def learn(self, event: PricesDefined, published_at: datetime) -> None:
        """Take a version in; one that cannot be read is logged and left out.

        Of two with the same name the first counts: the other changes nothing.

        Args:
            event: the version.
            published_at: when Kafka took it in.
        """
        name = event.price_version
        if name in self._learned or name == self._installed.version:
            log.info("price version %s is known already", name)
            return
        try:
            entries, own = _read(event)
        except ConfigurationError as error:
            log.error("price version %s is left out: %s", name, error)
            return
        counts_from = published_at + SETTLING
        version = _Version(event.effective_from, counts_from, name, event, entries, own)
        self._learned[name] = version
        insort(self._arrivals, counts_from)
        self._histories.clear()
        if self._chain(version) is None:
            log.error(
                "price version %s changes the list %s, which is not known here: it "
                "is left out until that is",
                name,
                event.base,
            )

    def known_at(self, recorded_at: datetime) -> Prices:
        """Return what prices the events of a record that Kafka took in then."""
        if not self._learned:
            return self._installed
        return self._history(recorded_at)

    def at(self, occurred_at: datetime, recorded_at: datetime) -> PriceBook:
        """Return the book that prices what happened and arrived at these moments."""
        if not self._learned:
            return self._installed
        return self._history(recorded_at).book_at(occurred_at)

    def book_at(self, moment: datetime) -> PriceBook:
        """Return the book in force at a moment, of all versions known now."""
        return self.book_of(self._before(moment))

    def named(self, name: str) -> PriceBook:
        """Return the book of those charges that name this version.

        Raises:
            ConfigurationError: no version of that name can be used here.

        >>> PriceBooks({}, "installed").named("installed").version
        'installed'
        """
        if name == self._installed.version:
            return self._installed
        last, _, newest = (
            (name, "", "") if name in self._learned else name.partition("+")
        )
        if newest in ("", *self._learned) and last in self._learned:
            versions = self._usable(self._learned[newest or last].counts_from)
            names = [version.name for version in versions]
            if last in names:
                return self.book_of(versions[: names.index(last) + 1])
        known = ", ".join(self.versions[-_TOLD:])
        raise ConfigurationError(
            f"no price version {name!r} is known here; there are: {known}"
        )

    def entries_at(self, moment: datetime) -> tuple[str, Entries]:
        """Return that book's version, and its prices for everybody."""
        book = self.book_at(moment)
        return book.version, book.choice.entries

    def own_at(self, moment: datetime) -> OwnLayer:
        """Return all that is stated over the list at a moment, as known now."""
        return _own(self._before(moment))

    def own_after(self, moment: datetime) -> list[tuple[datetime, str, OwnLayer]]:
        """Return what comes to lie over that later, with its moment and version."""
        return [
            (version.effective_from, version.name, version.own)
            for version in self._usable(None)
            if version.effective_from > moment and version.own
        ]

    def list_at(self, moment: datetime) -> tuple[str, Entries]:
        """Return the list in force at a moment, without own prices, and its version."""
        lists = [v for v in self._usable(None) if v.event.layer == "list"]
        for version in reversed(lists):
            if version.effective_from <= moment:
                return version.name, self._list(version)
        return self._installed.version, self._entries

    def _history(self, recorded_at: datetime) -> _History:
        count = bisect_right(self._arrivals, recorded_at)
        history = self._histories.get(count)
        if history is None:
            known_until = self._arrivals[count - 1] if count else None
            versions = self._usable(known_until) if count else []
            history = _History(self, self._installed, versions)
            self._histories[count] = history
        return history

    def _usable(self, known_until: datetime | None) -> list[_Version]:
        """Return the versions that count by a moment, as they come into force."""
        return sorted(
            version
            for version in self._learned.values()
            if known_until is None or version.counts_from <= known_until
            if self._chain(version) is not None
        )

    def _chain(self, version: _Version) -> list[_Version] | None:
        """Return the changes that make a version's list, the last one first.

        None if what it changes is not known. Own prices change no list.
        """
        changes = [version]
        while (base := changes[-1].event.base) not in (None, self._installed.version):
            below = self._learned.get(base or "")
            if below is None or below in changes or below.event.layer != "list":
                return None
            changes.append(below)
        return changes

    def _list(self, version: _Version) -> Entries:
        """Return the whole list of a version that can be used."""
        changes = self._chain(version) or []
        whole = bool(changes) and changes[-1].event.base is None
        entries: Entries = {} if whole else self._entries
        for change in reversed(changes):
            entries = _over(entries, change.entries)
        return entries

    def _before(self, moment: datetime) -> list[_Version]:
        return [v for v in self._usable(None) if v.effective_from <= moment]

    def book_of(self, versions: Sequence[_Version]) -> PriceBook:
        """Return the book that these versions make: the last list, all own prices."""
        lists = [version for version in versions if version.event.layer == "list"]
        entries = self._list(lists[-1]) if lists else self._entries
        return PriceBook(entries, self._name(versions), _own(versions))

    def _name(self, versions: Sequence[_Version]) -> str:
        """Return a name that no other prices have: that of the last version in force.

        Where one that is in force from before it was published after it, that one too:
        the two say which versions there are, so that old and new charges differ.
        """
        if not versions:
            return self._installed.version
        last = versions[-1]
        newest = max(versions, key=lambda v: (v.counts_from, v.effective_from, v.name))
        return last.name if newest == last else f"{last.name}+{newest.name}"


class _History:
    """The versions known at some time, as they come into force one after another."""

    def __init__(
        self, books: PriceBooks, first: PriceBook, versions: list[_Version]
    ) -> None:
        self._all = books
        self._first = first
        self._versions = versions
        self._starts = [version.effective_from for version in versions]
        self._books: dict[int, PriceBook] = {}

    def book_at(self, moment: datetime) -> PriceBook:
        """Return the book in force at a moment."""
        place = bisect_right(self._starts, moment)
        if not place:
            return self._first
        book = self._books.get(place)
        if book is None:
            if len(self._books) >= _KEPT_BOOKS:
                self._books.clear()
            book = self._books[place] = self._all.book_of(self._versions[:place])
        return book

    def price_counts(
        self,
        provider: str,
        model: str,
        service_tier: str,
        counts: Counts,
        call: Circumstances | None = None,
    ) -> Priced:
        """Return what so much of everything costs, at the prices of its moment."""
        book = self.book_at(call.occurred_at) if call else self._first
        return book.price_counts(provider, model, service_tier, counts, call)


def _read(event: PricesDefined) -> tuple[Changes, OwnLayer]:
    if event.layer == "own":
        return {}, own_layer_of(event)
    return entries_of(event.entries), OwnLayer()


def _own(versions: Sequence[_Version]) -> OwnLayer:
    """Return what these versions state one over the other."""
    own = OwnLayer()
    for version in versions:
        own = version.own.over(own) if version.own else own
    return own


def _over(entries: Entries, changes: Changes) -> Entries:
    """Return entries with changes laid over them; a None takes one away."""
    merged: Changes = {**entries, **changes}
    return {name: fields for name, fields in merged.items() if fields is not None}
