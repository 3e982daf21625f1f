"""`taximeter dead-letters`: what could not be read, why, and once more."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import click

from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.retry_letters import retry
from taximeter.cli.where import Where, where_options
from taximeter.letters.listing import find_letter, list_letters
from taximeter.logs import say
from taximeter_schemas.errors import ConfigurationError

__all__ = ["command"]

Row = dict[str, object]

_COLUMNS: Final = (
    "key",
    "reason",
    "recorded_at",
    "retried_at",
    "origin_topic",
    "origin_partition",
    "origin_offset",
    "origin_position",
    "detail",
)
_IN_THE_KEY: Final = frozenset(name for name in _COLUMNS if name.startswith("origin"))


@click.group()
def command() -> None:
    """Show what could not be read, and why; and send it once more after a fix."""


command.add_command(retry)


@command.command("list")
@where_options
@format_option
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.option("--open", "only_open", is_flag=True, help="Only those not yet retried.")
def list_(where: Where, output: Format, limit: int, *, only_open: bool) -> None:
    """List the newest dead letters: key (where it came from), reason, times, detail."""
    rows = list_letters(
        where.data, where.topics, where.kafka, limit, only_open=only_open
    )
    hidden = _IN_THE_KEY if output == "table" else frozenset[str]()
    columns = [name for name in _COLUMNS if name not in hidden]
    write_rows(rows, output, columns, "Dead letters")
    if not rows:
        say(f"there are no {'open ' if only_open else ''}dead letters")


@command.command("show")
@click.argument("key")
@where_options
@click.option(
    "--format",
    "output",
    type=click.Choice(("table", "json", "raw")),
    default="table",
    show_default=True,
    help="raw writes nothing but the payload's own bytes.",
)
def show(where: Where, key: str, output: str) -> None:
    """Show one dead letter with what it holds."""
    letter = find_letter(where.data, where.topics, where.kafka, key)
    if letter is None:
        raise ConfigurationError(
            f"there is no dead letter {key!r}: "
            "'taximeter dead-letters list' shows the keys"
        )
    payload = letter.pop("payload")
    assert isinstance(payload, bytes)
    if output == "raw":
        click.echo(payload, nl=False)
    elif output == "json":
        write_object(letter | _as_text(payload))
    else:
        for name in _COLUMNS:
            click.echo(f"{name}: {'' if letter[name] is None else letter[name]}")
        click.echo(f"payload ({len(payload)} bytes):")
        click.echo(_visible(payload))


def _as_text(payload: bytes) -> Row:
    """Return the payload as text if it is any; the bytes themselves always."""
    encoded = b64encode(payload).decode()
    try:
        return {"payload": payload.decode(), "payload_base64": encoded}
    except UnicodeDecodeError:
        return {"payload": None, "payload_base64": encoded}


def _visible(payload: bytes) -> str:
    r"""Return the payload so that it cannot steer the terminal.

    >>> _visible(bytes([0x7B, 0x1B, 0xFF]))
    '{\\x1b\\xff'
    """
    text = payload.decode(errors="backslashreplace")
    return "".join(
        char if char.isprintable() or char in "\n\t" else f"\\x{ord(char):02x}"
        for char in text
    )
