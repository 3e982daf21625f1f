"""docs/import.md and docs/litellm-proxy.md say what there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from click import Context

from taximeter.cli.import_logs import command
from taximeter.imports.kinds import KINDS, MAPPED
from taximeter.imports.mapped import ColumnMap
from tests.importing import LOGS

ROOT = Path(__file__).parents[2]
IMPORT = (ROOT / "docs" / "import.md").read_text()
PROXY = (ROOT / "docs" / "litellm-proxy.md").read_text()


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_kind_is_documented() -> None:
    """The table of kinds has each that the command takes, and the help names it."""
    told = command.get_help(Context(command))
    for kind in (*KINDS, *MAPPED):
        assert f"`{kind}`" in IMPORT
        assert kind in told


def test_every_option_of_its_own_is_documented() -> None:
    """An option that only this command has stands on its page."""
    shared = {"--data", "--bootstrap", "--prefix", "--partitions", "--format", "--help"}
    options = {name for p in command.params for name in p.opts if name[:2] == "--"}
    missing = {name for name in options - shared if name not in IMPORT}
    assert missing == set()


def test_the_documented_mapping_is_the_tested_one() -> None:
    """The example of a mapping is the one that the tests import with."""
    (block,) = _blocks(IMPORT, "yaml")
    shown = ColumnMap.model_validate(yaml.safe_load(block))
    tested = yaml.safe_load((LOGS / "gateway.yaml").read_text())
    assert shown == ColumnMap.model_validate(tested)


def test_the_documented_line_is_in_the_example() -> None:
    """What the page says to write into the proxy's configuration, the example has."""
    (block,) = _blocks(PROXY, "yaml")
    example = yaml.safe_load((ROOT / "examples" / "litellm_proxy.yaml").read_text())
    shown = yaml.safe_load(block)["litellm_settings"]
    assert shown.items() <= example["litellm_settings"].items()
