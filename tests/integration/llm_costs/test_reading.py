"""The log of the tool becomes the ledger, each call once, however it is read."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from decimal import Decimal

from tests.integration.llm_costs.conftest import CHEAP, DEAR, FREE, Tool
from tests.llm_tool import Saying, an_old_log, log_call, old_response, written

ONE = Decimal("0.00027")
THEN = "2024-11-05T10:00:00+00:00"


def spent(tool: Tool) -> Decimal:
    """Return all that was spent."""
    return tool.totals().cost_usd or Decimal(0)


def sums(tool: Tool) -> tuple[int, Decimal]:
    """Return how many calls there are, and what they cost."""
    found = tool.totals()
    return found.calls, found.cost_usd or Decimal(0)


def calls(tool: Tool) -> int:
    """Return how many calls there are."""
    return tool.totals().calls


def test_a_log_read_twice_counts_once(tool: Tool) -> None:
    """What was read is not read again, and what came since is added."""
    for _ in range(3):
        log_call(tool.home.logs_db, Saying(CHEAP))
    assert sums(tool) == (3, 3 * ONE)
    assert sums(tool) == (3, 3 * ONE)
    log_call(tool.home.logs_db, Saying(CHEAP))
    assert sums(tool) == (4, 4 * ONE)


def test_a_call_that_is_noted_and_logged_counts_once(tool: Tool) -> None:
    """The plugin's note and the tool's log are of one call."""
    tool.prompt("--project", "search")
    assert sums(tool) == (1, ONE)
    (row,) = tool.asked("costs", "sql", "SELECT project_id FROM charges")
    assert row["project_id"] == "search"


def test_a_call_that_is_not_logged_counts_too(tool: Tool) -> None:
    """`llm -n` keeps a call out of the log, and nobody from paying for it."""
    tool.prompt("-n")
    assert sums(tool) == (1, ONE)


def test_a_row_with_the_number_of_a_deleted_one_is_read(tool: Tool) -> None:
    """SQLite gives a number out again: the call behind it counts all the same."""
    log = tool.home.logs_db
    log_call(log, Saying(CHEAP))
    last = log_call(log, Saying(CHEAP))
    assert calls(tool) == 2
    written(log, "DELETE FROM turns WHERE id = ?", last)
    log_call(log, Saying(DEAR))
    assert sums(tool) == (3, 2 * ONE + Decimal("0.0045"))
    assert calls(tool) == 3


def test_a_log_that_is_deleted_takes_nothing_back(tool: Tool) -> None:
    """What was spent was spent; a fresh log is read from its beginning."""
    log_call(tool.home.logs_db, Saying(CHEAP))
    assert calls(tool) == 1
    tool.home.logs_db.unlink()
    assert calls(tool) == 1
    log_call(tool.home.logs_db, Saying(CHEAP))
    assert sums(tool) == (2, 2 * ONE)


def test_no_log_and_an_empty_one_cost_nothing(tool: Tool) -> None:
    """Before the first call there is nothing, and that is 0 and no error."""
    tool.home.logs_db.unlink()
    assert sums(tool) == (0, Decimal(0))
    an_old_log(tool.home.logs_db, "m019_resolved_model")
    assert sums(tool) == (0, Decimal(0))


def test_an_old_log_is_estimated_and_says_so(tool: Tool) -> None:
    """A log from before tokens were logged has estimates, and says that it has."""
    an_old_log(tool.home.logs_db, "m010_create_new_log_tables")
    row = {"id": "a", "model": "gpt-4o", "datetime_utc": THEN}
    old_response(tool.home.logs_db, row | {"prompt": "x" * 4000, "response": "y" * 800})
    assert spent(tool) == Decimal("0.0045")
    assert "1 calls state no tokens: theirs are estimated" in tool.run("costs")


def test_a_model_without_a_price_is_shown_and_not_zero(tool: Tool) -> None:
    """An unknown model's call is counted, named, and in no sum."""
    tool.prompt(model=FREE)
    told = tool.run("costs")
    assert "1 calls have no known price and are in no sum" in told
    assert "unpriced" in told
    assert tool.totals().cost_usd is None


def test_what_cannot_be_read_is_kept(tool: Tool) -> None:
    """A row that is no call is told of once, kept, and hides none of the others."""
    log = tool.home.logs_db
    log_call(log, Saying(CHEAP))
    log_call(log, Saying(CHEAP))
    written(log, "UPDATE turns SET datetime_utc = 'once' WHERE rowid = 1")
    assert "1 calls are not understood" in tool.run("costs")
    assert calls(tool) == 1
    (letter,) = tool.asked("costs", "sql", "SELECT detail FROM dead_letters")
    assert letter["detail"] == "turns: 'once' is no date and time"


def test_a_log_is_read_while_the_tool_writes_it(tool: Tool) -> None:
    """Of a hundred calls that are logged meanwhile none is lost or counted twice."""
    log = tool.home.logs_db
    log_call(log, Saying(CHEAP))
    writer = threading.Thread(target=_many, args=(str(log), 100))
    writer.start()
    while writer.is_alive():
        calls(tool)
    writer.join()
    assert sums(tool) == (101, 101 * ONE)


def _many(log: str, count: int) -> None:
    with closing(sqlite3.connect(log, timeout=30, isolation_level=None)) as file:
        for number in range(count):
            file.execute(
                "INSERT INTO turns (id, model, datetime_utc, input_tokens, "
                "output_tokens) VALUES (?, ?, ?, 1000, 200)",
                (f"turn-{number}", CHEAP, THEN),
            )
