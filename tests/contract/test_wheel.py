"""What is shipped: the page's templates and files go with the code."""

from __future__ import annotations

from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

_ROOT = Path(__file__).parents[2]
_PAGE = "app/taximeter/page"


def test_the_page_is_in_the_wheel() -> None:
    """Every template, and every file that the page loads, is in the distribution."""
    builder = WheelBuilder(str(_ROOT))
    shipped = {file.distribution_path for file in builder.recurse_included_files()}
    folders = [_ROOT / _PAGE / name for name in ("templates", "static")]
    found = [file for folder in folders for file in folder.iterdir()]
    names = {f"taximeter/page/{file.parent.name}/{file.name}" for file in found}
    assert {
        "taximeter/page/static/chart.umd.min.js",
        "taximeter/page/static/page.css",
    } <= names
    assert names <= shipped


def test_what_others_wrote_is_named() -> None:
    """The chart library stands in NOTICE, with its version and its licence."""
    notice = (_ROOT / "NOTICE").read_text()
    script = (_ROOT / _PAGE / "static" / "chart.umd.min.js").read_text()
    version = script.split("Chart.js v", 1)[1].split()[0]
    assert f"Chart.js {version}" in notice
    assert "MIT License" in notice
