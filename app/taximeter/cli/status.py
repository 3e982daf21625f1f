"""`taximeter status`: how every part stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import click

from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.status import status

__all__ = ["command"]


@click.command()
@where_options
@format_option
def command(where: Where, output: Format) -> None:
    """Show every part: running or not, how far behind, last flush, dead letters."""
    known = asyncio.run(status(where.data, where.topics, where.given))
    if output == "json":
        write_object(known)
        return
    write_rows([_row(part, known["lag"]) for part in known["parts"]], output)
    answers = "answers" if known["kafka_answers"] else "does not answer"
    say(f"Kafka {known['kafka'] or '(no address known)'} {answers}")
    kept, still_open = known["dead_letters"], known["dead_letters_open"]
    letters = f"{_shown(kept)} ({_shown(still_open)} not retried)"
    say(f"dead letters: {letters}    data: {known['data']}")


def _row(part: Mapping[str, Any], lag: Mapping[str, Any]) -> dict[str, object]:
    topic = {"sink": "charges"}.get(part["name"], "usage")
    lagging = topic == "charges" or part["name"].startswith("worker-")
    return {
        "part": part["name"],
        "running": "yes" if part["running"] else "no",
        "pid": part["pid"],
        "started": part["started_at"],
        "last flush": part["last_flush_at"],
        "lag": _lag(lag[topic]) if lagging and part["running"] else None,
        "url": _own_url(part["urls"]),
    }


def _own_url(urls: Mapping[str, str]) -> str | None:
    """Return where the part itself is found; every part also names its Kafka."""
    own = [url for name, url in urls.items() if name != "kafka"]
    return own[0] if own else urls.get("kafka")


def _lag(partitions: Mapping[str, int | None] | None) -> str:
    if partitions is None:
        return "?"
    return " ".join(f"{at}:{_shown(count)}" for at, count in partitions.items())


def _shown(count: int | None) -> str:
    return "?" if count is None else str(count)
