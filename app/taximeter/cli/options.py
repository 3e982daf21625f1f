"""The options that commands share, each with its environment variable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from taximeter.cli.output import FORMATS, REPORT_FORMATS, Format

__all__ = [
    "Format",
    "bootstrap_option",
    "data_option",
    "format_option",
    "metrics_option",
    "named_values",
    "report_format_option",
    "tag_option",
    "top_option",
    "topic_options",
]

F = TypeVar("F", bound=Callable[..., Any])


def data_option(function: F) -> F:
    """Add `--data DIR`, given as `data: Path`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="TAXIMETER_DATA",
        default="~/.taximeter",
        show_default=True,
        metavar="DIR",
        help="Where the broker, the ledger and the state live.",
    )(function)


def bootstrap_option(function: F) -> F:
    """Add `--bootstrap HOST:PORT`, given as `bootstrap: str | None`."""
    return click.option(
        "--bootstrap",
        envvar="TAXIMETER_BOOTSTRAP",
        metavar="HOST:PORT",
        help="Kafka's address. Default: the broker that runs in the data directory.",
    )(function)


def topic_options(function: F) -> F:
    """Add `--prefix` and `--partitions`, given as `str | None` and `int | None`."""
    prefix = click.option(
        "--prefix",
        envvar="TAXIMETER_PREFIX",
        metavar="TEXT",
        help="What the names of the topics begin with.  [default: taximeter.]",
    )
    partitions = click.option(
        "--partitions",
        type=int,
        envvar="TAXIMETER_PARTITIONS",
        metavar="N",
        help="Partitions of usage, charges and spend.  [default: 4]",
    )
    return prefix(partitions(function))


def tag_option(function: F) -> F:
    """Add `--tag NAME=VALUE`, as often as wanted, given as `tags: dict[str, str]`."""
    return click.option(
        "--tag",
        "tags",
        multiple=True,
        callback=_tags,
        metavar="NAME=VALUE",
        help="For calls that have this tag; several times for several.",
    )(function)


def _tags(
    _: click.Context, option: click.Parameter, given: Iterable[str]
) -> dict[str, str]:
    return named_values(given, option)


def named_values(given: Iterable[str], option: click.Parameter) -> dict[str, str]:
    """Return what was given as NAME=VALUE.

    Raises:
        click.BadParameter: one is not that.
    """
    tags: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param=option)
        tags[name] = value
    return tags


def format_option(function: F) -> F:
    """Add `--format table|json|csv`, given as `output: Format`."""
    return _format_of(FORMATS)(function)


def report_format_option(function: F) -> F:
    """Add `--format table|json|csv|md`, given as `output: Format`."""
    return _format_of(REPORT_FORMATS)(function)


def _format_of(formats: Sequence[str]) -> Callable[[F], F]:
    return click.option(
        "--format",
        "output",
        type=click.Choice(formats),
        default="table",
        show_default=True,
        help="How rows are printed.",
    )


def top_option(words: str, default: int | None = 10) -> Callable[[F], F]:
    """Add `--top N`, also called `--limit`, given as `limit: int | None`."""
    return click.option(
        "--top",
        "--limit",
        "limit",
        type=click.IntRange(1),
        default=default,
        show_default=default is not None,
        metavar="N",
        help=words,
    )


def metrics_option(function: F) -> F:
    """Add `--metrics-port P`, given as `metrics_port: int | None`."""
    return click.option(
        "--metrics-port",
        type=click.IntRange(0, 65_535),
        metavar="P",
        help="Where this part serves its metrics, 0 for any free one. Default: it "
        "does not; the API has those of every part that shares its data directory.",
    )(function)
