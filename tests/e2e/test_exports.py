"""`taximeter export`: what is in the files equals the ledger, to the last digit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pypdf
import pytest

from taximeter.reports.exports.focus import COLUMNS, focus_rows
from taximeter.reports.exports.focus_rules import broken_rules
from taximeter.state import DataDir
from taximeter_processors.pricing import PriceBook
from taximeter_sinks.billed_days import BILLED, UNITS, billed_days_query
from taximeter_sinks.queries import Ledger
from tests.e2e.reading import run
from tests.integration.sinks.reported import write_ledger

TOTAL = Decimal("6.003000000001")
BOOK = PriceBook(
    {
        "claude-sonnet-4-5": {
            "litellm_provider": "anthropic",
            "input_cost_per_token": "0.001",
            "output_cost_per_token": "0",
        }
    },
    "prices-1",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the ledger that all of these export."""
    path = tmp_path_factory.mktemp("data")
    write_ledger(DataDir(path).ledger)
    return path


@pytest.fixture
def exported(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that exports into a file of this name."""

    def export(name: str, *options: str) -> Path:
        done = run("export", "--data", data, "-o", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
        assert "1 calls have no known price" in done.stderr
        assert [file.name for file in tmp_path.iterdir()] == [name]
        return tmp_path / name

    return export


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _sum(amounts: list[Any]) -> Decimal:
    return sum((Decimal(a) for a in amounts if a not in (None, "")), Decimal(0))


def test_each_call_is_a_row(exported: Callable[..., Path]) -> None:
    """In CSV, JSON and Parquet: its net cost, plain digits, nothing for unpriced."""
    rows = _rows(exported("calls.csv"))
    assert _sum([row["cost_usd"] for row in rows]) == TOTAL
    assert sorted(row["cost_usd"] for row in rows)[:2] == ["", "0.000000000001"]
    assert json.loads(rows[-1]["tags"]) is not None


def test_calls_as_json_and_parquet(
    exported: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    """Amounts are strings in JSON and decimals in Parquet."""
    told = json.loads(exported("calls.json").read_text())
    assert _sum([row["cost_usd"] for row in told]) == TOTAL
    assert all(isinstance(row["cost_usd"], str | None) for row in told)
    (tmp_path / "calls.json").unlink()
    table = pq.read_table(exported("calls.parquet"))
    assert _sum(table.column("cost_usd").to_pylist()) == TOTAL
    assert str(table.schema.field("cost_usd").type) == "decimal128(38, 12)"


def test_a_report_as_a_table(exported: Callable[..., Path]) -> None:
    """With --by the rows of `taximeter report`, of the calls that are chosen."""
    rows = _rows(exported("by.csv", "--by", "user,model"))
    assert _sum([row["cost_usd"] for row in rows]) == TOTAL
    assert {row["user"] for row in rows} == {"ada", "bob"}
    assert "E" not in "".join(row["markup_usd"] for row in rows)


def test_a_workbook_has_numbers_sheets_and_charts(
    exported: Callable[..., Path],
) -> None:
    """Amounts, counts, shares and days are what Excel can count with."""
    book: Any = openpyxl.load_workbook(exported("report.xlsx"))
    assert book.sheetnames == ["Summary", "By model", "By project", "By user", "By day"]
    models = book["By model"]
    head = [cell.value for cell in models[1]]
    row = dict(zip(head, models[2], strict=False))
    assert row["model"].value == "claude-sonnet-4-5"
    assert row["cost USD"].value == pytest.approx(6.0)
    assert row["cost USD"].number_format.startswith("#,##0.00")
    assert row["share"].number_format == "0.00%"
    assert isinstance(row["calls"].value, int)
    assert models["B4"].value == "unpriced"
    days = book["By day"]
    assert days["A2"].value.date() == date(2026, 11, 20)
    assert days.freeze_panes == "B2"
    assert len(days._charts) == len(models._charts) == 1


def test_a_document_says_what_the_ledger_says(exported: Callable[..., Path]) -> None:
    """Total, sections, what is unpriced, and whose report it is."""
    pages = pypdf.PdfReader(exported("report.pdf", "--month", "2026-11")).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "from 2026-11-01 00:00 to 2026-12-01 00:00 (UTC)" in text
    assert "Spent: 6.003000 USD for 6 calls, 1 of them unpriced" in text
    assert "nobody-knows unpriced" in text
    assert all(title in text for title in ("By model", "By user", "By day"))


def test_a_picture_has_a_bar_and_an_amount_for_each_row(
    exported: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    """Models side by side, or days; a picture of everything is no picture."""
    drawn = exported("models.svg", "--by", "model").read_text()
    assert drawn.count("fill: rgb(18%,43%,62%)") == 2
    for words in ("claude-sonnet-4-5", "$6.0000", "unpriced", "by model, USD"):
        assert words in drawn
    none = run("export", "--data", data, "-o", tmp_path / "no.svg", "--year", "2020")
    assert "by one dimension" in none.stderr
    assert not (tmp_path / "no.svg").exists()


def test_focus_adds_up_and_keeps_the_rules(exported: Callable[..., Path]) -> None:
    """A row a token class, whose costs are the ledger's, corrections as such."""
    rows = _rows(exported("focus.csv", "--format", "focus", "--account", "acme"))
    assert list(rows[0]) == list(COLUMNS)
    assert _sum([row["BilledCost"] for row in rows]) == TOTAL
    assert {row["SkuMeter"] for row in rows} == {"Input Tokens", "Output Tokens"}
    assert {row["ChargeClass"] for row in rows} == {"", "Correction"}
    assert {row["BillingAccountId"] for row in rows} == {"acme"}
    corrected = [row for row in rows if row["ChargeClass"]]
    assert _sum([row["BilledCost"] for row in corrected]) == Decimal("-0.497")
    assert rows[0]["ChargePeriodStart"] == "2026-11-20T00:00:00Z"


def test_focus_splits_by_price_where_that_is_what_was_charged(data: Path) -> None:
    """1,000 tokens at a thousandth are a dollar; 2.5 dollars are split as a share."""
    with Ledger.open(DataDir(data).ledger) as ledger:
        answer = ledger.sql(billed_days_query()).rows
    billed = [dict(zip((*BILLED, *UNITS), row, strict=True)) for row in answer]
    rows = list(focus_rows(billed, BOOK, "acme"))
    assert [broken for row in rows for broken in broken_rules(row)] == []
    growth = [
        r for r in rows if r["Tags"] == '{"team":"growth"}' and not r["ChargeClass"]
    ]
    assert _sum([row["BilledCost"] for row in growth]) == Decimal("3.5")
    by_price = [row for row in rows if row["x_Split"] == "Price"]
    assert by_price
    for row in by_price:
        measured = Decimal(str(row["PricingQuantity"]))
        assert measured * Decimal(str(row["ListUnitPrice"])) == row["ListCost"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"BilledCost": 1.0}, "BilledCost is a decimal"),
        ({"ServiceName": None}, "ServiceName is not null"),
        ({"ChargeCategory": "Spend"}, "ChargeCategory is one of"),
        ({"ConsumedUnit": None}, "ConsumedQuantity and ConsumedUnit"),
        ({"BilledCost": Decimal(-1)}, "BilledCost is not below 0"),
        ({"ChargePeriodEnd": None}, "ChargePeriodStart and ChargePeriodEnd"),
        ({"Tags": "[]"}, "Tags is a JSON object"),
    ],
)
def test_the_rules_of_focus_can_be_broken(
    data: Path, changed: dict[str, object], words: str
) -> None:
    """Each is told in a sentence, so that no invalid file is written."""
    with Ledger.open(DataDir(data).ledger) as ledger:
        row = ledger.sql(billed_days_query()).rows[0]
    billed = dict(zip((*BILLED, *UNITS), row, strict=True))
    valid = next(iter(focus_rows([billed], BOOK, "acme")))
    assert list(broken_rules(valid)) == []
    assert any(words in broken for broken in broken_rules(valid | changed))


def test_a_failure_leaves_the_old_file(data: Path, tmp_path: Path) -> None:
    """Nothing is half-written; and a name that says no form is told."""
    file = tmp_path / "calls.csv"
    file.write_text("old")
    done = run("export", "--data", tmp_path / "none", "-o", file)
    assert done.returncode == 1
    assert file.read_text() == "old"
    done = run("export", "--data", data, "-o", tmp_path / "calls.doc")
    assert "one of csv, xlsx, pdf, json, parquet, svg, focus" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["calls.csv"]
