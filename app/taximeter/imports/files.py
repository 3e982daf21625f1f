"""The files of an import: opened one after the other, and how far they are read."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from taximeter.imports.entries import Entry, Form, read_entries

__all__ = ["Files"]

_PACKED = ".gz"


class Files:
    """Reads files entry by entry; `done` of `total` bytes are read.

    Args:
        paths: CSV, JSON or lines of JSON, also with `.gz` behind it.
        form: what they are, where their names do not say it.
    """

    def __init__(self, paths: Sequence[Path], form: Form | None = None) -> None:
        self.total = sum(path.stat().st_size for path in paths)
        self._paths = paths
        self._form: Form | None = form
        self._before = 0
        self._open: BinaryIO | None = None

    @property
    def done(self) -> int:
        """How many bytes have been read."""
        return self._before + (self._open.tell() if self._open is not None else 0)

    def entries(self) -> Iterator[Entry]:
        """Yield every row of every file; its place names the file.

        Raises:
            OSError: a file cannot be read, or is not packed as its name says.
        """
        for path in self._paths:
            with path.open("rb") as file:
                self._open = file
                yield from self._entries(path, file)
                self._open = None
            self._before += path.stat().st_size

    def _entries(self, path: Path, file: BinaryIO) -> Iterator[Entry]:
        inner, name = file, path
        if path.suffix.lower() == _PACKED:
            inner, name = (
                cast("BinaryIO", gzip.GzipFile(fileobj=file)),
                path.with_suffix(""),
            )
        for entry in read_entries(name, inner, self._form):
            yield entry._replace(place=f"{path}, {entry.place}")
