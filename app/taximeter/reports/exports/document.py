"""A report as a PDF that one would hand to a manager: figures, tables, charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from taximeter.reports.exports.summary import Section, Summary
from taximeter.reports.figures import Row, amount
from taximeter_schemas.errors import ConfigurationError

__all__ = ["write_document"]

_SHOWN: Final = 15
_CHART_BARS: Final = 31
_SIZE: Final = (460, 150)
_BLUE: Final = "#2f6f9f"
_HEADS: Final = ("", "USD", "share", "calls", "unpriced", "average USD", "ok")


def write_document(path: Path, told: Summary) -> None:
    """Write a report into a file.

    Raises:
        ConfigurationError: reportlab is not installed.
    """
    try:
        from reportlab.lib.pagesizes import A4  # noqa: PLC0415 - who exports needs it
        from reportlab.lib.styles import getSampleStyleSheet  # noqa: PLC0415
        from reportlab.platypus import (  # noqa: PLC0415
            KeepTogether,
            Paragraph,
            SimpleDocTemplate,
            Spacer,
        )
    except ModuleNotFoundError:
        words = "PDF needs reportlab: pip install 'taximeter[exports]'"
        raise ConfigurationError(words) from None
    styles = getSampleStyleSheet()
    story: list[Any] = [
        Paragraph("LLM spend", styles["Title"]),
        Paragraph(escape(told.period), styles["Normal"]),
        Spacer(0, 12),
        *(Paragraph(escape(line), styles["Normal"]) for line in _figures(told.total)),
    ]
    for section in told.sections:
        head = Paragraph(escape(section.title), styles["Heading2"])
        story.append(KeepTogether([head, _chart(section), Spacer(0, 6)]))
        story.append(_table(section))
    made = f"Made by Taximeter on {told.made_at:%Y-%m-%d %H:%M} UTC. Calls without a "
    made += "known price are counted as unpriced and are in no sum."
    story += [Spacer(0, 12), Paragraph(made, styles["Italic"])]
    document = SimpleDocTemplate(str(path), pagesize=A4, title="LLM spend")
    document.build(story, onFirstPage=_number, onLaterPages=_number)


def _figures(total: Row) -> list[str]:
    return [
        f"Spent: {_usd(total['cost_usd'], 'unpriced')} USD for "
        f"{total['calls']:,} calls, {total['unpriced_calls']:,} of them unpriced",
        f"A call costs {_usd(total['average_usd'])} USD on average, the median "
        f"{_usd(total['median_usd'])}; 95 of 100 cost no more than "
        f"{_usd(total['p95_usd'])}",
        f"Tokens: {total['input_tokens']:,} sent, {total['output_tokens']:,} made, "
        f"{_usd(total['usd_per_1k_tokens'])} USD for a thousand",
    ]


def _table(section: Section) -> Any:  # noqa: ANN401 - reportlab has no types
    from reportlab.lib.colors import HexColor, lightgrey  # noqa: PLC0415
    from reportlab.platypus import Table, TableStyle  # noqa: PLC0415

    rows = _shown(section)
    cells = [_HEADS, *(_cells(section.by, row) for row in rows)]
    left = len(section.rows) - len(rows)
    if left:
        cells.append((f"and {left:,} more", *[""] * (len(_HEADS) - 1)))
    style = [
        ("FONTSIZE", (0, 0), (-1, -1), 8),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.7, HexColor(_BLUE)),
        ("LINEBELOW", (0, 1), (-1, -1), 0.2, lightgrey),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
    return Table(cells, repeatRows=1, hAlign="LEFT", style=TableStyle(style))


def _cells(by: str, row: Row) -> tuple[str, ...]:
    return (
        _cut(_name(row[by]), 38),
        _usd(row["cost_usd"], "unpriced"),
        _percent(row["share_percent"]),
        f"{row['calls']:,}",
        f"{row['unpriced_calls']:,}",
        _usd(row["average_usd"]),
        _percent(row["success_percent"]),
    )


def _chart(section: Section) -> Any:  # noqa: ANN401
    from reportlab.graphics.charts.barcharts import VerticalBarChart  # noqa: PLC0415
    from reportlab.graphics.shapes import Drawing  # noqa: PLC0415
    from reportlab.lib.colors import HexColor  # noqa: PLC0415

    rows = _shown(section)
    drawing = Drawing(*_SIZE)
    if not rows:
        return drawing
    chart = VerticalBarChart()
    chart.x, chart.y, chart.width, chart.height = 40, 50, 410, 90
    chart.data = [[float(amount(row["cost_usd"]) or 0) for row in rows]]
    chart.bars[0].fillColor = HexColor(_BLUE)
    chart.bars[0].strokeColor = None
    chart.valueAxis.valueMin = min(0, *chart.data[0])
    chart.valueAxis.labels.fontSize = 7
    labels = chart.categoryAxis.labels
    labels.angle, labels.boxAnchor, labels.fontSize = 40, "ne", 6
    chart.categoryAxis.categoryNames = [
        _cut(_name(row[section.by]), 18) for row in rows
    ]
    drawing.add(chart)
    return drawing


def _shown(section: Section) -> Sequence[Row]:
    """Return the dearest, or the latest days."""
    return section.rows[-_CHART_BARS:] if section.by == "day" else section.rows[:_SHOWN]


def _number(canvas: Any, document: Any) -> None:  # noqa: ANN401
    canvas.setFont("Helvetica", 8)
    canvas.drawRightString(550, 24, f"page {document.page}")


def _usd(value: object, unknown: str = "-") -> str:
    """Return an amount to six places, or to the last one if that is less than that.

    >>> from decimal import Decimal
    >>> _usd(Decimal("1234.5")), _usd(None), _usd(Decimal("0.000000000001"))
    ('1,234.500000', '-', '0.000000000001')
    """
    usd = amount(value)
    if usd is None:
        return unknown
    return f"{usd:,.6f}" if not usd or round(usd, 6) else f"{usd:,f}"


def _percent(value: object) -> str:
    return "-" if value is None else f"{value} %"


def _name(value: object) -> str:
    return "(none)" if value is None else str(value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
