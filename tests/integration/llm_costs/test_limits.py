"""A hard limit stops a call, however it is made; nothing else does."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import llm
import pytest

from taximeter.llm_costs import calls_for, cost_of, set_budget
from taximeter_schemas.errors import BudgetExceeded
from tests.integration.llm_costs.conftest import CHEAP, DEAR, FREE, Tool

STOPPED = "budget month: 0.0045 of 0.004 USD are spent, and it is a hard limit"


@pytest.fixture
def spent(tool: Tool) -> Tool:
    """Return a tool whose hard limit of this month is used up."""
    set_budget("0.004", hard_limit=True)
    tool.prompt(model=DEAR)
    return tool


def test_a_hard_limit_stops_a_prompt(spent: Tool) -> None:
    """Once the budget is used up no call is made, and one line says what to do."""
    said = spent.prompt(code=1)
    assert said.startswith(f"Error: {STOPPED}")
    for way in (
        *("this call would cost about 0.00030", "wait until", "days"),
        *("'llm costs set-budget'", "a model that costs nothing", "--ignore-budget"),
    ):
        assert way in said
    assert spent.totals().calls == 1


def test_a_hard_limit_stops_every_way_to_call(spent: Tool) -> None:
    """A chat, a program, and one that awaits are stopped like a prompt."""
    said = spent.run("chat", "-m", CHEAP, said="Is it?\n", code=1)
    assert STOPPED in said
    with pytest.raises(BudgetExceeded) as stopped:
        llm.get_model(CHEAP).prompt("Is it?").text()
    assert (stopped.value.spent, stopped.value.limit) == (
        Decimal("0.0045"),
        Decimal("0.004"),
    )
    with pytest.raises(BudgetExceeded):
        asyncio.run(awaited())
    assert spent.totals().calls == 1


async def awaited() -> str:
    """Make a call as a program does that awaits it."""
    text: str = await llm.get_async_model(CHEAP).prompt("Is it?").text()
    return text


def test_whoever_insists_may_call(spent: Tool) -> None:
    """--ignore-budget lets a call pass, and it counts."""
    spent.prompt("--ignore-budget")
    with calls_for(ignore_budget=True):
        llm.get_model(CHEAP).prompt("Is it?").text()
    assert spent.totals().calls == 3


def test_a_limit_is_for_whom_it_names(tool: Tool) -> None:
    """A project's budget stops the calls of that project alone."""
    set_budget("0.0001", project="search", hard_limit=True)
    tool.prompt("--project", "search")
    assert "budget month-project-search" in tool.prompt("--project", "search", code=1)
    tool.prompt("--project", "other")
    assert tool.totals().calls == 2


def test_a_fallback_answers_instead(tool: Tool) -> None:
    """A model's budget is used up: the other one is asked, logged and charged."""
    set_budget("0.004", model=DEAR, fallback=CHEAP)
    tool.prompt(model=DEAR)
    assert f"asking {CHEAP} instead of {DEAR}" in tool.prompt(model=DEAR)
    rows = tool.asked("costs", "sql", "SELECT model FROM charges ORDER BY occurred_at")
    assert [row["model"] for row in rows] == ["gpt-4o", "gpt-4o-mini"]
    (logged,) = json.loads(tool.run("logs", "list", "-n", "1", "--json"))
    assert logged["model"] == CHEAP


def test_an_alert_is_told_once_behind_the_answer(tool: Tool) -> None:
    """The call that crosses a threshold says so, and the next one does not again."""
    tool.run("costs", "set-budget", "0.0005", "--alert-at", "0.5", "0.9")
    first, second = tool.prompt(), tool.prompt(model=FREE)
    assert first.index("Yes.") < first.index("everything has spent 0.00027 of 0.0005")
    assert "50% is reached, 0.00023 USD are left for" in first
    assert "has spent" not in second


def test_tracking_can_be_turned_off(
    spent: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With LLM_COSTS_TRACK=false nothing is noted, and nothing is stopped."""
    monkeypatch.setenv("LLM_COSTS_TRACK", "false")
    spent.prompt("-n")
    assert spent.totals().calls == 1


def test_a_cost_is_asked_about_first(tool: Tool) -> None:
    """--estimate-cost says what a call costs, and makes it only after a yes."""
    ask = ("chat", "-m", CHEAP, "--estimate-cost")
    said = tool.run(*ask, said="Is it?\nno\n", code=1)
    assert "cost about 0.0003" in said
    assert "nobody said yes" in said
    assert tool.totals().calls == 0
    assert "Yes." in tool.run(*ask, said="Is it?\ny\nexit\n")
    assert tool.totals().calls == 1


def test_a_response_says_what_it_cost(tool: Tool) -> None:
    """A program has the cost of a response, and None for one without a price."""
    assert cost_of(llm.get_model(CHEAP).prompt("Is it?")) == Decimal("0.00027")
    assert cost_of(llm.get_model(FREE).prompt("Is it?")) is None
    assert tool.totals().calls == 2


def test_a_fault_of_the_meter_is_none_of_the_call(tool: Tool) -> None:
    """Where nothing can be noted, or costs.yaml is broken, calls are answered."""
    tool.home.config.write_text("budgets: 7")
    shutil.rmtree(tool.home.data)
    tool.home.data.write_text("in the way")
    said = tool.prompt()
    assert "Yes." in said
    assert "costs.yaml: budgets" in said
    assert "could not be noted" in said


def test_a_start_of_the_tool_imports_next_to_nothing(tmp_path: Path) -> None:
    """The plugin costs a start of the tool none of the libraries behind it."""
    script = (
        "import sys, llm.cli; before = set(sys.modules); "
        "import taximeter.llm_costs.plugin; new = set(sys.modules) - before; "
        "print(*sorted({name.partition('.')[0] for name in new}))"
    )
    # An empty list of plugins: not even this one is loaded by the tool itself.
    environment = os.environ | {"LLM_LOAD_PLUGINS": "", "LLM_USER_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) <= {"taximeter", "taximeter_schemas"}
