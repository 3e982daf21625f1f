"""What `import taximeter` promises is there, and costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import taximeter

LIGHT = """
import sys
import taximeter
from taximeter import BudgetGuard, BudgetMiddleware, enforce, KafkaEmitter
for heavy in ("litellm", "faust", "duckdb", "fastapi", "starlette"):
    assert heavy not in sys.modules, heavy
"""

GUARDS = {
    "BudgetExceeded",
    "BudgetGuard",
    "BudgetMiddleware",
    "BudgetUnknown",
    "BudgetWarning",
    "CallEstimates",
    "Decision",
    "LiteLLMGuard",
    "enforce",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(taximeter.__all__))
def test_every_public_name_is_there(name: str) -> None:
    """What `__all__` promises can be imported."""
    assert getattr(taximeter, name) is not None


def test_names_that_guards_rely_on_stay() -> None:
    """Services are written against them: leaving one out breaks theirs."""
    assert set(taximeter.__all__) >= GUARDS


def test_a_guard_costs_no_heavy_import() -> None:
    """It stands in other people's services."""
    path = f"import sys; sys.path[:0] = {sys.path!r}"
    subprocess.run([sys.executable, "-c", path + LIGHT], check=True)
