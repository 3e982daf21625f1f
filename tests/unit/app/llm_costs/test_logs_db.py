"""What the llm tool has logged is read as it stands, from any of its versions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taximeter.llm_costs.logs_db import (
    LoggedCall,
    UnreadableRow,
    call_at,
    read_logged,
)
from taximeter_schemas.errors import ConfigurationError
from tests.llm_tool import Saying, an_old_log, log_call, old_response, written

THEN = "2024-11-05T10:00:00.250000+00:00"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return where a test's log is."""
    return tmp_path / "logs.db"


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine's own time zone be another one than UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def calls_in(log: Path, after: dict[str, int] | None = None) -> list[LoggedCall]:
    """Return the calls of a log, all of whose rows can be read."""
    rows = list(read_logged(log, after))
    calls = [row for row in rows if isinstance(row, LoggedCall)]
    assert calls == rows
    return calls


def test_what_the_tool_logs_of_a_call_is_read(log: Path) -> None:
    """Model, moment, tokens with their details, and the conversation are read."""
    details = {"prompt_tokens_details": {"cached_tokens": 400}}
    said = log_call(log, Saying("gpt-4o-mini", usage=(1000, 200), details=details))
    (call,) = calls_in(log)
    assert (call.table, call.rowid, call.id) == ("turns", 1, said)
    assert (call.model, call.input_tokens, call.output_tokens) == (
        "gpt-4o-mini",
        1000,
        200,
    )
    assert call.token_details == details
    assert call.conversation_id
    assert call.occurred_at.tzinfo is not None
    assert call.duration_ms is not None


def test_texts_are_measured_where_no_tokens_are_stated(log: Path) -> None:
    """A call without tokens has the length of its texts, and of none of them a word."""
    log_call(log, Saying(says="Ten bytes", usage=None), prompt="Grüß dich")
    log_call(log, Saying(says="Ten bytes"), prompt="Grüß dich")
    without, stated = calls_in(log)
    assert (without.asked_bytes, without.answered_bytes) == (11, 10)
    assert (stated.asked_bytes, stated.answered_bytes) == (0, 0)


def test_only_rows_behind_the_given_ones_are_read(log: Path) -> None:
    """Reading goes on behind the rowid that is known, table by table."""
    ids = [log_call(log) for _ in range(3)]
    assert [call.id for call in calls_in(log, {"turns": 1})] == ids[1:]
    assert calls_in(log, {"turns": 3}) == []


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
def test_every_row_is_read_once(log: Path, count: int) -> None:
    """However many rows there are, each is read once, in their order."""
    an_old_log(log, "m013_usage")
    with closing(sqlite3.connect(log)) as connection:
        connection.executemany(
            "INSERT INTO responses (id, model, datetime_utc) VALUES (?, 'gpt-4o', ?)",
            [(f"id-{number}", THEN) for number in range(count)],
        )
        connection.commit()
    assert [call.id for call in calls_in(log)] == [f"id-{n}" for n in range(count)]


@pytest.mark.parametrize(
    "migration",
    ["m010_create_new_log_tables", "m013_usage", "m019_resolved_model"],
)
def test_logs_of_earlier_versions_are_read(log: Path, migration: str) -> None:
    """A log without columns that came later is read, and says nothing of those."""
    an_old_log(log, migration)
    row = {"id": "01abc", "model": "gpt-4o", "conversation_id": "c1"}
    texts = {"prompt": "Hallo", "system": "Sei nett", "response": "Hi"}
    old_response(log, row | texts | {"duration_ms": 12, "datetime_utc": THEN})
    (call,) = calls_in(log)
    assert call == LoggedCall(
        table="responses",
        rowid=1,
        id="01abc",
        model="gpt-4o",
        occurred_at=datetime(2024, 11, 5, 10, 0, 0, 250000, tzinfo=UTC),
        conversation_id="c1",
        duration_ms=12,
        asked_bytes=13,
        answered_bytes=2,
    )


@pytest.mark.parametrize(
    ("migration", "table", "moment"),
    [
        ("m002_id_primary_key", "log", "timestamp"),
        ("m008_fix_column_order_in_logs", "logs", "datetime_utc"),
    ],
)
def test_the_first_tables_are_read(
    log: Path, migration: str, table: str, moment: str, in_tokyo: None
) -> None:
    """Calls in the tables of the first versions are read; their times are UTC."""
    an_old_log(log, migration)
    row = {"model": "gpt-3.5-turbo", "prompt": "Hi", "response": "Hello", "chat_id": 7}
    old_response(log, row | {moment: "2023-06-12 09:30:00.5"}, table)
    (call,) = calls_in(log)
    assert (call.table, call.model, call.conversation_id) == (
        table,
        "gpt-3.5-turbo",
        "7",
    )
    assert call.occurred_at == datetime(2023, 6, 12, 9, 30, 0, 500000, tzinfo=UTC)


def test_an_empty_log_has_no_calls(log: Path) -> None:
    """A log without rows, and one without even a table, has no calls."""
    log.touch()
    assert calls_in(log) == []
    an_old_log(log, "m019_resolved_model")
    assert calls_in(log) == []


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"datetime_utc": "yesterday"}, "'yesterday' is no date and time"),
        ({"model": None}, "it names no model"),
        ({"token_details": "{"}, "its token_details are no JSON"),
    ],
)
def test_a_row_that_is_no_call_is_told_of(
    log: Path, columns: dict[str, object], reason: str
) -> None:
    """A row that says too little is handed out with its reason; the others count."""
    an_old_log(log, "m013_usage")
    fine = {"id": "a", "model": "gpt-4o", "datetime_utc": THEN}
    old_response(log, fine | columns)
    old_response(log, fine | {"id": "b"})
    bad, call = read_logged(log)
    assert bad == UnreadableRow("responses", 1, reason)
    assert isinstance(call, LoggedCall)


def test_a_log_is_read_while_it_is_written(log: Path) -> None:
    """A transaction of the tool that is under way neither hurts nor shows."""
    log_call(log)
    with closing(sqlite3.connect(log)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("UPDATE turns SET model = 'another'")
        assert [call.model for call in calls_in(log)] == ["gpt-4o"]
        writing.commit()
    assert [call.model for call in calls_in(log)] == ["another"]


def test_what_is_no_log_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """A missing file and one of another kind are told of, with the next step."""
    with pytest.raises(ConfigurationError, match="'llm logs path' says where"):
        list(read_logged(tmp_path / "nowhere.db"))
    (tmp_path / "letter.db").write_text("Dear Ada, " * 200)
    with pytest.raises(ConfigurationError, match="is it the log of the llm tool"):
        list(read_logged(tmp_path / "letter.db"))


def test_a_row_can_be_found_again_or_not(log: Path) -> None:
    """What stands at a rowid tells that a deleted row's number was given out again."""
    _, second, third = (log_call(log) for _ in range(3))
    assert id_at(log, 3) == third
    assert call_at(log, "log", 1) is None
    written(log, "DELETE FROM turns WHERE id = ?", third)
    assert (id_at(log, 2), id_at(log, 3)) == (second, None)
    fourth = log_call(log)
    assert (id_at(log, 3), id_at(log, 1 << 40)) == (fourth, None)


def id_at(log: Path, rowid: int) -> str | None:
    """Return the id of the call that stands there."""
    call = call_at(log, "turns", rowid)
    return None if call is None else call.id
