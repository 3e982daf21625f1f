"""The options of `taximeter import`, gathered into what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click

from taximeter.cli.options import (
    bootstrap_option,
    data_option,
    named_values,
    topic_options,
)
from taximeter.imports.mapped import ColumnMap, read_mapping
from taximeter.imports.outcomes import Wanted
from taximeter.moments import parse_moment

__all__ = [
    "How",
    "Where",
    "columns_options",
    "how_options",
    "wanted_options",
    "where_options",
]

F = TypeVar("F", bound=Callable[..., Any])

_FIXED: Final = {
    "source": "source",
    "project": "project_id",
    "user": "user_id",
    "provider": "provider",
}


class Where(NamedTuple):
    """Where events go, and which data directory has the ledger."""

    data: Path
    bootstrap: str | None
    prefix: str | None
    partitions: int | None


class How(NamedTuple):
    """How an import goes: without sending, without asking, and where refusals go."""

    dry_run: bool
    unchecked: bool
    refused: Path | None


def how_options(function: F) -> F:
    """Add --dry-run, --unchecked and --refused, given as one `how`."""

    @wraps(function)
    def asked(*args: object, **given: Any) -> object:  # noqa: ANN401
        how = How(**{name: given.pop(name) for name in How._fields})
        return function(*args, how=how, **given)

    for option in reversed(_HOW):
        option(asked)
    return asked  # type: ignore[return-value]


def where_options(function: F) -> F:
    """Add --data, --bootstrap, --prefix and --partitions, given as one `where`."""

    @wraps(function)
    def asked(*args: object, **given: Any) -> object:  # noqa: ANN401 - the command's own
        where = Where(**{name: given.pop(name) for name in Where._fields})
        return function(*args, where=where, **given)

    return data_option(bootstrap_option(topic_options(asked)))  # type: ignore[return-value]


def columns_options(function: F) -> F:
    """Add --mapping and --map, given as `columns: ColumnMap | None`."""

    @wraps(function)
    def asked(*args: object, **given: Any) -> object:  # noqa: ANN401
        path, pairs = given.pop("mapping"), given.pop("pairs")
        columns: ColumnMap | None = None
        if path is not None or pairs:
            columns = read_mapping(path, pairs)
        return function(*args, columns=columns, **given)

    click.option(
        "--map",
        "pairs",
        multiple=True,
        metavar="FIELD=COLUMN",
        help="For csv and jsonl: which column says a field of the event.",
    )(asked)
    click.option(
        "--mapping",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        metavar="FILE",
        help="For csv and jsonl: a YAML file that says it for all (docs/import.md).",
    )(asked)
    return asked  # type: ignore[return-value]


def wanted_options(function: F) -> F:
    """Add which calls are wanted and whom they are for, given as `wanted: Wanted`."""

    @wraps(function)
    def asked(*args: object, kind: str, **given: Any) -> object:  # noqa: ANN401
        fixed = {field: given.pop(name) for name, field in _FIXED.items()}
        wanted = Wanted(
            source=kind,
            fixed={field: text for field, text in fixed.items() if text},
            tags=given.pop("tags"),
            since=_moment(given.pop("since")),
            until=_moment(given.pop("until")),
        )
        return function(*args, kind=kind, wanted=wanted, **given)

    for option in reversed(_WANTED):
        option(asked)
    return asked  # type: ignore[return-value]


def _moment(text: str | None) -> Any:  # noqa: ANN401
    return None if text is None else parse_moment(text)


def _tags(
    _: click.Context, option: click.Parameter, given: Iterable[str]
) -> dict[str, str]:
    return named_values(given, option)


_WANTED: Final = (
    click.option("--since", metavar="WHEN", help="Calls from then on."),
    click.option("--until", metavar="WHEN", help="Calls before then."),
    click.option(
        "--source", metavar="NAME", help="The events' source.  [default: KIND]"
    ),
    click.option("--project", metavar="NAME", help="Whatever the log says."),
    click.option("--user", metavar="NAME", help="Whatever the log says."),
    click.option("--provider", metavar="NAME", help="Whatever the log says."),
    click.option(
        "--tag",
        "tags",
        multiple=True,
        callback=_tags,
        metavar="NAME=VALUE",
        help="Beside the log's own tags; several times for several.",
    ),
)
_HOW: Final = (
    click.option("--dry-run", is_flag=True, help="Send nothing; say what is new."),
    click.option(
        "--unchecked",
        is_flag=True,
        help="Send everything, without asking the ledger what it has.",
    ),
    click.option(
        "--refused",
        type=click.Path(path_type=Path, dir_okay=False, writable=True),
        metavar="FILE",
        help="Write rows that could not be used there, each with the reason.",
    ),
)
