"""The real `llm` tool with models that a test controls, in a directory of its own."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llm
import pytest
from click.testing import CliRunner
from llm import hookimpl
from llm.cli import cli
from llm.plugins import pm

from taximeter.llm_costs import calls_for
from taximeter.llm_costs.books import bring_up_to_date
from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.home import Home
from taximeter_sinks.queries import Ledger, SpendRow
from tests.llm_tool import Saying, SayingSoon, an_empty_log

DEAR, CHEAP, FREE = "openai/gpt-4o", "openai/gpt-4o-mini", "local-llama"


class SayingPlugin:
    """Registers models that answer at once, as any plugin does."""

    @staticmethod
    @hookimpl
    def register_models(register: Callable[..., None]) -> None:
        """Register one that costs 0.0045 a call, one of 0.00027, one without price."""
        for name in (DEAR, CHEAP, FREE):
            register(Saying(name), SayingSoon(name))


@dataclass
class Tool:
    """The tool as a person runs it."""

    home: Home

    def run(self, *words: str, said: str = "", code: int = 0) -> str:
        """Run it; return what it says, on stdout and stderr together."""
        result = CliRunner().invoke(cli, words, input=said, prog_name="llm")
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    def asked(self, *words: str) -> Any:  # noqa: ANN401 - whatever JSON says
        """Return what a command says in JSON."""
        result = CliRunner().invoke(cli, [*words, "--format", "json"], prog_name="llm")
        assert result.exit_code == 0, result.output + str(result.exception)
        return json.loads(result.stdout)

    def rows(self, *words: str) -> list[dict[str, str]]:
        """Return what a command says in CSV."""
        result = CliRunner().invoke(cli, [*words, "--format", "csv"], prog_name="llm")
        assert result.exit_code == 0, result.output + str(result.exception)
        return list(csv.DictReader(result.stdout.splitlines()))

    def prompt(self, *words: str, model: str = CHEAP, code: int = 0) -> str:
        """Make a call."""
        return self.run("prompt", "-m", model, "Is it?", *words, code=code)

    def totals(self) -> SpendRow:
        """Return what all calls cost, once the ledger is up to date."""
        bring_up_to_date(self.home, CostsConfig())
        with Ledger.open(self.home.ledger) as ledger:
            return ledger.totals()


@pytest.fixture(scope="module", autouse=True)
def saying() -> Iterator[None]:
    """Let the tool know the models."""
    pm.register(SayingPlugin, name="saying")
    yield
    pm.unregister(name="saying")


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with nothing in it: making one takes longer than a copy."""
    home = Home(tmp_path_factory.mktemp("nobody"))
    bring_up_to_date(home, CostsConfig())
    return home.ledger


@pytest.fixture
def tool(tmp_path: Path, empty_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Return the tool of a person who has just begun to use it."""
    home = Home(tmp_path).made()
    shutil.copy(empty_ledger, home.ledger)
    an_empty_log(home.logs_db)
    _set_up(home, monkeypatch)
    return Tool(home)


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory, saying: None) -> Home:
    """Return where somebody has made four calls, one without a price."""
    home = Home(tmp_path_factory.mktemp("somebody"))
    with pytest.MonkeyPatch.context() as environment:
        _set_up(home, environment)
        Tool(home).prompt("--project", "search", "--tags", "finance,team=growth")
        with calls_for("search", "finance,team=growth"):
            llm.get_model(DEAR).prompt("Is it?").text()
        with calls_for("letters", "finance"):
            llm.get_model(CHEAP).prompt("Is it?").text()
        llm.get_model(FREE).prompt("Is it?").text()
    bring_up_to_date(home, CostsConfig())
    return home


@pytest.fixture
def used(used_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Return the tool of that somebody, to do with it whatever one likes."""
    home = Home(tmp_path / "user")
    shutil.copytree(used_home.path, home.path)
    _set_up(home, monkeypatch)
    return Tool(home)


def _set_up(home: Home, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LLM_USER_PATH", str(home.path))
    environment.setenv("USER", "ada")
    environment.setenv("TZ", "UTC")
