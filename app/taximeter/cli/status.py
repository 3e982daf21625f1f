"""`taximeter status`: how every part stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import click

from taximeter.cli.options import Format, format_option
from taximeter.cli.output import write_object, write_rows
from taximeter.cli.where import Where, where_options
from taximeter.logs import say
from taximeter.status import status

__all__ = ["command"]

_MIB: Final = 1024 * 1024
_HELD: Final = {
    "remembered_ids": "ids",
    "spend_rows": "rows",
    "pending_events": "events",
    "pending_bytes": "bytes",
    "spool_events": "on disk",
    "waiting_deliveries": "to deliver",
}


@click.command()
@where_options
@format_option
def command(where: Where, output: Format) -> None:
    """Show every part: running or not, lag, last flush, what it holds, dead letters.

    What a part holds is what of its memory grows with what it has to do: a worker's
    remembered ids and rows of spend, the sink's and the API's events on their way, and
    what the API has on disk until Kafka takes it.
    """
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
        "MiB": part["memory_bytes"] and part["memory_bytes"] // _MIB,
        "started": _at(part["started_at"]),
        "last flush": _at(part["last_flush_at"]),
        "lag": _lag(_own(part, lag[topic])) if lagging and part["running"] else None,
        "holds": _holds(part["facts"]),
        "url": _own_url(part["urls"]),
    }


def _at(moment: datetime | str | None) -> str | None:
    """Return a moment to the second, which is what people look at."""
    if moment is None:
        return None
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.isoformat(sep=" ", timespec="seconds")


def _own(
    part: Mapping[str, Any], partitions: Mapping[str, int | None] | None
) -> Mapping[str, int | None] | None:
    """Return those partitions that a part says are its own, or all of them."""
    own = part["facts"].get("progress")
    if not own or partitions is None:
        return partitions
    return {at: count for at, count in partitions.items() if at in own}


def _holds(facts: Mapping[str, Any]) -> str | None:
    """Return what of a part's memory grows with what it has to do.

    >>> _holds({"remembered_ids": 1200, "spend_rows": 30})
    '1,200 ids, 30 rows'
    >>> _holds({"emitter": {"pending_events": 5, "pending_bytes": 3000}})
    '5 events, 3,000 bytes'
    """
    known = facts | facts.get("emitter", {})
    held = [f"{known[n]:,} {what}" for n, what in _HELD.items() if n in known]
    return ", ".join(held) or None


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
