"""How far an import is: a bar in a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from taximeter.imports.importing import Tally
from taximeter.imports.kinds import Logs

__all__ = ["show"]


def show(steps: Iterable[None], files: Logs, tally: Tally) -> None:
    """Go through all steps of an import, and show how far it is."""
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        for _ in steps:
            pass
        return
    with _bar(console) as progress:
        task = progress.add_task("importing", total=files.total, new=0)
        for _ in steps:
            progress.update(task, completed=files.done, new=tally.new)
        progress.update(task, completed=files.total)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[new]:,} new"),
        TimeRemainingColumn(),
        console=console,
    )
