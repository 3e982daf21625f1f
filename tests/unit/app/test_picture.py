"""Reports as files: what a picture cannot show, and what is not installed, is told."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from taximeter.reports.exports.document import write_document
from taximeter.reports.exports.picture import write_picture
from taximeter.reports.exports.summary import Summary
from taximeter.reports.exports.workbook import write_workbook
from taximeter_schemas.errors import ConfigurationError
from tests.builders import NOON

TOLD = Summary("all time", {}, [], NOON)


def a_row(model: str, usd: str | None = "1") -> dict[str, object]:
    """Return what a model cost."""
    return {"model": model, "cost_usd": None if usd is None else Decimal(usd)}


def test_any_name_makes_a_whole_picture(tmp_path: Path) -> None:
    """Whatever a model calls itself, the file can be read; amounts may be negative."""
    file = tmp_path / "models.svg"
    rows = [a_row("<script>\x01&"), a_row("é" * 80, "-0.5"), a_row("none", None)]
    write_picture(file, "Spend & more", "model", rows)
    texts = {(one.text or "").strip() for one in ElementTree.parse(file).iter()}
    assert {"<script>?&", f"{'é' * 21}...", "unpriced", "$-0.5000"} <= texts


def test_what_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    """Nothing at all, or more bars than anybody could tell apart."""
    for rows, words in (([], "nothing to draw"), ([a_row("m")] * 61, "at most 60")):
        with pytest.raises(ConfigurationError, match=words):
            write_picture(tmp_path / "no.svg", "Spend", "model", rows)


def test_what_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what would install it; all else works without."""
    for library in ("reportlab.lib.pagesizes", "reportlab.graphics", "xlsxwriter"):
        monkeypatch.setitem(sys.modules, library, None)
    file, how = tmp_path / "report", r"needs \w+: pip install 'taximeter\[exports\]'"
    with pytest.raises(ConfigurationError, match=f"PDF {how}"):
        write_document(file, TOLD)
    with pytest.raises(ConfigurationError, match=f"Excel {how}"):
        write_workbook(file, TOLD)
    with pytest.raises(ConfigurationError, match=f"SVG {how}"):
        write_picture(file, "Spend", "model", [a_row("m")])
