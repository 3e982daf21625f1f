"""A broken event's way back, as a person finds it: list, show, correct, retry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from taximeter.broker.topic_io import publish
from taximeter.reading import open_ledger
from taximeter_schemas.records import encode_event, packed
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests.builders import a_usage
from tests.running_system import Running, taximeter
from tests.waiting import eventually

BUDGETS = """
budgets:
  - {id: each-user, scope: {each: user}, period: total, limit_usd: 1}
"""
EARLIER = "2026-01-01T00:00:00Z"


class System(Running):
    """A running system, and questions to it."""

    def command(self, *arguments: str, text: str = "") -> tuple[int, Any]:
        """Run a command; return its exit code and what it printed for programs."""
        where = ("--data", str(self.data.path), "--format", "json")
        done = taximeter(*arguments, *where, text=text)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the ledger, without a command's second of starting."""
        with open_ledger(self.data) as ledger:
            return ledger.sql(query).rows

    def put(self, value: bytes) -> None:
        """Send a record past everything that would have refused it."""
        topic = Topics().usage
        asyncio.run(publish(self.urls["kafka"], topic, [(b"any", value)]))

    def open_letters(self) -> list[str]:
        """Return the keys of the letters that were not retried, the oldest first."""
        query = "SELECT dead_letter_id FROM dead_letters WHERE retried_at IS NULL"
        return sorted(key for (key,) in self.rows(query))

    def charged(self, user: str) -> int:
        """Return for how many calls a user was charged."""
        query = f"SELECT count(*) AS n FROM charges WHERE user_id = '{user}'"
        return int(self.rows(query)[0][0])

    def all_is_read(self) -> bool:
        """Tell whether worker and sink have done all that there is."""
        lag = self.command("status")[1]["lag"]
        return {*lag["usage"].values(), *lag["charges"].values()} == {0}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Give a running system with a budget for each user."""
    home = tmp_path_factory.mktemp("letters")
    (home / "budgets.yaml").write_text(BUDGETS)
    running = System(home / "data")
    try:
        running.command("budgets", "apply", str(home / "budgets.yaml"))
        yield running
    finally:
        running.process.terminate()
        running.process.communicate(timeout=30)


def _broken(event: UsageRecorded) -> bytes:
    fields = json.loads(encode_event(event))
    fields["usage"]["text_input_tokens"] = -1
    return json.dumps(fields).encode()


def _line(key: str, event: UsageRecorded) -> str:
    fields = json.loads(encode_event(event))
    return json.dumps({"dead_letter_id": key, "event": fields})


def test_a_corrected_event_is_charged_once(system: System, tmp_path: Path) -> None:
    """Listed, shown, corrected, retried, and retried again: one charge everywhere.

    It stood in a packed record beside two good events, which were charged at once and
    stay so, though the whole record is given as the correction.
    """
    calls = [a_usage(user_id="ada", occurred_at=EARLIER) for _ in range(3)]
    parts = [encode_event(calls[0]), _broken(calls[1]), encode_event(calls[2])]
    system.put(packed(parts))
    (key,) = eventually(system.open_letters, 60)
    _, listed = system.command("dead-letters", "list", "--open")
    assert [row["key"] for row in listed] == [key]
    _, shown = system.command("dead-letters", "show", key)
    assert shown["reason"] == "invalid_event"
    assert "text_input_tokens" in shown["detail"]
    assert json.loads(shown["payload"])["event_id"] == str(calls[1].event_id)

    file = tmp_path / "fixed.ndjson"
    file.write_text("\n".join(_line(key, call) for call in calls))
    retry = ("dead-letters", "retry", "--file", str(file))
    code, (first,) = system.command(*retry)
    assert (code, first["outcome"], first["events"]) == (0, "retried", 3)
    eventually(lambda: system.charged("ada") == 3, 60)
    code, (second,) = system.command(*retry)
    assert (code, second["outcome"]) == (0, "retried_before")
    code, (third,) = system.command(*retry, "--again")
    assert (code, third["outcome"], third["charged_before"]) == (0, "retried", 3)

    eventually(system.all_is_read, 60)
    assert system.charged("ada") == 3
    eventually(lambda: system.open_letters() == [], 30)
    _, status = system.command("status")
    assert (status["dead_letters"], status["dead_letters_open"]) == (1, 0)
    _agree(system, "ada", 3)
    _audit_finds_nothing(system)


def test_whoever_sends_it_again_it_counts_once(system: System) -> None:
    """Retried twice at once, or sent by its producer meanwhile: one charge each."""
    bob, eve = (a_usage(user_id=name, occurred_at=EARLIER) for name in ("bob", "eve"))
    system.put(packed([_broken(bob), _broken(eve)]))
    eventually(lambda: len(system.open_letters()) == 2, 60)
    of_bob, of_eve = system.open_letters()

    # Nothing of it is charged yet: the worker knows the second one by its id.
    retry = ("dead-letters", "retry", "--file", "-")
    assert system.command(*retry, text=_line(of_bob, bob))[0] == 0
    assert system.command(*retry, "--again", text=_line(of_bob, bob))[0] == 0
    # Charged already: the ledger knows it, however long ago that was.
    good = encode_event(eve).decode()
    system.command("emit", "-", text=good)
    eventually(lambda: system.charged("eve") == 1, 60)
    one = ("dead-letters", "retry", of_eve, "--event", "-")
    code, (outcome,) = system.command(*one, text=good)
    assert (code, outcome["outcome"], outcome["charged_before"]) == (0, "retried", 1)

    eventually(system.all_is_read, 60)
    eventually(lambda: system.open_letters() == [], 30)
    for user in ("bob", "eve"):
        _agree(system, user, 1)
    _audit_finds_nothing(system)


def _agree(system: System, user: str, calls: int) -> None:
    """`taximeter sql` and the budget have these calls, each once."""
    query = (
        "SELECT count(*) AS calls, count(DISTINCT event_id) AS events, "
        f"sum(cost_usd) AS spent_usd FROM charges WHERE user_id = '{user}'"
    )
    _, (charged,) = system.command("sql", query)
    assert (charged["calls"], charged["events"]) == (calls, calls)
    assert Decimal(charged["spent_usd"]) > 0
    counted = (
        "SELECT calls, spent_usd FROM budget_status "
        f"WHERE budget_id = 'each-user' AND subject_id = '{user}'"
    )
    wanted = [(calls, Decimal(charged["spent_usd"]))]
    eventually(lambda: system.rows(counted) == wanted, 30)


def _audit_finds_nothing(system: System) -> None:
    """Usage, charges, spend tables and ledger agree to the last digit."""
    code, audit = system.command("audit")
    assert (code, audit["ok"], audit["difference_usd"]) == (0, True, "0.000000000000")
    assert audit["unprocessed"] == audit["duplicates_in_ledger"] == 0
