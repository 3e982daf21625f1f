"""The ledger of one person's calls, brought up to date in this process.

What Kafka is elsewhere are files here. Each place that calls are logged in is read like
a partition of `usage`, with the row's number as its offset; budgets and prices are
files with an event a line. Everything behind that is what workers and the sink do: the
meter prices and charges, the sink writes rows and how far it got in one transaction,
the budget book compares and latches. So a log may be read as often as one likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.for_whom import NOBODY
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import budget_events, follow
from taximeter.llm_costs.kept_prices import price_books, price_lines
from taximeter.llm_costs.logged_events import event_of, logged_event_id
from taximeter.llm_costs.logs_db import (
    TABLES,
    LoggedCall,
    UnreadableRow,
    call_at,
    read_logged,
)
from taximeter.llm_costs.noted_calls import TABLE, Noted, read_noted
from taximeter.llm_costs.standing import Stands, how_budgets_stand
from taximeter_processors.meter import PartitionMeter, Progress, UsageRecord
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.alerts import Alert
from taximeter_schemas.budgets import BudgetEvent, PlanAssigned
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.records import Fault, Origin, dead_letter, encode_event
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageNotUnderstood, UsageRecorded
from taximeter_sinks.decode import Place, RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink

__all__ = ["BroughtUp", "bring_up_to_date"]

_TOPICS: Final = Topics()
_SOURCES: Final = (TABLE, *TABLES)
_READ_ANEW: Final = 100
"""A place whose rows were given new numbers is another partition, this much further."""

_ORIGIN: Final = "llm.logs"
# A version of the prices holds by when it is in force, whenever it became known.
_ALWAYS: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class BroughtUp:
    """What has been added, and what there is to tell."""

    calls: int = 0
    unreadable: int = 0
    alerts: list[Alert] = field(default_factory=list[Alert])
    stands: Stands = field(default_factory=Stands)


def bring_up_to_date(
    home: Home, config: CostsConfig, now: datetime | None = None
) -> BroughtUp:
    """Read what is new in the logs, and see how the budgets stand then.

    Raises:
        LedgerUnavailable: another process has held the ledger for too long.
        ConfigurationError: a log, or the prices, cannot be read.
    """
    moment = now or SystemClock().now()
    follow(home.made(), config, moment)
    with closing(DuckDBSink(home.ledger, _TOPICS)) as sink:
        calls, unreadable = _Reading(home, sink).read()
        _follow_files(home, sink)
        _flush(sink)
        stands = how_budgets_stand(sink.ledger, budget_events(home), config, moment)
        sink.add(stands.records(_TOPICS, sink.next_offsets()))
        _flush(sink)
    return BroughtUp(calls, unreadable, stands.alerts, stands)


class _Reading:
    """One look at everything that calls are logged in."""

    def __init__(self, home: Home, sink: DuckDBSink) -> None:
        self._home = home
        self._sink = sink
        self._next = sink.next_offsets()
        self._taken: set[UUID] = set()

    def read(self) -> tuple[int, int]:
        """Hand the sink what is new; return how many calls and unreadable rows."""
        places = {source: self._place(source) for source in _SOURCES}
        # The log first: a call that ends meanwhile is then among those noted.
        logged = list(self._logged(places))
        noted = list(read_noted(self._home.noted_calls, self._after(places[TABLE])))
        rows: dict[str, list[Noted | UnreadableRow]] = {name: [] for name in _SOURCES}
        rows[TABLE] += noted
        for row in logged:
            call = row if isinstance(row, UnreadableRow) else Noted(row, NOBODY)
            rows[row.table].append(call)
        counts = [
            self._take(places[source], some) for source, some in rows.items() if some
        ]
        calls, unreadable = zip(*counts, strict=True) if counts else ((), ())
        return sum(calls), sum(unreadable)

    def _logged(self, places: dict[str, Place]) -> Iterable[LoggedCall | UnreadableRow]:
        if not self._home.logs_db.exists():
            return []
        after = {name: self._after(places[name]) for name in TABLES}
        return read_logged(self._home.logs_db, after)

    def _after(self, place: Place) -> int:
        return max(0, self._next.get(place, 0) - 1)

    def _place(self, source: str) -> Place:
        """Return the partition in which reading goes on."""
        topic, number = _TOPICS.charges.name, _SOURCES.index(source)
        known = [
            place.partition
            for place in self._next
            if place.topic == topic and place.partition % _READ_ANEW == number
        ]
        place = Place(topic, max(known, default=number))
        if source == TABLE or not known or self._still_there(source, place):
            return place
        return Place(topic, place.partition + _READ_ANEW)

    def _still_there(self, table: str, place: Place) -> bool:
        """Tell whether the last row that was read is where it was."""
        if not self._home.logs_db.exists():
            return True
        last = call_at(self._home.logs_db, table, self._after(place))
        return last is not None and bool(self._known([logged_event_id(last)]))

    def _known(self, ids: Sequence[UUID]) -> set[UUID]:
        found = self._sink.ledger.execute(
            "SELECT event_id FROM charges WHERE kind = 'charge' AND event_id IN "
            "(SELECT unnest(?::UUID[]))",
            [[str(one) for one in ids]],
        ).fetchall()
        return {one for (one,) in found}

    def _take(
        self, place: Place, rows: Sequence[Noted | UnreadableRow]
    ) -> tuple[int, int]:
        calls = [row for row in rows if isinstance(row, Noted)]
        self._taken |= self._known([logged_event_id(row.call) for row in calls])
        meter = _meter(place, self._next.get(place, 0), price_books(self._home))
        letters: list[DeadLetter] = []
        charged = 0
        for row in rows:
            if isinstance(row, UnreadableRow):
                letters.append(_kept(row, place))
                continue
            charged += self._apply(meter, row, place, letters)
        self._hand_on(meter, place, letters, _number(rows[-1]))
        return charged, len(letters)

    def _apply(
        self,
        meter: PartitionMeter,
        row: Noted,
        place: Place,
        letters: list[DeadLetter],
    ) -> int:
        identity = logged_event_id(row.call)
        if identity in self._taken:
            return 0
        self._taken.add(identity)
        event = event_of(*row)
        if isinstance(event, UnreadableRow):
            letters.append(_kept(event, place))
            return 0
        meter.apply(_record(event, row.call.rowid))
        return isinstance(event, UsageRecorded)

    def _hand_on(
        self,
        meter: PartitionMeter,
        place: Place,
        letters: Iterable[DeadLetter],
        last: int,
    ) -> None:
        flush = meter.flush()
        records = [
            RawRecord(*place, int(key.partition(b":")[2]), key, value)
            for key, value in flush.charges
        ]
        if not records or records[-1].offset < last:
            # What was known already, or cannot be read, is behind us too.
            key = f"{place.partition}:{last}".encode()
            records.append(RawRecord(*place, last, key, b"[]"))
        self._sink.add(records)
        self._sink.add(list(_as_records([*flush.dead_letters, *letters], self._sink)))


def _meter(place: Place, next_offset: int, books: PriceBooks) -> PartitionMeter:
    return PartitionMeter(
        _ORIGIN,
        place.partition,
        1,
        lambda _: books.known_at(_ALWAYS),
        {},
        Progress(next_offset),
    )


def _record(event: UsageRecorded | UsageNotUnderstood, offset: int) -> UsageRecord:
    # Logged when it was made: the prices of then are its prices, whenever it is read.
    return UsageRecord(offset, encode_event(event), event.occurred_at, placed_for=1)


def _kept(row: UnreadableRow, place: Place) -> DeadLetter:
    fault = Fault("invalid_event", f"{row.table}: {row.reason}", b"")
    origin = Origin(_ORIGIN, place.partition, row.rowid)
    return dead_letter(fault, origin, None, SystemClock().now())


def _number(row: Noted | UnreadableRow) -> int:
    return row.rowid if isinstance(row, UnreadableRow) else row.call.rowid


def _as_records(letters: Sequence[DeadLetter], sink: DuckDBSink) -> Iterator[RawRecord]:
    topic = _TOPICS.dead_letters.name
    first = sink.next_offsets().get(Place(topic, 0), 0)
    for offset, letter in enumerate(letters, first):
        yield RawRecord(topic, 0, offset, letter.key, letter.model_dump_json().encode())


def _follow_files(home: Home, sink: DuckDBSink) -> None:
    """Hand the sink what was defined since: budgets and prices."""
    budgets = [
        (_name_of(event), event.model_dump_json().encode())
        for event in budget_events(home)
    ]
    _add_lines(sink, _TOPICS.budgets.name, budgets)
    _add_lines(sink, _TOPICS.prices.name, [(b"", line) for line in price_lines(home)])


def _name_of(event: BudgetEvent) -> bytes:
    return b"" if isinstance(event, PlanAssigned) else event.budget_id.encode()


def _add_lines(
    sink: DuckDBSink, topic: str, lines: Sequence[tuple[bytes, bytes]]
) -> None:
    first = sink.next_offsets().get(Place(topic, 0), 0)
    numbered = list(enumerate(lines))[first:]
    sink.add([RawRecord(topic, 0, offset, *line) for offset, line in numbered])


def _flush(sink: DuckDBSink) -> None:
    """Flush in a thread of its own: the caller's may have a running loop already."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, sink.flush()).result()
