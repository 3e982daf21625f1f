"""`taximeter tokens`: who may ask the API, and for what."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from taximeter.api_tokens import (
    DEFAULT_RATE,
    PERMISSIONS,
    ApiToken,
    Permission,
    TokenFile,
)
from taximeter.cli.options import Format, data_option, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.logs import say
from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock

__all__ = ["command"]

_COLUMNS: Final = (
    "id",
    "name",
    "may",
    "sources",
    "rate",
    "created_at",
    "revoked_at",
)


@click.group()
def command() -> None:
    """Make, list and revoke the API's tokens.

    As soon as there is one, the API answers nobody without. A change holds from the
    next request on, in every API process that reads the same file.
    """


def _of_file(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the file of the tokens, as `file: TokenFile`."""

    @data_option
    @click.option(
        "--file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="TAXIMETER_TOKENS_FILE",
        metavar="FILE",
        help="Where tokens are kept.  [default: api-tokens.json in --data]",
    )
    @wraps(function)
    def with_file(*, data: Path, file: Path | None, **given: Any) -> None:  # noqa: ANN401
        function(TokenFile(file or DataDir(data).api_tokens), **given)

    return with_file


@command.command()
@click.argument("name")
@_of_file
@format_option
@click.option(
    "--may",
    multiple=True,
    type=click.Choice(PERMISSIONS),
    default=("write",),
    show_default=True,
    help="write: record usage, reserve. read: ask for everything. admin: set budgets "
    "and plans. Several times for several.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="Write events of this source only; several times for several.",
)
@click.option(
    "--rate",
    default=DEFAULT_RATE,
    show_default=True,
    metavar="N/second|minute|hour",
    help="How many requests an API process answers.",
)
def create(
    file: TokenFile,
    name: str,
    output: Format,
    may: tuple[Permission, ...],
    sources: tuple[str, ...],
    rate: str,
) -> None:
    """Make a token for NAME and print it, this once."""
    made = file.create(name, SystemClock().now(), may, sources, rate)
    row = {**_row(made.token, output), "token": made.text}
    if output == "table":
        click.echo(made.text)
    elif output == "json":
        write_object(row)
    else:
        write_rows([row], output)
    say(
        f"this is token {made.token.id}, shown this once; it may {', '.join(may)}"
        + (f", for {', '.join(sources)} only" if sources else "")
    )


@command.command("list")
@_of_file
@format_option
def list_(file: TokenFile, output: Format) -> None:
    """List the tokens, revoked ones too; what they are is not known."""
    tokens = file.read()
    write_rows([_row(token, output) for token in tokens], output, _COLUMNS, "Tokens")
    if not tokens:
        say("there are none: 'taximeter tokens create NAME' makes one")


@command.command()
@click.argument("number", metavar="ID")
@_of_file
def revoke(file: TokenFile, number: str) -> None:
    """Make the token with this ID worthless, from the next request on."""
    token = file.revoke(number, SystemClock().now())
    say(f"token {token.id} ({token.name}) is worth nothing any more")


def _row(token: ApiToken, output: Format) -> dict[str, object]:
    row: dict[str, object] = token.model_dump(exclude={"sha256"})
    if output == "json":
        return row
    return row | {"may": " ".join(token.may), "sources": " ".join(token.sources)}
