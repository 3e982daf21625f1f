"""Which rows an import refused: told with their place, and kept in a file if asked."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from taximeter.cli.output import jsonable
from taximeter.imports.outcomes import Outcome
from taximeter.logs import say

__all__ = ["Refusals"]

_TOLD: Final = 20


class Refusals:
    """Tells the first ones in full, and writes all of them where that was asked for.

    Args:
        path: becomes lines of JSON: the place, the reason, and the row as it was, so
            that `taximeter import` can be given it again once it is mended.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._count > _TOLD:
            words = (
                f"see {self._path}" if self._path else "--refused FILE keeps them all"
            )
            say(f"… and {self._count - _TOLD} more were refused: {words}")

    def __call__(self, outcome: Outcome) -> None:
        """Note one."""
        self._count += 1
        if self._count <= _TOLD:
            say(f"{outcome.entry.place}: {outcome.reason}")
        if self._file is not None:
            self._file.write(_line(outcome) + "\n")


def _line(outcome: Outcome) -> str:
    told = {
        "place": outcome.entry.place,
        "reason": outcome.reason,
        "row": outcome.entry.cells,
    }
    return json.dumps(told, default=jsonable, ensure_ascii=False)
