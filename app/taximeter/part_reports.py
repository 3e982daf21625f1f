"""What the parts of an installation say about themselves, without asking Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taximeter.state import DataDir, PartState

__all__ = ["part_reports", "waiting_records"]

_USUAL_PARTS: Final = ("broker", "worker-1", "sink", "api")


def part_reports(data: DataDir) -> list[dict[str, Any]]:
    """Return every part that is usual or was seen, running or not, in their order."""
    return [_part(name, data.state(name)) for name in _names(data)]


def waiting_records(part: Mapping[str, Any]) -> int | None:
    """Return how many records of Kafka a part says wait for it; None if it does not.

    >>> waiting_records({"lag": {"taximeter.usage": {"0": 3, "1": 4}}})
    7
    """
    lag: Mapping[str, Mapping[str, int]] | None = part["lag"]
    if lag is None:
        return None
    return sum(count for partitions in lag.values() for count in partitions.values())


def _names(data: DataDir) -> list[str]:
    known = [state.name for state in data.states()]
    workers = sorted({n for n in known if n.startswith("worker-")} | {"worker-1"})
    others = sorted(set(known) - set(workers) - set(_USUAL_PARTS))
    return ["broker", *workers, "sink", "api", *others]


def _part(name: str, state: PartState | None) -> dict[str, Any]:
    running = state is not None and state.running
    known = state.model_dump() if state and running else {}
    facts: dict[str, Any] = known.get("facts", {})
    return {
        "name": name,
        "running": running,
        "pid": known.get("pid"),
        "version": known.get("version"),
        "started_at": known.get("started_at"),
        "memory_bytes": state.memory_bytes if state and running else None,
        "lag": facts.get("lag"),
        "last_flush_at": facts.get("last_flush_at"),
        "urls": known.get("urls", {}),
        "facts": facts,
    }
