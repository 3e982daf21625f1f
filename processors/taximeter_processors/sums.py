"""Partial sums of one source partition: who spent how much in which window.

Pure. A row is absolute and says which usage record is the last one in it. Rows are
kept encoded, as they stand in the changelog; what a flush adds to them is gathered
beside them, and the rows of now, of everybody, stay decoded between flushes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from pydantic_core import from_json, to_json

from taximeter_processors.calls import Counting
from taximeter_processors.charging import Amounts
from taximeter_processors.kinds import Identify, identify
from taximeter_processors.rows import Rows
from taximeter_processors.windows import window_start
from taximeter_schemas.partitioning import partition_of
from taximeter_schemas.spend import WINDOW_SECONDS, Partial, PartialRow, subject_key
from taximeter_schemas.subjects import Subject, SubjectKind
from taximeter_schemas.usage import ChargedEvent

__all__ = [
    "PROGRESS_KEY",
    "Added",
    "AddedKey",
    "Changed",
    "PartialSums",
    "decode_row",
    "row_key",
    "stated",
]

PROGRESS_KEY: Final = b"progress"

# Rows kept decoded between flushes: the windows of now, of everybody.
_MAX_WARM: Final = 50_000


class Added:
    """What was added to one row since the last flush."""

    __slots__ = ("calls", "cost_pico", "tokens", "unpriced")

    def __init__(self) -> None:
        self.cost_pico = self.calls = self.unpriced = self.tokens = 0


AddedKey = tuple[str, int]
"""The id of a subject, and the start of a window in epoch seconds."""


class _Window:
    """What was added in one window since the last flush, by whom it counts for."""

    def __init__(self, start: int) -> None:
        self.begins_at = datetime.fromtimestamp(start, UTC)
        self.ends_at = self.begins_at + timedelta(seconds=WINDOW_SECONDS)
        self.all = Added()
        self.users = defaultdict[str, Added](Added)
        self.models = defaultdict[str, Added](Added)
        self.projects = defaultdict[str, Added](Added)
        self.others = defaultdict[tuple[str, str], Added](Added)

    def rows(self) -> Iterator[tuple[SubjectKind, str, Added]]:
        if self.users:  # else only what was counted elsewhere is in this window
            yield "all", "", self.all
        for (kind, name), row in self.others.items():
            yield kind, name, row
        named: dict[SubjectKind, dict[str, Added]] = {
            "user": self.users,
            "model": self.models,
            "project": self.projects,
        }
        for kind, rows in named.items():
            for name, row in rows.items():
                yield kind, name, row


class _Total(NamedTuple):
    """One row since the beginning, with its key in the table and its owner."""

    key: bytes
    owner: int
    cost_pico: int
    calls: int
    unpriced: int
    tokens: int

    def plus(self, added: Added) -> _Total:
        key, owner, cost_pico, calls, unpriced, tokens = self
        return _Total(
            key,
            owner,
            cost_pico + added.cost_pico,
            calls + added.calls,
            unpriced + added.unpriced,
            tokens + added.tokens,
        )


class Changed(NamedTuple):
    """A row to be stored, and the `spend` partition that owns its subject."""

    key: bytes
    value: bytes
    owner: int


_Key = tuple[SubjectKind, str, int]


class PartialSums:
    """The rows of one source partition, and what was added since the last flush.

    Args:
        stored: the partition's rows as they were last flushed, encoded.
        partitions: of `spend`, to tell who owns a subject.
        offset: that of the last record that is in them.
    """

    def __init__(self, stored: Rows, partitions: int, offset: int = -1) -> None:
        self._stored = stored
        self._partitions = partitions
        self._offset = offset
        self._kinds: list[tuple[str, Identify]] = []
        self._floors: dict[str, int] = {}
        self._windows: dict[int, _Window] = {}
        self._latest = _Window(0)
        self._changed: dict[_Key, _Total] = {}
        self._warm: dict[_Key, _Total] = {}

    def __len__(self) -> int:
        return sum(1 for window in self._windows.values() for _ in window.rows())

    def count(self, floors: Mapping[str, int]) -> None:
        """Count these kinds too, and no others.

        Rows of a kind state at least its floor as their offset; one that states less
        is of a time when it was counted and then not any more.
        """
        self._floors = dict(floors)
        self._kinds = [(kind, identify(kind)) for kind in floors]
        self._warm.clear()

    def add_all(self, kind: str, sums: Mapping[AddedKey, Added]) -> None:
        """Add what was counted elsewhere for the subjects of one kind."""
        for (name, start), added in sums.items():
            window = self._windows.setdefault(start, _Window(start))
            _add(window.others[kind, name], added)

    def add(
        self, event: Counting | ChargedEvent, amounts: Amounts, offset: int
    ) -> None:
        """Add what one event says to the rows of everybody it counts for."""
        window, moment = self._latest, event.occurred_at
        if not window.begins_at <= moment < window.ends_at:
            window = self._window_of(moment)
        cost, tokens, calls = amounts.cost_pico, amounts.tokens, amounts.calls
        unpriced = amounts.unpriced_calls
        for row in (
            window.all,
            window.users[event.user_id],
            window.models[event.model],
            window.projects[event.project_id],
        ):
            row.cost_pico += cost or 0
            row.calls += calls
            row.unpriced += unpriced
            row.tokens += tokens
        for kind, id_of in self._kinds:
            if (name := id_of(event)) is not None:
                row = window.others[kind, name]
                row.cost_pico += cost or 0
                row.calls += calls
                row.unpriced += unpriced
                row.tokens += tokens
        self._offset = offset

    def changed(self) -> Iterator[Changed]:
        """Yield each row that was added to since the last time, as it stands now.

        It says the offset of the last record added to any row: no record up to that
        one is missing in it, which is what whoever compares offsets has to know.
        `flushed` follows before this is called again.
        """
        windows, self._windows = self._windows, {}
        self._latest = _Window(0)
        for start, window in windows.items():
            for kind, name, added in window.rows():
                key = kind, name, start
                total = (self._warm.get(key) or self._load(key)).plus(added)
                self._changed[key] = total
                offset = max(self._offset, self._floors.get(kind, 0))
                value = (
                    f'["{total.cost_pico}",{total.calls},{total.unpriced},'
                    f"{total.tokens},{offset}]"
                ).encode()
                yield Changed(total.key, value, total.owner)

    def flushed(self) -> None:
        """Take note that what `changed` said last is stored."""
        if len(self._warm) > _MAX_WARM:
            self._warm.clear()
        self._warm.update(self._changed)
        self._changed.clear()

    def _window_of(self, moment: datetime) -> _Window:
        start = window_start(moment)
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = _Window(start)
        self._latest = window
        return window

    def _load(self, key: _Key) -> _Total:
        kind, name, _ = key
        encoded = row_key(*key)
        owner = _owner(kind, name, self._partitions)
        stored = self._stored.get(encoded)
        if stored is None:
            return _Total(encoded, owner, 0, 0, 0, 0)
        cost, calls, unpriced, tokens, offset = from_json(stored)
        if offset < self._floors.get(kind, 0):
            return _Total(encoded, owner, 0, 0, 0, 0)
        return _Total(encoded, owner, int(cost), calls, unpriced, tokens)


def _add(row: Added, added: Added) -> None:
    row.cost_pico += added.cost_pico
    row.calls += added.calls
    row.unpriced += added.unpriced
    row.tokens += added.tokens


@lru_cache(maxsize=131_072)
def _owner(kind: SubjectKind, name: str, partitions: int) -> int:
    return partition_of(subject_key(Subject(kind, name)), partitions)


def row_key(kind: SubjectKind, name: str, window: int) -> bytes:
    """Return the key of a row in its partition's changelog.

    >>> row_key("user", "alice", 900)
    b'["user","alice",900]'
    """
    return to_json([kind, name, window])


def stated(row: Changed) -> bytes:
    """Return a changed row as it stands in a `SpendAdvanced`.

    >>> stated(Changed(row_key("user", "alice", 900), b'["5",1,0,7,3]', 0))
    b'["user","alice",900,["5",1,0,7,3]]'
    """
    return b"%b,%b]" % (row.key[:-1], row.value)


def decode_row(key: bytes, value: bytes) -> PartialRow:
    """Read a row back from the changelog.

    >>> decode_row(b'["user","alice",900]', b'["5",1,0,7,3]').partial.cost_pico
    '5'
    """
    kind, name, window = from_json(key)
    return PartialRow(kind, name, window, Partial(*from_json(value)))
