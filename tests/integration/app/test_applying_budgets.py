"""Files of budgets, applied from Python and by the command, on a real Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from taximeter import apply_budgets
from taximeter.broker.topic_io import read_topic
from taximeter.cli.change_budgets import apply
from taximeter_schemas.budgets import (
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
    budget_event_adapter,
)
from taximeter_schemas.topics import Topics

pytestmark = pytest.mark.broker

FILE = """
budgets:
  - {id: company, scope: everything, period: month, limit_usd: 100}
assignments: {alice: pro}
"""


def _written(bootstrap: str, topics: Topics) -> list[BudgetEvent]:
    records = asyncio.run(read_topic(bootstrap, topics.budgets))
    return [budget_event_adapter.validate_json(one.value or b"") for one in records]


def test_what_leaves_a_file_says_who_took_it_out(
    bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    """A file whose entries went is applied with `prune`: each removal is signed."""
    file = tmp_path / "budgets.yaml"
    file.write_text(FILE)
    where = {"bootstrap": bootstrap, "topics": topics}
    done = apply_budgets(file, by="carol", **where)  # type: ignore[arg-type]
    assert {change.action for change in done} == {"added"}

    file.write_text("budgets: []")
    at = ("--bootstrap", bootstrap, "--prefix", topics.prefix)
    shown = CliRunner().invoke(apply, [str(file), *at, "--prune", "--dry-run"])
    assert (shown.exit_code, shown.output.count("removed")) == (0, 4)
    before = _written(bootstrap, topics)

    apply_budgets(file, prune=True, by="dave", **where)  # type: ignore[arg-type]
    gone = _written(bootstrap, topics)[len(before) :]
    signed = {
        (one.event_type, one.removed_by)
        if isinstance(one, BudgetRemoved)
        else (one.event_type, isinstance(one, PlanAssigned) and one.assigned_by)
        for one in gone
    }
    assert signed == {("BudgetRemoved", "dave"), ("PlanAssigned", "dave")}
