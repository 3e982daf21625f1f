"""A ledger that is read-only, or of tomorrow: said in one line, and left as it is."""

from __future__ import annotations

import ctypes
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from taximeter.state import DataDir
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink
from tests.running_system import TAXIMETER, environment

_LIBC = ctypes.CDLL(None, use_errno=True)
_DROP_FROM_BOUNDING_SET = 24
_RIGHTS_OF_ROOT = (1, 2)  # to write, and to read, whatever the permissions say


def without_roots_rights() -> None:
    """Let permissions hold for root too, from the program on that is run next."""
    for right in _RIGHTS_OF_ROOT:
        _LIBC.prctl(_DROP_FROM_BOUNDING_SET, right, 0, 0, 0)


def taximeter(data: DataDir, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command on a data directory, as somebody whom permissions bind."""
    return subprocess.run(
        [*TAXIMETER, arguments[0], "--data", str(data.path), *arguments[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment(),
        preexec_fn=without_roots_rights,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line with which a command ended in an error."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """Make a directory with a ledger that nobody has written to yet."""
    data = DataDir(tmp_path / "data")
    DuckDBSink(data.ledger, Topics()).close()
    return data


def read_only(data: DataDir) -> None:
    """Allow nothing but reading in the whole directory."""
    for file in data.path.rglob("*"):
        file.chmod(0o444)
    data.path.chmod(0o555)


def of_tomorrow(data: DataDir) -> None:
    """Let the ledger be of a version that does not exist yet."""
    with duckdb.connect(str(data.ledger)) as ledger:
        ledger.execute("INSERT INTO schema_versions VALUES (999, '0999_future.sql')")


READING = (
    ("report",),
    ("sql", "SELECT count(*) AS charges FROM charges"),
    ("status",),
)


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_only_reads_does_so_on_a_copy_that_is_read_only(
    data: DataDir, command: tuple[str, ...]
) -> None:
    """A copy on a medium that cannot be written answers like the ledger itself."""
    before = taximeter(data, *command, "--format", "json")
    read_only(data)
    after = taximeter(data, *command, "--format", "json")
    assert (after.returncode, after.stderr) == (before.returncode, before.stderr)
    assert json.loads(after.stdout) == json.loads(before.stdout)


@pytest.mark.broker
def test_a_sink_says_that_its_ledger_is_read_only(
    bootstrap: str, data: DataDir
) -> None:
    """One line with the file and the reason, exit code 1, and not a byte written."""
    data.ledger.chmod(0o444)
    before = data.ledger.read_bytes()
    line = refused(
        taximeter(data, "sink", "--bootstrap", bootstrap, "--prefix", "read-only.")
    )
    assert str(data.ledger) in line
    assert "ermission denied" in line
    assert data.ledger.read_bytes() == before


@pytest.mark.parametrize("command", ["sink", "up"])
def test_a_directory_that_is_read_only_is_one_line(data: DataDir, command: str) -> None:
    """Nothing is started in it, and what was in the way is named."""
    read_only(data)
    port = ("--port", "0") if command == "up" else ()
    line = refused(taximeter(data, command, "--bootstrap", "127.0.0.1:1", *port))
    assert str(data.path) in line
    assert "ermission denied" in line


@pytest.mark.broker
@pytest.mark.parametrize(
    "spoil",
    [lambda data: data.ledger.chmod(0o444), of_tomorrow],
    ids=["read-only", "of tomorrow"],
)
def test_a_system_whose_sink_cannot_start_ends(
    bootstrap: str, data: DataDir, spoil: Callable[[DataDir], None]
) -> None:
    """`taximeter up` says which part it was, and where that part says why."""
    spoil(data)
    where = ("--bootstrap", bootstrap, "--port", "0")
    done = taximeter(data, "up", *where)
    assert done.returncode == 1
    assert "sink" in done.stderr.splitlines()[-1]
    log = (data.logs / "sink.log").read_text()
    assert str(data.ledger) in log


@pytest.mark.broker
def test_a_sink_writes_nothing_into_a_ledger_of_tomorrow(
    bootstrap: str, data: DataDir
) -> None:
    """It says what it knows and what to do, and exits with an error."""
    of_tomorrow(data)
    before = data.ledger.read_bytes()
    line = refused(
        taximeter(data, "sink", "--bootstrap", bootstrap, "--prefix", "new.")
    )
    assert "999" in line
    assert "upgrade Taximeter" in line
    assert data.ledger.read_bytes() == before


@pytest.mark.parametrize("command", READING[:2], ids=" ".join)
def test_a_ledger_of_tomorrow_is_not_read_either(
    data: DataDir, command: tuple[str, ...]
) -> None:
    """Its tables may mean something else: one line instead of wrong numbers."""
    of_tomorrow(data)
    assert "upgrade Taximeter" in refused(taximeter(data, *command))
