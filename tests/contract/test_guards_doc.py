"""`docs/guards.md` says what a guard does."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from taximeter_producers.guard.asgi import refusal_body
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_producers.guard.verdicts import Reason
from taximeter_schemas.errors import BudgetExceeded
from taximeter_schemas.subjects import Subject
from tests.guarding import a_budget, a_guard, a_status

PAGE = (Path(__file__).parents[2] / "docs" / "guards.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_body_of_a_402_is_the_one_that_is_sent() -> None:
    """Word for word."""
    budget = a_budget(budget_id="each-user", scope={"user": "*"})
    ada = Subject("user", "ada")
    status = a_status(budget_id="each-user", subject=ada, spent_usd="10")
    guard, _ = a_guard([budget, status])

    with pytest.raises(BudgetExceeded) as caught:
        guard.check(user="ada")

    (shown,) = _blocks("json")
    assert json.loads(shown) == refusal_body(caught.value)


def test_the_examples_are_python() -> None:
    """Each block can be compiled."""
    for block in _blocks("python"):
        ast.parse(block)


def test_every_reason_and_setting_is_documented() -> None:
    """Each reason of a decision, and what a guard is told and asked."""
    check = inspect.signature(BudgetGuard.check).parameters
    made = ["bootstrap", "url", "poll_seconds", "stale_after", "when_unknown"]
    names = {*check, *made, *get_args(Reason)} - {"self", "bootstrap", "within"}
    assert [name for name in sorted(names) if name not in PAGE] == []
