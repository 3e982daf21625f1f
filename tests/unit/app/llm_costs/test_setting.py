"""What a person sets, in a file, the environment or a command, is what holds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.llm_costs.config import CostsConfig, read_config
from taximeter.llm_costs.for_whom import calls_for, for_whom
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import budget_events, budgets_in_force, follow
from taximeter.llm_costs.setting_budgets import Wanted, defined
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.errors import ConfigurationError
from tests.builders import NOON


def a_config(**fields: object) -> CostsConfig:
    """Return what costs.yaml would say."""
    return CostsConfig.model_validate(fields)


def in_force(home: Home) -> dict[str, BudgetDefined]:
    """Return the budgets that there are."""
    return budgets_in_force(budget_events(home))


def test_what_is_declared_is_defined_once(tmp_path: Path) -> None:
    """The same file read twice says nothing new; a changed limit does."""
    home = Home(tmp_path)
    entry = {"id": "m", "scope": "everything", "period": "month", "limit_usd": 50}
    for _ in range(2):
        follow(home, a_config(time_zone="UTC", budgets=[entry]), NOON)
    assert len(budget_events(home)) == 1
    assert in_force(home)["m"].on_exceeded == "warn"
    more = entry | {"limit_usd": 60, "fallback_model": "gpt-4o-mini"}
    follow(home, a_config(budgets=[more]), NOON + timedelta(hours=1))
    assert in_force(home)["m"].limit_usd == 60
    assert in_force(home)["m"].on_exceeded == "fallback"
    follow(home, a_config(), NOON)
    assert in_force(home) == {}


def test_what_was_set_by_hand_stays(tmp_path: Path) -> None:
    """A file neither changes nor removes a budget that set-budget defined."""
    home = Home(tmp_path)
    by_hand = defined(home, a_config(), Wanted(Decimal(5)), NOON)
    home.made().budgets.write_text(by_hand.model_dump_json() + "\n")
    follow(home, a_config(monthly_usd=30), NOON)
    follow(home, a_config(), NOON)
    assert in_force(home)["month"].limit_usd == 5


def test_the_environment_stands_over_the_file(tmp_path: Path) -> None:
    """A variable takes the place of what the file says; a faulty one is named."""
    home = Home(tmp_path)
    home.config.write_text("calls: {track: true, ask_above_usd: 1}")
    said = {"LLM_COSTS_TRACK": "false", "LLM_COSTS_ASK_ABOVE_USD": "0.10"}
    calls = read_config(home, said).calls
    assert (calls.track, calls.ask_above_usd) == (False, Decimal("0.10"))
    with pytest.raises(ConfigurationError, match="LLM_COSTS_MONTHLY_USD='much'"):
        read_config(home, {"LLM_COSTS_MONTHLY_USD": "much"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("calls: {track: perhaps}", r"calls\.track"),
        ("time_zone: Mars/Olympus", "'Mars/Olympus' is not an IANA time zone"),
        ("budgets: [", "not YAML"),
    ],
)
def test_a_faulty_file_is_named(tmp_path: Path, text: str, fault: str) -> None:
    """What is wrong with costs.yaml is said, with the place."""
    home = Home(tmp_path)
    home.config.write_text(text)
    with pytest.raises(ConfigurationError, match=rf"costs\.yaml.*{fault}"):
        read_config(home, {})


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (Wanted(Decimal(5), alert_at=["0.805"]), "is no share of a budget"),
        (Wanted(Decimal(5), alert_at=["-1"]), "is no share of a budget"),
        (Wanted(Decimal(5), hard_limit=True, fallback="m"), "give one of both"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(
    tmp_path: Path, wanted: Wanted, fault: str
) -> None:
    """The sentence says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=fault):
        defined(Home(tmp_path), a_config(), wanted, NOON)


def test_whom_calls_are_for_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said inside counts over what is around, and that over the environment."""
    monkeypatch.setenv("LLM_COSTS_PROJECT", "home")
    monkeypatch.setenv("LLM_COSTS_TAGS", "laptop")
    assert (for_whom().project_id, for_whom().tags) == ("home", {"laptop": "yes"})
    with calls_for("search", "team=growth"), calls_for(tags="q4"):
        said = for_whom()
    assert (said.project_id, said.tags) == ("search", {"team": "growth", "q4": "yes"})
    with pytest.raises(ConfigurationError, match="is no tag"), calls_for(tags="=x"):
        pass
