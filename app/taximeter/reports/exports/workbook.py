"""A report as an Excel workbook: a sheet a section, real numbers and dates, charts.

Excel holds fifteen digits: an amount that has more is rounded by Excel, not by us, and
stands exactly in the other formats.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from taximeter.reports.exports.summary import Section, Summary
from taximeter_schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

__all__ = ["write_workbook"]

_FORMATS: Final = {
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "bottom"},
    "title": {"bold": True, "font_size": 14},
    "usd": {"num_format": '#,##0.00####"  $"'},
    "count": {"num_format": "#,##0"},
    "percent": {"num_format": "0.00%"},
    "day": {"num_format": "yyyy-mm-dd", "align": "left"},
    "text": {},
}
_WIDTH: Final = 14
_CHARTED: Final = 10
_UNPRICED: Final = "unpriced"

_Formats = dict[str, Any]


def write_workbook(path: Path, told: Summary) -> None:
    """Write a report into a file.

    Raises:
        ConfigurationError: xlsxwriter is not installed.
    """
    try:
        import xlsxwriter  # noqa: PLC0415 - only who exports needs it
    except ModuleNotFoundError:
        words = "Excel needs xlsxwriter: pip install 'taximeter[exports]'"
        raise ConfigurationError(words) from None
    settings = {"strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), settings) as book:
        book.set_properties({"title": "LLM spend", "created": told.made_at})
        formats = {name: book.add_format(said) for name, said in _FORMATS.items()}
        _write_total(book, told, formats)
        for section in told.sections:
            _write_section(book, told, section, formats)


def _write_total(book: Workbook, told: Summary, formats: _Formats) -> None:
    sheet = book.add_worksheet("Summary")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 20)
    sheet.write_string(0, 0, "LLM spend", formats["title"])
    sheet.write_string(1, 0, told.period)
    for number, name in enumerate(told.columns, 3):
        sheet.write_string(number, 0, _label(name))
        _write(sheet, number, 1, name, told.total[name], formats)


def _write_section(
    book: Workbook, told: Summary, section: Section, formats: _Formats
) -> None:
    sheet = book.add_worksheet(section.title)
    columns = (section.by, *told.columns)
    sheet.set_row(0, 30)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, len(columns) - 1, _WIDTH)
    sheet.freeze_panes(1, 1)
    for place, name in enumerate(columns):
        sheet.write_string(0, place, _label(name), formats["head"])
    for number, row in enumerate(section.rows, 1):
        for place, name in enumerate(columns):
            _write(sheet, number, place, name, row[name], formats)
    if section.rows:
        sheet.autofilter(0, 0, len(section.rows), len(columns) - 1)
        _add_chart(book, sheet, section, len(columns))


def _add_chart(
    book: Workbook, sheet: Worksheet, section: Section, columns: int
) -> None:
    of_time = section.by == "day"
    last = len(section.rows) if of_time else min(len(section.rows), _CHARTED)
    chart = book.add_chart({"type": "column" if of_time else "bar"})
    assert chart is not None  # xlsxwriter knows both kinds
    chart.add_series(
        {
            "name": "USD",
            "categories": [section.title, 1, 0, last, 0],
            "values": [section.title, 1, 1, last, 1],
        }
    )
    chart.set_title({"name": f"Spend {section.title.lower()}"})
    chart.set_legend({"none": True})
    if not of_time:
        chart.set_y_axis({"reverse": True})
    chart.set_size({"width": 640, "height": 360})
    sheet.insert_chart(1, columns + 1, chart)


def _write(
    sheet: Worksheet,
    row: int,
    column: int,
    name: str,
    value: object,
    formats: _Formats,
) -> None:
    if value is None:
        said = _UNPRICED if name == "cost_usd" else ""
        sheet.write_string(row, column, said, formats["text"])
    elif isinstance(value, date):
        midnight = datetime.combine(value, time())
        sheet.write_datetime(row, column, midnight, formats["day"])
    elif isinstance(value, int | Decimal):
        percent = name.endswith("_percent")
        number = float(value / 100 if percent else value)  # as Excel has it
        sheet.write_number(row, column, number, formats[_kind(name)])
    else:
        sheet.write_string(row, column, str(value), formats["text"])


def _kind(name: str) -> str:
    """Return which format a column has.

    >>> _kind("cost_usd"), _kind("share_percent"), _kind("calls")
    ('usd', 'percent', 'count')
    """
    if name.endswith("_percent"):
        return "percent"
    return "usd" if "usd" in name else "count"


def _label(name: str) -> str:
    words = name.removesuffix("_percent").replace("p95", "95% below")
    return words.replace("_", " ").replace("usd", "USD")
