"""Whose files are whose in a spool, decided by locks that end with a process.

Each process writes files of its own, `<name>.<number>.spool`, and holds a lock on
`<name>.lock` for as long as it lives. The operating system gives the lock back when
the process dies, however it dies, and whoever gets it then owns the files. Nobody
ever guesses by age or by pid.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Claim", "bytes_of_others", "claim_names"]

# Nothing else that may lie in the directory is ours to claim.
_NAME: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOCK: Final = ".lock"
_FILE: Final = ".spool"


class Claim:
    """The sole right to the files of one name, until it is given up or we die."""

    def __init__(self, directory: Path, name: str, descriptor: int) -> None:
        self.name = name
        self._directory = directory
        self._descriptor = descriptor
        self._said = -1

    @classmethod
    def on(cls, directory: Path, name: str) -> Claim | None:
        """Claim the files of this name; None if somebody who lives has them."""
        path = directory / f"{name}{_LOCK}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _locked(descriptor, path):
            return cls(directory, name, descriptor)
        os.close(descriptor)
        return None

    def files(self) -> list[Path]:
        """Return the files of this name, oldest first."""
        return sorted(self._directory.glob(f"{self.name}.*{_FILE}"))

    def file(self, number: int) -> Path:
        """Return the path of a file of this name."""
        return self._directory / f"{self.name}.{number:06}{_FILE}"

    def say(self, size_bytes: int) -> None:
        """Let the others know how much of the common limit these files take."""
        if size_bytes != self._said:
            os.pwrite(self._descriptor, f"{size_bytes:>16}\n".encode(), 0)
            self._said = size_bytes

    def release(self) -> None:
        """Leave the files to whoever comes next.

        In a forked child it only forgets them: the parent goes on holding the lock.
        """
        os.close(self._descriptor)

    def remove(self) -> None:
        """Give up a name that has no files any more."""
        (self._directory / f"{self.name}{_LOCK}").unlink(missing_ok=True)
        self.release()


def claim_names(directory: Path) -> list[str]:
    """Return every name in a directory, the one that was made first first."""
    try:
        paths = list(directory.iterdir())
    except FileNotFoundError:
        return []
    ours = (path.name.split(".")[0] for path in paths if path.suffix in (_LOCK, _FILE))
    return sorted({name for name in ours if _NAME.fullmatch(name)})


def bytes_of_others(directory: Path, ours: set[str]) -> int:
    """Return what all owners but ourselves said last, the dead included."""
    return sum(
        _said(directory / f"{name}{_LOCK}")
        for name in claim_names(directory)
        if name not in ours
    )


def _said(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def _locked(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last owner may have deleted it between our two steps.
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except (BlockingIOError, FileNotFoundError):
        return False
    except BaseException:
        os.close(descriptor)
        raise
