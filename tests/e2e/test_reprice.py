"""`taximeter reprice`, as a person runs it: real parts, real processes, real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from taximeter_processors.price_book import litellm_price_books
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import Usage, UsageCorrected, UsageEvent, UsageRecorded
from tests.builders import NOON, a_usage, an_id
from tests.running_system import TAXIMETER, Running, environment, taximeter
from tests.waiting import eventually

SINCE = ("--from", "2026-11-01")
BUDGETS = "budgets: [{id: all, scope: everything, period: total, limit_usd: 1}]"
ESTIMATED, TRUE = Usage(text_input_tokens=10), Usage(text_input_tokens=1_000)


class Site:
    """A running system, and the commands of whoever looks after it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.up = Running(data)

    def json(self, *arguments: str, text: str = "") -> Any:  # noqa: ANN401 - whatever
        """Return what a command that ends well prints as JSON."""
        done = self.run(*arguments, "--format", "json", text=text)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return taximeter(*arguments, "--data", str(self.data), text=text, timeout=120)

    def reprice(self, *arguments: str) -> Any:  # noqa: ANN401
        """Apply a re-pricing."""
        return self.json("reprice", *SINCE, "--apply", "--yes", *arguments)

    def spend(self) -> dict[str, tuple[Decimal | None, int]]:
        """Return each model's cost and its calls without a price."""
        found: dict[str, tuple[Decimal | None, int]] = {}
        for row in self.json("report", "--by", "model"):
            cost = row["cost_usd"]
            usd = None if cost is None else Decimal(cost)
            found[row["model"]] = usd, row["unpriced_calls"]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a running system with calls of three models, of which one has no price."""
    found = Site(tmp_path_factory.mktemp("reprice") / "data")
    try:
        found.run("budgets", "apply", "-", text=BUDGETS)
        found.json("emit", text="\n".join(_lines()))
        eventually(lambda: _rows(found) == 601, 60)
        yield found
    finally:
        found.up.process.terminate()
        found.up.process.communicate(timeout=30)


def _calls() -> list[UsageRecorded]:
    models = [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("us", "ours")]
    return [
        a_usage(
            event_id=an_id("e2e", number),
            occurred_at=NOON,
            provider=models[number % 3][0],
            model=models[number % 3][1],
            usage=ESTIMATED if number == 0 else Usage(text_input_tokens=number),
        )
        for number in range(600)
    ]


def _lines() -> list[str]:
    correction = UsageCorrected(
        event_id=an_id("e2e", "correction"),
        event_type="UsageCorrected",
        occurred_at=NOON,
        provider="openai",
        model="gpt-4o",
        corrects=an_id("e2e", 0),
        old_usage=ESTIMATED,
        new_usage=TRUE,
        reason="stream completed",
    )
    events: list[UsageEvent] = [*_calls(), correction]
    return [encode_event(event).decode() for event in events]


def _rows(site: Site) -> int:
    return int(site.json("sql", "SELECT count(*) AS n FROM charges")[0]["n"])


def _listed(model: str, times: str = "1") -> Decimal:
    """Return what a model's calls cost by the list, computed without any worker."""
    book = litellm_price_books().at(NOON, SystemClock().now())
    used = [TRUE.text_input_tokens if model == "gpt-4o" else 0]
    used += [c.usage.text_input_tokens for c in _calls()[1:] if c.model == model]
    provider = "openai" if model == "gpt-4o" else "anthropic"
    pico = 0
    for tokens in used:
        usage = Usage(text_input_tokens=tokens)
        pico += book.price_usage(provider, model, "standard", usage).input_pico or 0
    return usd_from_pico(pico) * Decimal(times)


