"""`docs/sql.md`: each query on the page is answered, and what it names is all there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.state import DataDir
from taximeter_sinks.queries import Ledger
from taximeter_sinks.read_only import check_read_only
from tests.builders import a_usage, an_id
from tests.integration.sinks.reported import write_ledger
from tests.unit.sinks.charge_builders import a_charge

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text("utf-8")
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
QUERIES: list[str] = [
    query.strip() for block in BLOCKS for query in block.split(";") if query.strip()
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the ledger that the page is read against."""
    path = tmp_path_factory.mktemp("data")
    write_ledger(DataDir(path).ledger)
    return path


@pytest.fixture
def ledger(data: Path) -> Iterator[Ledger]:
    """Open it."""
    with Ledger.open(DataDir(data).ledger) as ledger:
        yield ledger


@pytest.mark.parametrize("query", QUERIES)
def test_the_queries_are_answered(ledger: Ledger, query: str) -> None:
    """As a reader of the page would send them, with rows to show."""
    assert ledger.sql(query).rows


def test_views_and_macros_are_documented(ledger: Ledger) -> None:
    """Each that a migration makes has a row in a table of the page."""
    views = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
    names = {row[0] for row in ledger.sql(views).rows}
    assert {name for name in names if f"| `{name}` |" not in PAGE} == set()
    folder = Path(__file__).parents[2] / "sinks" / "taximeter_sinks" / "migrations"
    sql = "".join(file.read_text("utf-8") for file in folder.glob("*.sql"))
    macros = re.findall(r"CREATE MACRO (\w+)", sql)
    assert macros
    assert [name for name in macros if f"| `{name}(" not in PAGE] == []
    for name in macros:
        argument = "'day'" if name == "spend_by_period" else "'user'"
        check_read_only(f"FROM {name}({argument if 'spend' in name else ''})")


def test_views_and_macros_say_what_reports_say(ledger: Ledger) -> None:
    """The same sums, unpriced calls and quantiles as the commands have."""
    total = ledger.totals()
    sums = "sum(cost_usd), sum(calls), sum(unpriced_calls), sum(input_tokens)"
    for source in ("spend", "spend_by('tag:team')", "spend_by_period('week')"):
        (row,) = ledger.sql(f"SELECT {sums} FROM {source}").rows
        assert row == (total.cost_usd, 6, 1, total.input_tokens)
    query = "SELECT sum(cost_usd), count(*), sum(output_tokens) FROM calls"
    (row,) = ledger.sql(query).rows
    assert row == (total.cost_usd, 6, total.output_tokens)
    query = "SELECT median_usd FROM cost_of_a_call() WHERE model = 'claude-sonnet-4-5'"
    assert ledger.sql(query).rows == [(Decimal(1),)]


def test_sums_of_the_page_are_right(tmp_path: Path) -> None:
    """Input and output make up each day; graded calls alone say what a grade costs."""
    graded = [("2", "8"), ("4", "8"), ("9", None)]
    charges = [
        a_charge(0, n, 0, usd, a_usage(event_id=an_id("graded", n), tags=_tags(grade)))
        for n, (usd, grade) in enumerate(graded)
    ]
    path = write_ledger(DataDir(tmp_path).ledger, charges)
    with Ledger.open(path) as ledger:
        (row,) = ledger.sql(_query("usd_per_point")).named()
        assert row["usd_per_point"] == pytest.approx(3 / 8)
        (day,) = ledger.sql(_query("output_usd")).named()
        assert day["input_usd"] + day["output_usd"] == day["usd"] == Decimal(15)
        (tokens,) = ledger.sql(_query("tokens_a_call")).named()
        assert tokens["tokens_a_call"] == 1200


def _tags(grade: str | None) -> dict[str, str]:
    return {} if grade is None else {"quality": grade}


def _query(name: str) -> str:
    return next(query for query in QUERIES if name in query)


def test_the_notebook_example_runs(data: Path) -> None:
    """Every form that the page names, with exact amounts in it."""
    block = next(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    names: dict[str, object] = {"DATA": data}
    exec(block, names)
    frame, table, calls = (names[name] for name in ("frame", "table", "calls"))
    assert frame["cost_usd"][0] == Decimal("6.000000000001")  # type: ignore[index]
    assert table.column("cost_usd")[0].as_py() == Decimal("6.000000000001")  # type: ignore[attr-defined]
    lazily = names["lazily"].collect()  # type: ignore[attr-defined]
    assert lazily["cost_usd"][0] == Decimal("6.000000000001")
    assert len(calls) == 4  # type: ignore[arg-type]
