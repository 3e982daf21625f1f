"""What a person sees while the demo runs: a bar in a terminal, plain lines in a pipe.

All of it goes to stderr; stdout is for the results.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from taximeter.demo.books import Standing
from taximeter_schemas.alerts import BudgetThresholdCrossed

__all__ = ["PlainScreen", "RichScreen", "Screen", "screen_for"]

_SAY_EVERY_SECONDS: Final = 2.0
_STYLES: Final = ((100, "bold red"), (80, "yellow"), (0, "cyan"))
_SUBJECT_WIDTH: Final = 24
_ALERT_WIDTH: Final = 84


class Screen(Protocol):
    """Shows how the demo goes on. Used as a context around all of it."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        ...

    def say(self, words: str) -> None:
        """Tell what is going on."""
        ...

    def start(self, calls: int) -> None:
        """Begin the replay."""
        ...

    def finish(self) -> None:
        """Leave the lower end of the terminal to the results."""
        ...

    def advance(self, standing: Standing, per_second: float) -> None:
        """Show how far it is."""
        ...

    def alert(self, alert: BudgetThresholdCrossed) -> None:
        """Show an alert that was raised."""
        ...


def screen_for(console: Console) -> Screen:
    """Return what fits: the bar only where a terminal can redraw it."""
    if console.is_terminal and not console.is_dumb_terminal:
        return RichScreen(console)
    return PlainScreen(console)


class PlainScreen:
    """Lines, the occasional one on how far it is; nothing is ever redrawn."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._say_at = 0.0
        self._done = False
        self._calls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, words: str) -> None:
        """Print a line as it is, however long."""
        self._console.print(Text(words), soft_wrap=True)

    def start(self, calls: int) -> None:
        """Keep the number to compare with."""
        self._calls = calls

    def finish(self) -> None:
        """Nothing is in the way."""

    def advance(self, standing: Standing, per_second: float) -> None:
        """Print a line every two seconds, and when everything is there."""
        now, done = time.monotonic(), standing.charges == self._calls
        if now >= self._say_at or (done and not self._done):
            self._say_at, self._done = now + _SAY_EVERY_SECONDS, done
            self.say(
                f"{standing.charges:,} of {self._calls:,} calls charged  "
                f"{per_second:,.0f} events/s  {standing.cost_usd:.4f} USD  "
                f"{standing.alerts} alerts"
            )

    def alert(self, alert: BudgetThresholdCrossed) -> None:
        """Print a line."""
        self.say(alert_line(alert))


class RichScreen:
    """A bar at the bottom; alerts and words scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        wide = console.width >= 76  # noqa: PLR2004 - what one line of it takes
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            BarColumn(bar_width=None if wide else 10, complete_style="cyan"),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("[dim]{task.fields[speed]}", justify="right"),
            TextColumn("[bold]{task.fields[spend]}"),
            *([TextColumn("{task.fields[alerts]}")] if wide else []),
            console=console,
            expand=True,
            refresh_per_second=8,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._status = self._console.status("")
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def say(self, words: str) -> None:
        """Print it above what moves."""
        self._console.print(Text(words, style="dim"))

    def start(self, calls: int) -> None:
        """Put the bar where the spinner was."""
        self._status.stop()
        self._task = self._progress.add_task(
            "", total=calls, speed="", spend="", alerts=""
        )
        self._progress.start()

    def finish(self) -> None:
        """Leave the bar as it is, and the cursor below it."""
        self._status.stop()
        self._progress.stop()

    def advance(self, standing: Standing, per_second: float) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(
                self._task,
                completed=standing.charges,
                speed=f"{per_second:>6,.0f} events/s",
                spend=f"${standing.cost_usd:.4f}",
                alerts=f"{standing.alerts} alerts",
            )

    def alert(self, alert: BudgetThresholdCrossed) -> None:
        """Print a line above the bar, the redder the nearer to the limit."""
        wide = self._console.width >= _ALERT_WIDTH
        line = Text(alert_line(alert, wide=wide))
        percent = alert.threshold_percent
        style = next(style for least, style in _STYLES if percent >= least)
        line.stylize(style, 0, line.plain.index("%") + 1)
        self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def alert_line(alert: BudgetThresholdCrossed, *, wide: bool = True) -> str:
    """Return an alert as one line: how full, whose, how much; if wide, also when."""
    subject = f"{alert.subject_kind} {alert.subject_id}"
    if alert.subject_kind == "all":
        subject = "everything"
    spent, limit = f"{alert.spent_usd:.4f}", f"{alert.limit_usd:.4f}"
    period = f"{_period(alert):<21}  " if wide else ""
    return (
        f"alert {alert.threshold_percent:>4}%  {subject:<{_SUBJECT_WIDTH}} "
        f"{period}{spent:>8} of {limit:>7}{' USD' if wide else ''}"
    )


def _period(alert: BudgetThresholdCrossed) -> str:
    start, end = alert.period_start, alert.period_end
    if start is None or end is None:
        return "in total"
    first, last = start.date(), (end - timedelta(microseconds=1)).date()
    if alert.period == "day":
        return f"{first}"
    if alert.period == "month":
        return f"{first:%B %Y}"
    return f"{first} to {last:%m-%d}"
