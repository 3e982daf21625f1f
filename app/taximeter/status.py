"""How the system stands: which parts run, how far behind they are, what went wrong.

It reads what the parts say about themselves and what Kafka says about them, and is
as good with everything stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taximeter.broker.admin import waiting
from taximeter.letters.topic import count_letters
from taximeter.part_reports import part_reports
from taximeter.state import DataDir
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics

__all__ = ["status"]

_UNKNOWN: Final = {
    "lag": {"usage": None, "charges": None},
    "dead_letters": None,
    "dead_letters_open": None,
}


async def status(
    data: DataDir, topics: Topics, bootstrap: str | None
) -> dict[str, Any]:
    """Return how everything stands, as `taximeter status --format json` prints it.

    What cannot be known, because Kafka or a part is away, is null and never 0.
    """
    parts = part_reports(data)
    kafka = _kafka(data, bootstrap)
    known = await _known_to_kafka(kafka, topics, parts) if kafka else None
    return {
        "data": str(data.path),
        "kafka": kafka,
        "kafka_answers": known is not None,
        "parts": parts,
        **(known or _UNKNOWN),
        "urls": {k: v for part in parts if part["running"] for k, v in _urls(part)},
    }


async def _known_to_kafka(
    kafka: str, topics: Topics, parts: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return lag and dead letters, or None if Kafka does not answer."""
    try:
        usage = await waiting(kafka, topics.usage, _reached(parts, "worker-"))
        charges = await waiting(kafka, topics.charges, _reached(parts, "sink"))
        letters = await count_letters(kafka, topics)
    except BrokerUnavailable:
        return None
    return {
        "lag": {"usage": _by_name(usage), "charges": _by_name(charges)},
        "dead_letters": letters.kept,
        "dead_letters_open": letters.open,
    }


def _by_name(counts: Mapping[int, int | None]) -> dict[str, int | None]:
    return {str(partition): count for partition, count in counts.items()}


def _urls(part: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(part["urls"].items())


def _kafka(data: DataDir, bootstrap: str | None) -> str | None:
    try:
        return data.bootstrap(bootstrap)
    except BrokerUnavailable:
        return None


def _reached(parts: Sequence[Mapping[str, Any]], prefix: str) -> dict[int, int]:
    """Return how far the parts of a kind say they are, by partition."""
    reached: dict[int, int] = {}
    for part in parts:
        if part["running"] and part["name"].startswith(prefix):
            for partition, offset in part["facts"].get("progress", {}).items():
                at = int(partition)
                reached[at] = max(offset, reached.get(at, 0))
    return reached
