"""The commands that read, as a person runs them: on a ledger, and on real topics."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

from taximeter.broker.admin import ensure_topics
from taximeter.broker.ladder import broker
from taximeter.broker.topic_io import publish
from taximeter.cli import main
from taximeter.state import DataDir
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.dead_letters import (
    DeadLetter,
    DeadLetterEvent,
    DeadLetterRetried,
)
from taximeter_schemas.records import Fault, Origin, dead_letter
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.builders import NOON, a_usage
from tests.unit.sinks.charge_builders import a_charge, charges_record
from tests.unit.sinks.old_ledgers import KEPT_BY_VERSION_1, as_of

TAXIMETER = (sys.executable, "-m", "taximeter.cli")

BUDGETS = """
budgets:
  - {id: each-user, scope: {each: user}, period: day, limit_usd: 0.10}
  - {id: all, scope: everything, period: total, limit_usd: 100}
"""


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("TAXIMETER_")}


@pytest.fixture(autouse=True)
def _no_broker_but_the_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAXIMETER_BOOTSTRAP", raising=False)


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def _run(*arguments: object) -> Done:
    """Run a command in this process: a new one takes a second to start."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    out.seek(0)
    return Done(int(end.value.code or 0), out.read(), err.getvalue())


def _out(*arguments: object) -> str:
    done = _run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _letter(offset: int = 7) -> DeadLetter:
    fault = Fault("not_json", "expected value", b"{\x1bno")
    return dead_letter(fault, Origin("taximeter.usage", 2, offset), None, NOON)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a ledger of three charges, one of them unpriced, and a dead letter."""
    path = tmp_path_factory.mktemp("data")
    letter = _letter()
    sink = DuckDBSink(DataDir(path).ledger, Topics())
    yesterday = a_usage(user_id="ada", occurred_at=NOON - timedelta(days=1))
    bob = a_usage(user_id="bob", model="nobody-knows", session_id="s-1")
    sink.add(
        [
            charges_record([a_charge(0, 0, 0, "1.5")], 0),
            charges_record([a_charge(0, 1, 0, "0.000000000001", yesterday)], 1),
            charges_record([a_charge(0, 2, 0, None, bob)], 2),
            RawRecord(
                Topics().dead_letters.name,
                0,
                0,
                letter.key,
                letter.model_dump_json().encode(),
            ),
        ]
    )
    asyncio.run(sink.flush())
    sink.close()
    return path


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a real broker."""
    with broker(tmp_path_factory.mktemp("kafka"), lambda _: None) as address:
        yield address


@pytest.fixture
def topics(bootstrap: str) -> Topics:
    """Create topics of this test's own."""
    fresh = Topics(prefix=f"test-{uuid4().hex[:12]}.")
    asyncio.run(ensure_topics(bootstrap, fresh))
    return fresh


def test_report_by_shows_unpriced_and_a_total(data: Path) -> None:
    """A row of nothing but unpriced calls says so, and the total stands last."""
    done = _run("report", "--data", data, "--by", "user")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:4] == ["user", "cost_usd", "calls", "unpriced_calls"]
    assert [line[:4] for line in lines[1:]] == [
        ["alice", "1.500000000000", "1", "0"],
        ["ada", "0.000000000001", "1", "0"],
        ["bob", "unpriced", "1", "1"],
        ["total", "1.500000000001", "3", "1"],
    ]
    assert "1 calls have no known price" in done.stderr


def test_what_has_no_price_is_told(data: Path) -> None:
    """Model, reason, calls and tokens; and what to do about it."""
    done = _run("prices", "missing", "--data", data)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:5] == ["provider", "model", "service_tier", "reason", "calls"]
    assert lines[1][:5] == [
        *("anthropic", "nobody-knows", "standard", "unknown_model", "1")
    ]
    assert "'taximeter prices set MODEL" in done.stderr
    (row,) = json.loads(_out("prices", "missing", "--data", data, "--format", "json"))
    assert (row["calls"], row["input_tokens"]) == (1, 1000)


def test_report_for_programs(data: Path) -> None:
    """JSON has exact strings and null, CSV an empty cell, where nothing is priced."""
    by_two = ("report", "--data", data, "--by", "day,user", "--format")
    rows = json.loads(_out(*by_two, "json"))
    assert [(row["day"], row["user"], row["cost_usd"]) for row in rows] == [
        ("2026-11-21", "ada", "0.000000000001"),
        ("2026-11-22", "alice", "1.500000000000"),
        ("2026-11-22", "bob", None),
    ]
    cells = list(csv.DictReader(io.StringIO(_out(*by_two, "csv"))))
    assert [row["cost_usd"] for row in cells] == [
        "0.000000000001",
        "1.500000000000",
        "",
    ]


