"""What docs/llm.md says of `llm costs` is there, and each row of it has its test."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.group import COMMANDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "llm.md").read_text(encoding="utf-8")
TESTS = ROOT / "tests" / "integration" / "llm_costs"

_PROOF = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
_COMMAND = re.compile(r"^\| `llm costs ([a-z][a-z-]*)", re.MULTILINE)


def test_each_row_names_a_test_that_is_there() -> None:
    """No row of the table is without a test, and no test is made up."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| `llm ")]
    assert rows
    for row in rows:
        found = _PROOF.search(row)
        assert found, f"no test: {row}"
        written = (TESTS / found[1]).read_text(encoding="utf-8")
        assert f"def {found[2]}(" in written, row


def test_each_command_has_a_row() -> None:
    """Whatever `llm costs --help` lists is in the table, and nothing else."""
    assert {*_COMMAND.findall(PAGE), "summary"} == set(COMMANDS)


def test_the_settings_that_are_shown_are_settings() -> None:
    """The example of costs.yaml is one, and shows every section."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    shown = yaml.safe_load(block)
    CostsConfig.model_validate(shown)
    sections = set(CostsConfig.model_fields) - {"monthly_usd"}
    assert set(shown) == sections
