"""The options of every report: over which stretch of time, and of which calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar

import click

from taximeter.reports.stretches import Asked, stretch_of
from taximeter_schemas.clock import SystemClock

__all__ = ["only_options", "stretch_options"]

F = TypeVar("F", bound=Callable[..., Any])

_FILTERS: Final = (
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


def stretch_options(function: F) -> F:
    """Add --from, --to, --last, --month, --year and --tz, given as one `stretch`."""

    @wraps(function)
    def asked(*where: object, **given: Any) -> object:  # noqa: ANN401 - the command's own
        words = Asked(**{name: given.pop(name) for name in Asked._fields})
        return function(*where, stretch=stretch_of(words, SystemClock().now()), **given)

    for option in reversed(_STRETCH):
        option(asked)
    return asked  # type: ignore[return-value]


def only_options(function: F) -> F:
    """Add --user, --model, … and --tag, as often as wanted, given as one `only`."""

    @wraps(function)
    def asked(*where: object, **given: Any) -> object:  # noqa: ANN401
        only = {name: given.pop(f"only_{name}") for name in _FILTERS}
        tags = _tags(given.pop("only_tag"))
        chosen = {name: values for name, values in only.items() if values}
        return function(*where, only=chosen | tags, **given)

    _tag_option(asked)
    for name in reversed(_FILTERS):
        click.option(
            f"--{name}",
            f"only_{name}",
            multiple=True,
            metavar="NAME",
            help=f"Only calls of this {name}; several times for several.",
        )(asked)
    return asked  # type: ignore[return-value]


_STRETCH: Final = (
    click.option("--from", "start", metavar="MOMENT", help="A date or time; included."),
    click.option("--to", "end", metavar="MOMENT", help="A date or time; not included."),
    click.option(
        "--last",
        metavar="LENGTH",
        help="24h, 7d, 4w, 3m or 1y; the present hour or day is the last of them.",
    ),
    click.option("--month", metavar="YYYY-MM", help="One month."),
    click.option("--year", metavar="YYYY", help="One year."),
    click.option(
        "--tz",
        "zone",
        default="UTC",
        show_default=True,
        metavar="ZONE",
        help="An IANA time zone.",
    ),
)


def _tag_option(function: F) -> F:
    return click.option(
        "--tag",
        "only_tag",
        multiple=True,
        metavar="NAME=VALUE",
        help="Only calls with this tag; of one name any, of several names all.",
    )(function)


def _tags(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    tags: dict[str, list[str]] = defaultdict(list)
    for text in given:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--tag")
        tags[f"tag:{name}"].append(value)
    return {name: tuple(values) for name, values in tags.items()}
