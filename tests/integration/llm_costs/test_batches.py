"""A file of prompts is estimated, agreed to and called; estimates are held to costs."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from taximeter.llm_costs import set_budget
from tests.integration.llm_costs.conftest import CHEAP, FREE, Tool


def test_a_batch_is_agreed_to_and_made(tool: Tool, tmp_path: Path) -> None:
    """Nothing is called without a yes; then each prompt, for whom it was said."""
    set_budget(1)
    file = tmp_path / "prompts.csv"
    file.write_text("prompt,note\nIs it?,a\nIs it so?,b\n")
    words = ("costs", "batch", str(file), "-m", CHEAP, "--project", "reviews")
    said = tool.run(*words, said="n\n", code=1)
    assert "2 prompts to gpt-4o-mini: about 1,005 tokens, 0.000601 USD" in said
    assert "budget month: 0.00 of 1.00 USD are spent, 0.00 after this: within" in said
    assert tool.totals().calls == 0
    said = tool.run(*words, "--tags", "night", said="y\n")
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [row["prompt"] for row in rows] == ["Is it?", "Is it so?"]
    assert {(row["answer"].strip(), row["cost_usd"]) for row in rows} == {
        ("Yes.", "0.000270000000")
    }
    query = "SELECT project_id, tags['night'] AS night, count(*) AS n FROM charges "
    (row,) = tool.asked("costs", "sql", query + "GROUP BY ALL")
    assert row == {"project_id": "reviews", "night": "yes", "n": 2}
    assert "Is it so?" in tool.run("logs", "list", "-n", "1")


def test_a_hard_limit_ends_a_batch(tool: Tool, tmp_path: Path) -> None:
    """What was answered stays, and the error says how to go on behind it."""
    set_budget("0.0001", hard_limit=True)
    file = tmp_path / "prompts.txt"
    file.write_text("One?\nTwo?\n")
    said = tool.run("costs", "batch", str(file), "-m", CHEAP, "--yes", code=1)
    assert "1 prompts are answered, go on with --skip 1: budget month" in said
    assert tool.totals().calls == 1
    said = tool.run("costs", "batch", str(file), "--skip", "2", code=1)
    assert "has no prompts" in said


def test_estimates_are_held_to_costs(used: Tool) -> None:
    """Of calls with a price, by model: what was thought, what it was, how far off."""
    rows = used.asked("costs", "estimate", "--actual")
    assert [(row["model"], row["calls"]) for row in rows] == [
        *(("gpt-4o", 1), ("gpt-4o-mini", 2), ("total", 3)),
    ]
    dear = rows[0]
    assert Decimal(dear["cost_usd"]) == Decimal("0.0045")
    assert Decimal(dear["estimated_usd"]) == Decimal("0.005005")
    assert dear["difference_percent"] == "11.22"
    only = used.asked("costs", "estimate", "--actual", "--project", "letters")
    assert [row["calls"] for row in only] == [1, 1]
    nothing = used.asked("costs", "estimate", "--actual", "--model", FREE)
    assert [row["calls"] for row in nothing] == [0]
