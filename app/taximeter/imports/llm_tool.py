"""The `llm` tool's own log: its events are those that `llm costs` prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from taximeter.imports.context import Context, Fields
from taximeter.imports.entries import Entry, Form
from taximeter.imports.rows import Refused, Row
from taximeter.llm_costs.logged_events import event_of
from taximeter.llm_costs.logs_db import LoggedCall, UnreadableRow, read_logged
from taximeter_schemas.usage import UsageNotUnderstood

__all__ = ["LoggedFiles", "events"]


class LoggedFiles:
    """Reads logs call by call; `done` of `total` bytes are in files that are read.

    Args:
        paths: files that the tool has written, usually called `logs.db`.
        form: has no meaning here.
    """

    def __init__(self, paths: Sequence[Path], form: Form | None = None) -> None:
        del form
        self.total = sum(path.stat().st_size for path in paths)
        self.done = 0
        self._paths = paths

    def entries(self) -> Iterator[Entry]:
        """Yield every call of every file.

        Raises:
            ConfigurationError: one is no log of the tool's.
        """
        for path in self._paths:
            for call in read_logged(path):
                yield _entry(path, call)
            self.done += path.stat().st_size


def _entry(path: Path, call: LoggedCall | UnreadableRow) -> Entry:
    place = f"{path}, {call.table} {call.rowid}"
    if isinstance(call, UnreadableRow):
        return Entry(place, {}, call.reason)
    return Entry(place, asdict(call))


def events(row: Row, _: Context) -> Iterator[Fields]:
    """Yield the event of one call.

    Raises:
        Refused: what it used cannot be read.
    """
    made = event_of(LoggedCall(**row.cells))
    if isinstance(made, UnreadableRow):
        raise Refused(made.reason)
    if isinstance(made, UsageNotUnderstood):
        raise Refused(made.detail)
    yield dict(made)
