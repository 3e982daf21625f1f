"""The ledger read over Quack by a second process while the sink writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from taximeter_schemas.errors import (
    ConfigurationError,
    LedgerUnavailable,
    QueryFailed,
    QueryRefused,
)
from taximeter_schemas.subjects import EVERYTHING, Subject
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.quack import (
    QuackClient,
    ServedLedger,
    ServerAway,
    serve,
    stop_serving,
)
from taximeter_sinks.queries import Ledger
from tests.builders import NOON
from tests.unit.sinks.charge_builders import a_charge, charges_record
from tests.unit.sinks.test_read_only import REFUSED

TOKEN = "a-token-of-this-test"


@dataclass
class AServingSink:
    """A sink with one charge in it, serving."""

    sink: DuckDBSink
    path: Path
    served: ServedLedger

    async def takes(self, offset: int) -> None:
        """Write one more charge."""
        self.sink.add([charges_record([a_charge(offset=offset)], offset)])
        await self.sink.flush()


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[AServingSink]:
    """Serve a fresh ledger with one charge."""
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    opened = AServingSink(sink, path, serve(sink.ledger, "localhost", 0, TOKEN))
    await opened.takes(0)
    yield opened
    stop_serving(sink.ledger, opened.served)
    sink.close()


_READER = """
import json, sys
from pathlib import Path
from taximeter_sinks.queries import Ledger
from taximeter_sinks.quack import ServedLedger
path, port, token, until = sys.argv[1:]
served = ServedLedger("localhost", int(port), token)
seen = []
with Ledger.open(Path(path), served) as ledger:
    while not seen or seen[-1] < int(until):
        (count, largest), = ledger.sql(
            "SELECT count(*), max(source_offset) FROM charges").rows
        assert count == largest + 1, (count, largest)
        seen.append(count)
        print(count, flush=True)
"""


async def test_a_second_process_reads_while_rows_are_written(
    serving: AServingSink,
) -> None:
    """It sees the rows grow, whole transactions only, and the sink is not held up."""
    arguments = [str(serving.path), str(serving.served.port), TOKEN, "40"]
    with subprocess.Popen(
        [sys.executable, "-c", _READER, *arguments], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "1\n"
        for offset in range(1, 40):
            await serving.takes(offset)
        counts = [int(line) for line in reader.stdout]
    assert reader.returncode == 0
    assert counts == sorted(counts)
    assert counts[-1] == 40


async def test_hourly_spend_is_the_same_when_it_is_served(
    serving: AServingSink,
) -> None:
    """The subjects of a kind and their sums pass unchanged, lists included."""
    with Ledger.open(serving.path, serving.served) as ledger:
        found = ledger.hourly({"all": None, "user&model": None}, NOON)

    hour = int(NOON.timestamp())
    sums = {hour: (Decimal("0.006"), 1200, 1)}
    pair = Subject("user&model", '["alice","claude-sonnet-4-5"]')
    assert found == {EVERYTHING: sums, pair: sums}


async def test_the_file_itself_is_closed_to_others(serving: AServingSink) -> None:
    """Without knowing where it is served, a reader is told who is in the way."""
    told = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys\nfrom pathlib import Path\n"
            "from taximeter_sinks.queries import Ledger\n"
            "Ledger.open(Path(sys.argv[1]))",
            str(serving.path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "another process has it open" in told.stderr


async def test_the_server_itself_refuses_what_is_not_reading(
    serving: AServingSink,
) -> None:
    """Also from a client that does not check before it sends."""
    client = QuackClient(serving.served)
    for query in REFUSED:
        with pytest.raises((QueryRefused, QueryFailed)):
            client.query(query)
    client.close()
    await serving.takes(1)
    assert serving.sink.ledger.execute("SELECT count(*) FROM charges").fetchone() == (
        2,
    )


async def test_files_of_the_server_cannot_be_read_as_tables(
    serving: AServingSink, tmp_path: Path
) -> None:
    """Naming a file where a table belongs reads nothing."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    client = QuackClient(serving.served)
    with pytest.raises(QueryFailed, match="disabled by configuration"):
        client.query(f"SELECT * FROM '{secret}'")
    client.close()


