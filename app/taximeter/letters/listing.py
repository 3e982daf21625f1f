"""What could not be read: from the ledger, or from its topic where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from taximeter.letters.topic import letter_events
from taximeter.reading import open_ledger, served_ledger
from taximeter.state import DataDir
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.errors import BrokerUnavailable, LedgerUnavailable
from taximeter_schemas.topics import Topics
from taximeter_sinks.queries import Ledger
from taximeter_sinks.sql_text import sql_literal

__all__ = ["find_letter", "list_letters", "the_ledger"]

Row = dict[str, object]

_FIELDS: Final = (
    "dead_letter_id AS key, reason, recorded_at, retried_at, origin_topic, "
    "origin_partition, origin_offset, origin_position, detail"
)
_WITH_RETRIES: Final = 2


def list_letters(
    data: DataDir,
    topics: Topics,
    kafka: Callable[[], str],
    limit: int,
    *,
    only_open: bool = False,
) -> list[Row]:
    """Return the newest dead letters, newest first, without what they hold.

    Args:
        data: where the ledger is.
        topics: which topic is read without one.
        kafka: gives Kafka's address, for the same case.
        limit: at most so many.
        only_open: leave out those that were retried.

    Raises:
        LedgerUnavailable: there is neither a ledger nor a broker.
    """
    which = "WHERE retried_at IS NULL " if only_open else ""
    order = f"ORDER BY recorded_at DESC, dead_letter_id LIMIT {int(limit)}"
    rows = _from_ledger(data, _FIELDS, f"{which}{order}")
    if rows is None:
        found = _from_topic(data, topics, kafka)
        wanted = [row for row in found if not (only_open and row["retried_at"])]
        rows = sorted(wanted, key=_recorded_at, reverse=True)[:limit]
    return rows


def find_letter(
    data: DataDir, topics: Topics, kafka: Callable[[], str], key: str
) -> Row | None:
    """Return one dead letter with its `payload` (bytes), or None if there is none.

    Raises:
        LedgerUnavailable: there is neither a ledger nor a broker.
    """
    which = f"WHERE dead_letter_id = {sql_literal(key)}"
    rows = _from_ledger(data, f"{_FIELDS}, payload", which)
    if rows is None:
        rows = _from_topic(data, topics, kafka, key)
    return rows[0] if rows else None


def the_ledger(data: DataDir) -> Ledger | None:
    """Open the ledger for reading, or return None where none has been written yet.

    Raises:
        LedgerUnavailable: there is one and it cannot be read.
    """
    if not data.ledger.exists() and served_ledger(data) is None:
        return None
    return open_ledger(data)


def _from_ledger(data: DataDir, fields: str, which: str) -> list[Row] | None:
    ledger = the_ledger(data)
    if ledger is None:
        return None
    with ledger:
        letters = "dead_letters"
        if ledger.schema_version() < _WITH_RETRIES:  # no new sink has opened it yet
            letters = "(SELECT *, NULL::TIMESTAMPTZ AS retried_at FROM dead_letters)"
        answer = ledger.sql(f"SELECT {fields} FROM {letters} {which}")  # noqa: S608
    return answer.named()


def _from_topic(
    data: DataDir, topics: Topics, kafka: Callable[[], str], key: str | None = None
) -> list[Row]:
    """Return every letter, or the one of a key, with what it holds."""
    try:
        return asyncio.run(_rows(kafka(), topics, key))
    except BrokerUnavailable as error:
        why = f"it does not exist yet, and {error}"
        raise LedgerUnavailable(data.ledger, why) from error


async def _rows(bootstrap: str, topics: Topics, key: str | None) -> list[Row]:
    letters: dict[str, DeadLetter] = {}
    retried: dict[str, datetime] = {}
    async for event in letter_events(bootstrap, topics):
        name = event.key.decode()
        if key in (None, name):
            if isinstance(event, DeadLetter):
                letters.setdefault(name, event)
            else:
                retried[name] = event.retried_at
    return [_row(letter, retried.get(name)) for name, letter in letters.items()]


def _recorded_at(row: Row) -> datetime:
    moment = row["recorded_at"]
    assert isinstance(moment, datetime)
    return moment


def _row(letter: DeadLetter, retried_at: datetime | None) -> Row:
    names = ("origin_topic", "origin_partition", "origin_offset", "origin_position")
    return {
        "key": letter.key.decode(),
        "reason": letter.reason,
        "recorded_at": letter.recorded_at,
        "retried_at": retried_at,
        **{name: getattr(letter, name) for name in names},
        "detail": letter.detail,
        "payload": letter.payload,
    }
