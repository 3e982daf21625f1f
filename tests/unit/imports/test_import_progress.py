"""How far an import is can be seen in a terminal, and is in nobody's way elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

# A process of its own: the bar is drawn on the stderr that a process began with.
IMPORTING = """
from taximeter.cli.import_progress import show
from taximeter.imports.importing import Tally

class Files:
    done, total = 0, 4_000_000

def steps(files, tally):
    for _ in range(4):
        files.done += 1_000_000
        tally.new += 300
        yield

files, tally = Files(), Tally()
show(steps(files, tally), files, tally)
assert files.done == files.total
"""


def said_to(stderr: int, term: str) -> None:
    """Import, with this as stderr."""
    subprocess.run(
        [sys.executable, "-c", IMPORTING],
        stderr=stderr,
        env=os.environ | {"TERM": term, "COLUMNS": "100"},
        check=True,
        timeout=60,
    )


def read(end: int) -> str:
    """Return all that was written to the other end, which is closed."""
    said = b""
    while True:
        try:
            part = os.read(end, 65_536)
        except OSError:  # a terminal whose other end is closed
            break
        if not part:
            break
        said += part
    os.close(end)
    return said.decode()


def test_a_terminal_shows_a_bar() -> None:
    """With the bytes read, of all there are, and how many calls were new."""
    ours, theirs = pty.openpty()
    said_to(theirs, "xterm")
    os.close(theirs)
    said = read(ours)
    assert "importing" in said
    assert "4.0/4.0 MB" in said
    assert "1,200 new" in said


@pytest.mark.parametrize("terminal", [True, False], ids=["dumb terminal", "pipe"])
def test_elsewhere_there_is_none(terminal: bool) -> None:
    """A log file, a pipe or a dumb terminal gets nothing, and the import is done."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    said_to(theirs, "dumb" if terminal else "xterm")
    os.close(theirs)
    assert read(ours) == ""