_WRITES = [
    "INSERT INTO ledger.price_versions VALUES ('x', now(), 's', 'h', 1)",
    "CREATE TABLE ledger.mine (a INTEGER)",
    "DROP TABLE ledger.charges",
    "DELETE FROM ledger.charges",
    "UPDATE ledger.charges SET cost_usd = 0",
]


async def test_an_attached_ledger_cannot_be_written(serving: AServingSink) -> None:
    """DuckDB's own ATTACH reads the tables; every way of writing them fails."""
    client = QuackClient(serving.served)
    session = client._duckdb
    session.execute(
        f"ATTACH '{serving.served.uri}' AS ledger (TYPE quack, TOKEN '{TOKEN}')"
    )
    assert session.execute("SELECT count(*) FROM ledger.charges").fetchone() == (1,)
    for write in _WRITES:
        with pytest.raises(duckdb.Error):
            session.execute(write)
    tables = "SELECT count(*), (SELECT count(*) FROM price_versions) FROM charges"
    assert serving.sink.ledger.execute(tables).fetchone() == (1, 0)
    client.close()


async def test_a_wrong_token_is_refused(serving: AServingSink) -> None:
    """Whoever does not know the token learns nothing."""
    client = QuackClient(replace(serving.served, token="another-token"))
    with pytest.raises(ServerAway, match="token"):
        client.query("SELECT 1")
    client.close()


async def test_a_ledger_whose_sink_went_away_says_so(tmp_path: Path) -> None:
    """The next query fails with one clear error; opening again reads the file."""
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    served = serve(sink.ledger, "localhost", 0, TOKEN)
    ledger = Ledger.open(path, served)
    assert ledger.sql("SELECT 1").rows == [(1,)]
    stop_serving(sink.ledger, served)
    sink.close()
    with pytest.raises(LedgerUnavailable, match=path.name):
        ledger.sql("SELECT 1")
    ledger.close()
    with Ledger.open(path, served) as again:
        assert again.sql("SELECT count(*) FROM charges").rows == [(0,)]


async def test_a_reader_follows_a_ledger_that_is_served_now_and_then(
    tmp_path: Path,
) -> None:
    """Between two questions a sink may come, and go: each of them is answered."""
    path = tmp_path / "ledger.duckdb"
    DuckDBSink(path, Topics()).close()
    places: list[ServedLedger] = []
    ledger = Ledger.open(path, None, lambda: places[0] if places else None, 10)
    assert ledger.sql("SELECT count(*) FROM charges").rows == [(0,)]
    sink = DuckDBSink(path, Topics())  # it has the file, and is not served yet
    places.append(serve(sink.ledger, "localhost", 0, TOKEN))
    assert ledger.sql("SELECT count(*) FROM charges").rows == [(0,)]
    stop_serving(sink.ledger, places.pop())
    sink.close()
    assert ledger.sql("SELECT count(*) FROM charges").rows == [(0,)]
    ledger.close()


async def test_a_taken_port_is_one_clear_error(
    serving: AServingSink, tmp_path: Path
) -> None:
    """A second ledger cannot be served where the first one is."""
    other = DuckDBSink(tmp_path / "other.duckdb", Topics())
    with pytest.raises(ConfigurationError, match="give another port"):
        serve(other.ledger, "localhost", serving.served.port, TOKEN)
    other.close()


def _plain(rows: list[tuple[Any, ...]]) -> str:
    return json.dumps(rows, default=str)


async def test_the_answer_is_the_same_over_quack_and_from_the_file(
    tmp_path: Path,
) -> None:
    """Decimals, maps, ids and moments do not depend on the way they took."""
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    sink.add([charges_record([a_charge(cost_usd="0.000000000001")])])
    await sink.flush()
    served = serve(sink.ledger, "localhost", 0, TOKEN)
    with Ledger.open(path, served) as ledger:
        over_quack = ledger.sql("SELECT * FROM charges")
    stop_serving(sink.ledger, served)
    sink.close()
    with Ledger.open(path) as ledger:
        from_file = ledger.sql("SELECT * FROM charges")
    assert over_quack.columns == from_file.columns
    assert _plain(over_quack.rows) == _plain(from_file.rows)
