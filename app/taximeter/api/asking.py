"""What a question over HTTP is about: which calls, over which stretch, which page.

The parameters have the names of the options of `taximeter report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Query, Request

from taximeter.api.services import services
from taximeter.reports.stretches import Asked, stretch_of
from taximeter.spend_report import Stretch
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.dimensions import TAG, Only

__all__ = [
    "FILTERS",
    "Chosen",
    "ChosenCalls",
    "Page",
    "Paged",
    "Wanted",
    "chosen_calls",
    "of_page",
]

T = TypeVar("T")

FILTERS: Final = (
    "user",
    "model",
    "project",
    "provider",
    "session",
    "conversation",
    "endpoint",
    "source",
    "status",
)
"""By what calls can be chosen, besides tags."""

_MOST_ROWS: Final = 10_000
_FURTHEST: Final = 1_000_000
_MOST_VALUES: Final = 100
_OF: Final = "Only calls of these; several times for several."

Moment = Annotated[
    str | None, Query(description="A date or a time.", examples=["2026-11-22"])
]
_Values = Annotated[
    list[str], Query(description=_OF, max_length=_MOST_VALUES, default_factory=list)
]


@dataclass(frozen=True)
class Page:
    """Which of many rows are wanted."""

    limit: int
    offset: int

    @property
    def reach(self) -> int:
        """How many rows have to be known: those of the page, and one behind it."""
        return self.offset + self.limit + 1

    def next_offset(self, known: int) -> int | None:
        """Return where the next page begins, None where this one is the last.

        >>> Page(limit=10, offset=20).next_offset(31), Page(10, 20).next_offset(30)
        (30, None)
        """
        behind = self.offset + self.limit
        return behind if known > behind else None


@dataclass(frozen=True)
class Wanted:
    """Which calls are meant: over which stretch of time, and of whom."""

    stretch: Stretch
    only: Only


def of_page(rows: Sequence[T], page: Page) -> list[T]:
    """Return the rows of a page.

    >>> of_page("abcdef", Page(limit=2, offset=3))
    ['d', 'e']
    """
    return list(rows[page.offset : page.offset + page.limit])


def chosen_calls(
    values: dict[str, Sequence[str]], tags: Sequence[str]
) -> dict[str, Sequence[str]]:
    """Return the choice that parameters mean; a tag is written NAME=VALUE.

    Raises:
        ConfigurationError: a tag is not.

    >>> chosen_calls({"user": ["ada"], "model": []}, ["team=growth"])
    {'user': ['ada'], 'tag:team': ['growth']}
    """
    only: dict[str, Sequence[str]] = {name: v for name, v in values.items() if v}
    for text in tags:
        name, equals, value = text.partition("=")
        if not name or not equals:
            words = f"{text[:80]!r} is no tag: write one like team=growth"
            raise ConfigurationError(words)
        only[f"{TAG}{name}"] = [*only.get(f"{TAG}{name}", ()), value]
    return only


def _page(
    limit: Annotated[int, Query(ge=1, le=_MOST_ROWS, description="Rows a page.")] = 100,
    offset: Annotated[
        int, Query(ge=0, le=_FURTHEST, description="`next_offset` of the last page.")
    ] = 0,
) -> Page:
    return Page(limit, offset)


def _stretch(
    request: Request,
    start: Annotated[Moment, Query(alias="from", description="Included.")] = None,
    end: Annotated[Moment, Query(alias="to", description="Not included.")] = None,
    last: Annotated[
        str | None, Query(description="So many hours, days, …: 24h, 7d, 4w, 3m, 1y.")
    ] = None,
    month: Annotated[str | None, Query(examples=["2026-11"])] = None,
    tz: Annotated[str, Query(description="An IANA time zone.")] = "UTC",
) -> Stretch:
    now = services(request).clock.now()
    return stretch_of(Asked(start, end, last, month, None, tz), now)


def _only(  # noqa: PLR0913, PLR0917 - a filter each
    user: _Values,
    model: _Values,
    project: _Values,
    provider: _Values,
    session: _Values,
    conversation: _Values,
    endpoint: _Values,
    source: _Values,
    status: _Values,
    tag: Annotated[
        list[str],
        Query(
            description="Only calls with this tag, NAME=VALUE.",
            max_length=_MOST_VALUES,
            default_factory=list,
        ),
    ],
) -> dict[str, Sequence[str]]:
    given = (
        user,
        model,
        project,
        provider,
        session,
        conversation,
        endpoint,
        source,
        status,
    )
    return chosen_calls(dict(zip(FILTERS, given, strict=True)), tag)


ChosenCalls = Annotated[dict[str, Sequence[str]], Depends(_only)]


def _wanted(
    stretch: Annotated[Stretch, Depends(_stretch)], only: ChosenCalls
) -> Wanted:
    return Wanted(stretch, only)


Paged = Annotated[Page, Depends(_page)]
Chosen = Annotated[Wanted, Depends(_wanted)]