def test_report_overview(data: Path) -> None:
    """Without --by: the total, and who and what it went to."""
    told = json.loads(_out("report", "--data", data, "--format", "json"))
    assert told["total"]["cost_usd"] == "1.500000000001"
    assert [row["user"] for row in told["by_user"]] == ["alice", "ada", "bob"]
    assert {"by_model", "by_project", "by_day"} <= set(told)
    text = _out("report", "--data", data)
    assert [text.count(title) for title in ("Spend\n", "By model\n", "By day\n")] == [
        1,
        1,
        1,
    ]
    cells = list(
        csv.DictReader(io.StringIO(_out("report", "--data", data, "--format", "csv")))
    )
    assert (cells[0]["by"], cells[0]["cost_usd"]) == ("total", "1.500000000001")


def test_report_of_what_providers_state(data: Path, tmp_path: Path) -> None:
    """`--provider-cost` holds our cost against theirs, for the calls that have both."""
    facts = {"provider": "openrouter", "model": "m", "provider_cost_usd": "0.8"}
    sink = DuckDBSink(DataDir(tmp_path).ledger, Topics())
    sink.add([charges_record([a_charge(0, 0, 0, "1", a_usage(**facts)), a_charge()])])
    asyncio.run(sink.flush())
    sink.close()

    (row,) = json.loads(
        _out("report", "--data", tmp_path, "--provider-cost", "--format", "json")
    )
    assert (row["provider"], row["model"], row["calls"]) == ("openrouter", "m", 1)
    assert (row["cost_usd"], row["provider_cost_usd"]) == (
        "1.000000000000",
        "0.800000000000",
    )
    assert (row["difference_usd"], row["difference_percent"]) == (
        "0.200000000000",
        "25.00",
    )
    by_user = ("report", "--data", tmp_path, "--provider-cost", "--by", "user")
    head, alice = _out(*by_user, "--format", "csv").splitlines()
    assert head.startswith("user,calls,cost_usd,provider_cost_usd,difference_usd")
    assert alice.startswith("alice,1,1.0")
    table = _out(*by_user)
    assert "25.00" in table
    assert "total" in table

    nothing = _run("report", "--data", data, "--provider-cost")
    assert nothing.returncode == 0
    assert "no call in the ledger states" in nothing.stderr


def test_report_of_a_stretch(data: Path) -> None:
    """--from is included, --to is not, and a date begins in the time zone given."""
    total = ("report", "--data", data, "--format", "json")
    day = json.loads(_out(*total, "--from", "2026-11-21", "--to", "2026-11-22"))
    assert day["total"]["calls"] == 1
    # Noon in London is Sunday's first hour in Auckland by one.
    away = json.loads(_out(*total, "--from", "2026-11-23", "--tz", "Pacific/Auckland"))
    assert away["total"]["calls"] == 2
    none = json.loads(_out(*total, "--from", "2030-01-01"))
    assert none["total"]["cost_usd"] == "0.000000000000"


