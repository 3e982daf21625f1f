"""Spend by one dimension as a picture: bars with their amounts, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from taximeter.reports.figures import Row, amount
from taximeter_schemas.errors import ConfigurationError

__all__ = ["write_picture"]

_MOST: Final = 60
_HEIGHT, _LEFT, _BELOW, _ABOVE = 360, 60, 90, 40
_BAR: Final = 40
_LEAST_WIDTH: Final = 480
_BLUE: Final = "#2f6f9f"
_NAME: Final = 24


def write_picture(path: Path, title: str, by: str, rows: Sequence[Row]) -> None:
    """Draw rows of a report, each a bar.

    Args:
        path: the file.
        title: what stands above it.
        by: the dimension that they are by.
        rows: as a report has them; one without a price is labelled so.

    Raises:
        ConfigurationError: there is nothing to draw, too much, or no reportlab.
    """
    if not rows:
        raise ConfigurationError("nothing to draw: no call was made then")
    if len(rows) > _MOST:
        raise ConfigurationError(
            f"{len(rows):,} bars are too many to draw: choose at most {_MOST}"
        )
    try:
        from reportlab.graphics import renderSVG  # noqa: PLC0415 - who exports needs it
    except ModuleNotFoundError:
        words = "SVG needs reportlab: pip install 'taximeter[exports]'"
        raise ConfigurationError(words) from None
    renderSVG.drawToFile(_drawing(title, by, rows), str(path))


def _drawing(title: str, by: str, rows: Sequence[Row]) -> Any:  # noqa: ANN401
    from reportlab.graphics.shapes import Drawing, String  # noqa: PLC0415

    wide = max(_LEAST_WIDTH, _LEFT + _BAR * len(rows) + _BAR)
    drawing = Drawing(wide, _HEIGHT)
    drawing.add(String(_LEFT, _HEIGHT - 20, title, fontSize=13))
    drawing.add(_bars(wide, by, rows))
    return drawing


def _bars(wide: int, by: str, rows: Sequence[Row]) -> Any:  # noqa: ANN401
    from reportlab.graphics.charts.barcharts import VerticalBarChart  # noqa: PLC0415
    from reportlab.lib.colors import HexColor  # noqa: PLC0415

    costs = [amount(row["cost_usd"]) for row in rows]
    chart = VerticalBarChart()
    chart.x, chart.y = _LEFT, _BELOW
    chart.width, chart.height = wide - _LEFT - _BAR, _HEIGHT - _BELOW - _ABOVE
    chart.data = [[float(cost or 0) for cost in costs]]
    chart.bars[0].fillColor = HexColor(_BLUE)
    chart.bars[0].strokeColor = None
    chart.valueAxis.valueMin = min(0, *chart.data[0])
    chart.barLabelFormat = "values"
    chart.barLabelArray = [
        ["unpriced" if cost is None else f"${cost:,.4f}" for cost in costs]
    ]
    chart.barLabels.nudge, chart.barLabels.fontSize = 8, 8
    names = chart.categoryAxis
    names.labels.angle, names.labels.boxAnchor = 40, "ne"
    names.categoryNames = [_cut(row[by]) for row in rows]
    return chart


def _cut(name: object) -> str:
    """Return a bar's name, of a length that fits and with letters that XML knows."""
    told = "(none)" if name is None else str(name)
    text = "".join(letter if letter.isprintable() else "?" for letter in told)
    return text if len(text) <= _NAME else f"{text[: _NAME - 3]}..."
