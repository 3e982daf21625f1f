"""Sends what a log has and the ledger has not, some thousand events at a time.

The order is what makes it harmless to stop and to repeat:

1. which ids are known, is asked of the ledger (workers forget ids after a day);
2. the others are emitted;
3. Kafka has them, before the next ones are read.

A crash behind any of them leaves events that are there already: the next run asks, and
what the ledger does not have yet the workers know by its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol, TypeVar
from uuid import UUID

from taximeter.imports.entries import Entry
from taximeter.imports.outcomes import Outcome
from taximeter.imports.seen import Seen
from taximeter_producers.emitter import TakesEvents
from taximeter_schemas.usage import UsageRecorded

__all__ = ["Import", "Judge", "Settle", "Tally"]

T = TypeVar("T")
Judge = Callable[[Entry], Iterator[Outcome]]
"""Says what becomes of an entry."""

Settle = Callable[[], None]
"""Waits until all that was emitted is safe."""

_AT_ONCE: Final = 5_000
_REASONS: Final = 100
_OTHERS: Final = "other reasons"
_NOT_TAKEN: Final = "the emitter did not take it: run the import again"


class KnowsCharges(Protocol):
    """The ledger, as far as an import needs it."""

    def charged(self, event_ids: list[UUID]) -> set[UUID]:
        """Return which of these events have a charge."""
        ...


@dataclass
class Tally:
    """What became of all rows; `new` and `known` count calls."""

    rows: int = 0
    new: int = 0
    known: int = 0
    sent: int = 0
    left_out: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])


class Import:
    """One run over any number of files.

    Args:
        ledger: tells what is known already; None, and nothing is.
        emitter: takes what is new; None only counts it.
        settle: called when some thousand events are under way.
        refuse: told of each row that was refused.
    """

    def __init__(
        self,
        ledger: KnowsCharges | None,
        emitter: TakesEvents | None,
        settle: Settle,
        refuse: Callable[[Outcome], None],
    ) -> None:
        self.tally = Tally()
        self._ledger = ledger
        self._emitter = emitter
        self._settle = settle
        self._refuse = refuse

    def run(self, entries: Iterable[Entry], judge: Judge, seen: Seen) -> Iterator[None]:
        """Send the events in these entries that nobody knows yet.

        Yields each time that some thousand of them are done with.

        Raises:
            BrokerUnavailable: Kafka took nothing for a minute.
            LedgerUnavailable: the ledger can no longer be asked.
        """
        for some in _batches(self._judged(entries, judge), _AT_ONCE):
            for outcome in some:
                self._count(outcome)
            events = [outcome.event for outcome in some if outcome.event is not None]
            self._send(self._unknown(events, seen))
            yield

    def _judged(self, entries: Iterable[Entry], judge: Judge) -> Iterator[Outcome]:
        for entry in entries:
            self.tally.rows += 1
            yield from judge(entry)

    def _count(self, outcome: Outcome) -> None:
        if outcome.verdict == "left_out":
            _add(self.tally.left_out, outcome.reason)
        elif outcome.verdict == "refused":
            _add(self.tally.refused, outcome.reason)
            self._refuse(outcome)

    def _unknown(self, events: list[UsageRecorded], seen: Seen) -> list[UsageRecorded]:
        fresh = [event for event in events if seen.first(event.event_id)]
        ids = [event.event_id for event in fresh]
        charged = self._ledger.charged(ids) if self._ledger and ids else set[UUID]()
        new = [event for event in fresh if event.event_id not in charged]
        self.tally.known += len(events) - len(new)
        self.tally.new += len(new)
        return new

    def _send(self, events: list[UsageRecorded]) -> None:
        if self._emitter is None or not events:
            return
        taken = sum(self._emitter.emit(event) for event in events)
        self.tally.sent += taken
        if lost := len(events) - taken:
            self.tally.refused[_NOT_TAKEN] += lost
        self._settle()


def _add(reasons: Counter[str], reason: str) -> None:
    """Count a reason; behind the first hundred, all others as one."""
    known = reason in reasons or len(reasons) < _REASONS
    reasons[reason if known else _OTHERS] += 1


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
