"""What could not be read: from the ledger, or from its topic where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from taximeter.broker.topic_io import read_topic
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.dead_letters import DeadLetter
from taximeter_schemas.errors import BrokerUnavailable, LedgerUnavailable
from taximeter_schemas.topics import Topics
from taximeter_sinks.quack import sql_literal

__all__ = ["find_letter", "list_letters"]

Row = dict[str, object]

_FIELDS: Final = (
    "dead_letter_id AS key, reason, recorded_at, origin_topic, origin_partition, "
    "origin_offset, origin_position, detail"
)


def list_letters(
    data: DataDir, topics: Topics, kafka: Callable[[], str], limit: int
) -> list[Row]:
    """Return the newest dead letters, newest first, without what they hold.

    Raises:
        LedgerUnavailable: there is neither a ledger nor a broker.
    """
    query = (
        f"SELECT {_FIELDS} FROM dead_letters "  # noqa: S608
        f"ORDER BY recorded_at DESC, dead_letter_id LIMIT {int(limit)}"
    )
    rows = _from_ledger(data, query)
    if rows is not None:
        return rows
    letters = _from_topic(data, topics, kafka)
    newest = sorted(letters, key=lambda letter: letter.recorded_at, reverse=True)
    return [_row(letter) for letter in newest[:limit]]


def find_letter(
    data: DataDir, topics: Topics, kafka: Callable[[], str], key: str
) -> Row | None:
    """Return one dead letter with its `payload` (bytes), or None if there is none.

    Raises:
        LedgerUnavailable: there is neither a ledger nor a broker.
    """
    query = (
        f"SELECT {_FIELDS}, payload FROM dead_letters "  # noqa: S608
        f"WHERE dead_letter_id = {sql_literal(key)}"
    )
    rows = _from_ledger(data, query)
    if rows is None:
        letters = _from_topic(data, topics, kafka)
        rows = [
            _row(letter) | {"payload": letter.payload}
            for letter in letters
            if letter.key.decode() == key
        ]
    return rows[0] if rows else None


def _from_ledger(data: DataDir, query: str) -> list[Row] | None:
    """Return the answer, or None where no ledger has been written yet."""
    if not data.ledger.exists():
        return None
    with open_ledger(data) as ledger:
        answer = ledger.sql(query)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _from_topic(
    data: DataDir, topics: Topics, kafka: Callable[[], str]
) -> list[DeadLetter]:
    try:
        records = asyncio.run(read_topic(kafka(), topics.dead_letters))
    except BrokerUnavailable as error:
        why = f"it does not exist yet, and {error}"
        raise LedgerUnavailable(data.ledger, why) from error
    letters: dict[bytes, DeadLetter] = {}
    for record in records:
        try:
            letter = DeadLetter.model_validate_json(record.value or b"")
        except ValidationError:
            continue
        letters.setdefault(letter.key, letter)
    return list(letters.values())


def _row(letter: DeadLetter) -> Row:
    names = ("origin_topic", "origin_partition", "origin_offset", "origin_position")
    return {
        "key": letter.key.decode(),
        "reason": letter.reason,
        "recorded_at": letter.recorded_at,
        **{name: getattr(letter, name) for name in names},
        "detail": letter.detail,
    }