@pytest.mark.broker
def test_history_follows_the_prices_that_are_set_later(site: Site) -> None:
    """Shown first, then written: spend, budgets, reports and audit follow, once.

    A run and a worker are killed on the way; whoever runs it again finishes it, and
    once more changes nothing. A correction is priced anew with its call.
    """
    claude, gpt = "claude-sonnet-4-5", "gpt-4o"
    assert site.spend() == {
        claude: (_listed(claude), 0),
        gpt: (_listed(gpt), 0),
        "ours": (None, 200),
    }
    told = _new_prices(site)
    assert "taximeter reprice --from 2026-11-01" in told.stderr

    shown = site.json("reprice", *SINCE)
    assert (shown["adjustments"], shown["newly_priced"]) == (400, 200)
    assert not shown["applied"]
    assert site.spend()["ours"] == (None, 200)

    _killed(site)
    done = site.reprice("--who", "grace", "--reason", "agreed in May")
    ours = sum(Decimal(call.usage.text_input_tokens) for call in _calls()[2::3])
    assert site.spend() == {
        claude: (_listed(claude), 0),
        gpt: (_listed(gpt, "0.8"), 0),
        "ours": (ours * 2 / 10**6, 0),
    }
    assert _rows(site) == 1_001
    assert done["still_unpriced"] == 0
    assert site.json("prices", "missing") == []
    assert site.reprice()["sent"] == 0
    assert _rows(site) == 1_001

    audited = site.json("audit")
    assert (audited["ok"], audited["difference_usd"]) == (True, "0.000000000000")
    costs = [usd for usd, _ in site.spend().values() if usd is not None]
    total = sum(costs, Decimal(0))
    status = eventually(lambda: _status(site, total), 20)
    assert (status["calls"], status["unpriced_calls"]) == (600, 0)


def _new_prices(site: Site) -> subprocess.CompletedProcess[str]:
    """Give ours a price, and a discount on gpt-4o, for all that was called."""
    price = ("--input-per-million", "2", "--output-per-million", "2")
    past = ("--effective-from", "2026-11-01")
    told = site.run("prices", "set", "ours", "--provider", "us", *price, *past)
    discount = "prices: [{provider: openai, discount_percent: 20}]"
    site.run("prices", "import", "-", *past, text=discount)
    return told


def _killed(site: Site) -> None:
    """Kill a run as soon as its adjustments are on their way, and the worker too."""
    command = ["reprice", *SINCE, "--model", "ours", "--apply", "--yes"]
    run = subprocess.Popen(
        [*TAXIMETER, *command, "--data", str(site.data)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert run.stderr is not None
    while "are in Kafka" not in (line := run.stderr.readline()):
        assert line, "it ended before it could be killed"
    worker = site.up.pid("worker-1")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    run.kill()
    run.communicate()


def _status(site: Site, total: Decimal) -> dict[str, Any]:
    (row,) = site.json("budgets", "status")
    assert Decimal(row["spent_usd"]) == total
    found: dict[str, Any] = row
    return found


@pytest.mark.broker
def test_one_version_for_all(site: Site) -> None:
    """By the name that charges have: what it does not know keeps its price."""
    _new_prices(site)
    site.reprice()
    installed = litellm_price_books().versions[0]
    before = site.spend()["ours"]
    done = site.reprice("--to-version", installed, "--provider", "openai")
    assert site.spend()["gpt-4o"] == (_listed("gpt-4o"), 0)
    assert done["sent"] == 200
    (ours,) = site.json(
        "reprice", *SINCE, "--to-version", installed, "--model", "ours"
    )["models"]
    assert (ours["kept"], ours["adjustments"]) == (200, 0)
    assert site.spend()["ours"] == before
    unknown = site.run("reprice", *SINCE, "--to-version", "nowhere")
    assert unknown.returncode == 1
    assert "no price version 'nowhere' is known here" in unknown.stderr


@pytest.mark.broker
def test_without_a_running_system_it_is_only_shown(tmp_path: Path) -> None:
    """The preview starts what it needs; writing says how to start the system."""
    site = Site(tmp_path / "data")
    site.json("emit", text="\n".join(_lines()[:3]))
    eventually(lambda: _rows(site) == 3, 60)
    site.up.stop()
    shown = site.json("reprice", *SINCE)
    assert (shown["calls"], shown["still_unpriced"]) == (3, 1)
    refused = site.run("reprice", *SINCE, "--apply", "--yes")
    assert refused.returncode == 1
    assert "taximeter up" in refused.stderr
