"""The metrics that exist are the ones that docs/metrics.md lists, well named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from taximeter.metrics.catalogue import CATALOGUE, Known

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(taximeter_\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", re.MULTILINE)
# What a gauge counts, where it has no unit of its own.
THINGS = ("up", "info", "records", "ids", "rows", "events", "requests")


def documented() -> list[Known]:
    """Return what the page says there is."""
    return [
        Known(name, kind, tuple(re.findall(r"`(\w+)`", labels)), says)
        for name, kind, labels, says in ROW.findall(DOCS.read_text())
    ]


def test_the_page_lists_every_metric() -> None:
    """Names, kinds, labels and meanings are the same, in the same order."""
    assert documented() == list(CATALOGUE.values())


def test_expressions_name_metrics_that_exist() -> None:
    """Whatever the page mentions can be copied and works."""
    mentioned = set(re.findall(r"taximeter_[a-z_]+", DOCS.read_text()))
    assert mentioned <= set(CATALOGUE)


@pytest.mark.parametrize("known", CATALOGUE.values(), ids=lambda known: known.name)
def test_names_follow_prometheus_conventions(known: Known) -> None:
    """A counter ends in _total; all else in its base unit, or what is counted."""
    assert (known.kind == "counter") == known.name.endswith("_total")
    ending = known.name.removesuffix("_total").rpartition("_")[2]
    counted = (*THINGS, "letters", "spans") if known.kind == "counter" else THINGS
    assert ending in ("seconds", "bytes", *counted)
    assert known.says.endswith(".")
