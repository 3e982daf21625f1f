"""The examples of guards, against a real Kafka in topics of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from taximeter.broker.admin import ensure_topics
from taximeter.broker.ports import free_port
from taximeter.broker.topic_io import publish, read_topic
from taximeter_schemas.budgets import budget_key
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.records import read_record
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UsageRecorded
from tests.guarding import a_budget
from tests.running_system import environment
from tests.waiting import eventually

pytestmark = pytest.mark.broker

TAXIMETER = (sys.executable, "-m", "taximeter.cli")
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
async def guarded(bootstrap: str, topics: Topics) -> Topics:
    """Give topics in which ada has nothing to spend, and bob a cheaper model."""
    nothing = a_budget(budget_id="ada", scope={"user": "ada"}, limit_usd="0")
    cheaper = a_budget(
        budget_id="bob",
        scope={"user": "bob"},
        limit_usd="0",
        on_exceeded="fallback",
        fallback_model="gpt-4o-mini",
    )
    await ensure_topics(bootstrap, topics)
    both = (nothing, cheaper)
    records = [(budget_key(one), one.model_dump_json().encode()) for one in both]
    await publish(bootstrap, topics.budgets, records)
    return topics


def _environment(bootstrap: str, topics: Topics) -> dict[str, str]:
    said = {"TAXIMETER_BOOTSTRAP": bootstrap, "TAXIMETER_PREFIX": topics.prefix}
    return environment() | said


@contextmanager
def _service(env: dict[str, str]) -> Iterator[str]:
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES)]
    process = subprocess.Popen(
        [*words, "--port", str(port), "guard_service:app"],
        env=env,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _health(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/health").json()["budgets_known"])
    except httpx.TransportError:
        return False


def test_the_service_answers_whoever_has_something_left(
    bootstrap: str, guarded: Topics
) -> None:
    """402 for ada, another model for bob, what was asked for to everybody else."""
    with _service(_environment(bootstrap, guarded)) as url:
        eventually(lambda: _health(url), 60)
        ada, bob, eve = (
            httpx.get(f"{url}/answer", headers={"x-user": user})
            for user in ("ada", "bob", "eve")
        )
    assert (ada.status_code, ada.json()["error"]["budget_id"]) == (402, "ada")
    assert bob.json() == {"model": "gpt-4o-mini", "reason": "fallback"}
    assert eve.json() == {"model": "gpt-4o", "reason": "within"}


def _calls(bootstrap: str, topics: Topics, *arguments: str) -> list[str]:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / "guard_calls.py"), bootstrap, *arguments],
        env=_environment(bootstrap, topics),
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.splitlines()


async def test_the_program_makes_the_calls_that_it_may(
    bootstrap: str, guarded: Topics
) -> None:
    """What is ignored stands in the events; what is refused makes none."""
    refused = _calls(bootstrap, guarded, "ada")
    cheaper = _calls(bootstrap, guarded, "bob")
    ignored = _calls(bootstrap, guarded, "ada", "incident 42")

    assert len(refused) == 3
    assert all(line.startswith("not made: budget ada: user ada") for line in refused)
    assert cheaper == ["answered by gpt-4o-mini"] * 3
    assert ignored == ["answered by gpt-4o"] * 3
    assert await _emitted(bootstrap, guarded) == [
        *[("ada", "gpt-4o", "incident 42")] * 3,
        *[("bob", "gpt-4o-mini")] * 3,
    ]


async def _emitted(bootstrap: str, topics: Topics) -> list[tuple[str, ...]]:
    """Return the user, the model and the tags of each event there is."""
    now = SystemClock().now()
    records = await read_topic(bootstrap, topics.usage)
    read = [one for record in records for one in read_record(record.value, now)]
    events = [one for one in read if isinstance(one, UsageRecorded)]
    return sorted((e.user_id, e.model, *e.tags.values()) for e in events)


async def test_a_person_runs_a_program_in_spite_of_a_budget(
    bootstrap: str, guarded: Topics
) -> None:
    """`taximeter run` stops it, or lets it and its guards go on, as its events say."""
    program = (sys.executable, str(EXAMPLES / "guard_calls.py"), bootstrap, "ada")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TAXIMETER, "run", "--user", "ada", *options, "--", *program],
            env=_environment(bootstrap, guarded),
            capture_output=True,
            text=True,
            check=False,
        )

    stopped = run()
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr.startswith("error: budget ada: user ada has spent 0 of 0")
    assert stopped.stderr.endswith("or run it with --ignore-budget REASON\n")
    assert await _emitted(bootstrap, guarded) == []

    let_through = run("--ignore-budget", "incident 42", "--tag", "job=nightly")
    assert let_through.returncode == 0, let_through.stderr
    assert "budgets ignored (incident 42): budget ada" in let_through.stderr
    assert (
        await _emitted(bootstrap, guarded)
        == [("ada", "gpt-4o", "nightly", "incident 42")] * 3
    )