def test_sql_answers_with_objects(data: Path) -> None:
    """JSON is an array of objects; columns of the same name are told apart."""
    query = "SELECT user_id, cost_usd, 1 AS user_id FROM charges ORDER BY 1"
    rows = json.loads(_out("sql", query, "--data", data, "--format", "json"))
    assert rows[0] == {"user_id": "ada", "cost_usd": "0.000000000001", "user_id_2": 1}
    special = "SELECT 'nan'::DOUBLE AS n, MAP {1: 'x'} AS m, 'a'::BLOB AS b, NULL AS z"
    rows = json.loads(_out("sql", special, "--data", data, "--format", "json"))
    assert rows == [{"n": "nan", "m": {"1": "x"}, "b": "a", "z": None}]
    nothing = "SELECT user_id FROM charges WHERE false"
    assert _out("sql", nothing, "--data", data, "--format", "csv") == "user_id\n"
    assert json.loads(_out("sql", nothing, "--data", data, "--format", "json")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sql", "SELECT * FROM nowhere"), "nowhere"),
        (("sql", "DELETE FROM charges"), "read-only"),
        (("sql", ""), ""),
        (("report", "--by", "colour"), "cannot report by 'colour'"),
        (("report", "--provider-cost", "--by", "colour"), "cannot report by 'colour'"),
        (("report", "--from", "soon"), "'soon' is not a moment"),
        (("report", "--tz", "Mars"), "'Mars' is not an IANA time zone"),
        (("dead-letters", "show", "nothing"), "there is no dead letter 'nothing'"),
        (("budgets", "list"), "'taximeter up'"),
        (("alerts",), "'taximeter up'"),
    ],
)
def test_what_goes_wrong_is_one_line(
    data: Path, arguments: tuple[str, ...], words: str
) -> None:
    """A failure is one line on stderr, nothing on stdout, and exit code 1."""
    done = _run(*arguments, "--data", data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_without_a_ledger_the_next_step_is_told(tmp_path: Path) -> None:
    """An empty data directory is one line that says what to start."""
    for arguments in (("report",), ("sql", "SELECT 1"), ("budgets", "status")):
        done = _run(*arguments, "--data", tmp_path)
        assert done.returncode == 1
        assert "start 'taximeter up'" in done.stderr


def test_dead_letters_from_the_ledger(data: Path) -> None:
    """They are listed by where they came from, and shown with what they hold."""
    (row,) = json.loads(
        _out("dead-letters", "list", "--data", data, "--format", "json")
    )
    assert (row["key"], row["reason"]) == ("taximeter.usage:2:7", "not_json")
    show = ("dead-letters", "show", row["key"], "--data", data)
    assert _out(*show).endswith("payload (4 bytes):\n{\\x1bno\n")
    assert _out(*show, "--format", "raw") == "{\x1bno"
    assert json.loads(_out(*show, "--format", "json"))["payload"] == "{\x1bno"


def test_dead_letters_that_were_retried(tmp_path: Path) -> None:
    """They are listed with the time of it, and left out where only open ones count."""
    retried, still_open = _letter(7), _letter(8)
    note = DeadLetterRetried(
        event_type="DeadLetterRetried",
        dead_letter_id=retried.key.decode(),
        event_ids=(),
        retried_at=NOON,
    )
    sink = DuckDBSink(DataDir(tmp_path).ledger, Topics())
    topic = Topics().dead_letters.name
    events: list[DeadLetterEvent] = [note, retried, still_open]
    for at, event in enumerate(events):
        value = event.model_dump_json().encode()
        sink.add([RawRecord(topic, 0, at, event.key, value)])
    asyncio.run(sink.flush())
    sink.close()
    command = ("dead-letters", "list", "--data", tmp_path, "--format", "json")
    rows = {row["key"]: row["retried_at"] for row in json.loads(_out(*command))}
    assert rows == {
        "taximeter.usage:2:7": "2026-11-22T12:00:00+00:00",
        "taximeter.usage:2:8": None,
    }
    (row,) = json.loads(_out(*command, "--open"))
    assert row["key"] == "taximeter.usage:2:8"
    show = ("dead-letters", "show", retried.key.decode(), "--data", tmp_path)
    assert "retried_at: 2026-11-22 12:00:00+00:00\n" in _out(*show)


def test_dead_letters_of_an_older_ledger(tmp_path: Path) -> None:
    """A ledger that no newer sink has opened yet is read as it is: all are open."""
    with duckdb.connect(str(DataDir(tmp_path).ledger)) as ledger:
        as_of(1, ledger)
        ledger.execute(KEPT_BY_VERSION_1)
    command = ("dead-letters", "list", "--data", tmp_path, "--format", "json")
    for more in ((), ("--open",)):
        rows = json.loads(_out(*command, *more))
        assert {row["key"]: row["retried_at"] for row in rows} == {
            "usage:0:7": None,
            "usage:0:8": None,
        }
    raw = ("dead-letters", "show", "usage:0:7", "--data", tmp_path, "--format", "raw")
    assert _out(*raw) == "x"


@pytest.mark.broker
def test_dead_letters_from_the_topic(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """Where no ledger was written yet, the topic itself is read, each letter once."""
    letter = _letter()
    record = (letter.key, letter.model_dump_json().encode())
    asyncio.run(publish(bootstrap, topics.dead_letters, [record, record]))
    where = ("--data", tmp_path, "--bootstrap", bootstrap, "--prefix", topics.prefix)
    (row,) = json.loads(_out("dead-letters", "list", *where, "--format", "json"))
    assert row["key"] == "taximeter.usage:2:7"
    assert _out("dead-letters", "show", row["key"], *where, "--format", "raw") == (
        "{\x1bno"
    )


@pytest.mark.broker
def test_budgets_are_applied_once(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """Applying a file twice changes nothing; a budget can be listed and removed."""
    file = tmp_path / "budgets.yaml"
    file.write_text(BUDGETS)
    where = ("--data", tmp_path, "--bootstrap", bootstrap, "--prefix", topics.prefix)

    def applied() -> list[str]:
        out = _out("budgets", "apply", file, *where, "--format", "json")
        return [row["action"] for row in json.loads(out)]

    def listed() -> list[dict[str, object]]:
        out: list[dict[str, object]] = json.loads(
            _out("budgets", "list", *where, "--format", "json")
        )
        return out

    assert listed() == []
    assert applied() == ["added", "added"]
    first = listed()
    assert applied() == ["unchanged", "unchanged"]
    assert listed() == first
    file.write_text(BUDGETS.replace("0.10", "0.20"))
    assert applied() == ["changed", "unchanged"]
    assert [(row["budget_id"], row["limit_usd"], row["scope"]) for row in listed()] == [
        ("all", "100", "everything"),
        ("each-user", "0.20", {"each": "user"}),
    ]
    assert _run("budgets", "remove", "all", *where).returncode == 0
    assert [row["budget_id"] for row in listed()] == ["each-user"]
    again = _run("budgets", "remove", "all", *where)
    assert (again.returncode, again.stderr) == (
        1,
        "error: there is no budget 'all': each-user\n",
    )


def test_a_wrong_budget_file_is_one_line(tmp_path: Path) -> None:
    """The line names the file, the entry, the field and the reason."""
    file = tmp_path / "budgets.yaml"
    file.write_text("budgets: [{id: a, scope: everything, period: day}]")
    done = _run("budgets", "apply", file, "--data", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {file}: budget 1 (a): one of limit_usd, limit_tokens, limit_calls "
        "is needed, or limit_usd: unlimited\n"
    )


def _alert(percent: int, raised_at: datetime) -> BudgetThresholdCrossed:
    return BudgetThresholdCrossed(
        alert_id=uuid4(),
        raised_at=raised_at,
        budget_id="daily",
        subject_kind="user",
        subject_id="alice",
        period="day",
        period_start=NOON.replace(hour=0),
        period_end=NOON.replace(hour=0) + timedelta(days=1),
        threshold_percent=percent,
        limit_usd=Decimal(10),
        spent_usd=Decimal("9.500000000000"),
    )


def _raise(bootstrap: str, topics: Topics, *alerts: BudgetThresholdCrossed) -> None:
    records = [(b"daily", alert.model_dump_json().encode()) for alert in alerts]
    asyncio.run(publish(bootstrap, topics.budget_alerts, records))


@pytest.mark.broker
def test_alerts_are_shown_once_in_their_order(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """People get a line each, programs an array or CSV; one sent twice is one."""
    where = ("--data", tmp_path, "--bootstrap", bootstrap, "--prefix", topics.prefix)
    assert _out("alerts", *where) == ""
    half, most = _alert(50, NOON), _alert(90, NOON + timedelta(minutes=1))
    _raise(bootstrap, topics, most, half, most)
    assert _out("alerts", *where).splitlines()[0] == (
        "2026-11-22 12:00:00Z   50 %  daily: user alice has spent 9.50 of 10.00 USD "
        "(day from 2026-11-22 00:00Z)"
    )
    shown = json.loads(_out("alerts", *where, "--format", "json"))
    assert [alert["threshold_percent"] for alert in shown] == [50, 90]
    cells = csv.DictReader(io.StringIO(_out("alerts", *where, "--format", "csv")))
    assert [row["threshold_percent"] for row in cells] == ["50", "90"]


@pytest.mark.broker
def test_alerts_are_followed(bootstrap: str, topics: Topics, tmp_path: Path) -> None:
    """--follow shows what was raised, then each new one, until Ctrl-C ends it well."""
    _raise(bootstrap, topics, _alert(50, SystemClock().now().astimezone(UTC)))
    where = ("--data", tmp_path, "--bootstrap", bootstrap, "--prefix", topics.prefix)
    following = subprocess.Popen(
        [*TAXIMETER, "alerts", "--follow", "--format", "json", *map(str, where)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    try:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["threshold_percent"] == 50
        _raise(bootstrap, topics, _alert(80, SystemClock().now()))
        assert json.loads(following.stdout.readline())["threshold_percent"] == 80
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=20)
    finally:
        following.kill()
        following.wait()
    assert (following.returncode, out, err) == (0, "", "")


def test_sql_from_a_pipe(data: Path) -> None:
    """With - the query is read from standard input, by the command as installed."""
    done = subprocess.run(
        [*TAXIMETER, "sql", "-", "--data", str(data), "--format", "csv"],
        input="SELECT count(*) AS n FROM charges",
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "n\n3\n", "")


def test_prices_are_shown_for_people_and_programs() -> None:
    """By the million tokens in a table, exact for one unit in JSON."""
    done = _run("prices", "show", "gpt-4o")
    assert "1M text_input_tokens" in done.stdout
    assert "entry 'gpt-4o' of litellm-" in done.stderr
    shown = json.loads(_out("prices", "show", "gpt-4o", "--format", "json"))
    prices = {price["unit"]: price["usd_per_unit"] for price in shown["prices"]}
    assert prices["text_input_tokens"] == "0.0000025"
    unknown = _run("prices", "show", "gpt-4oo")
    assert unknown.returncode == 1
    assert "close names are gpt-4o" in unknown.stderr
