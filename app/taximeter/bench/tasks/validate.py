"""Reference: validating packed records with the system's own models, nothing else."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from pydantic import TypeAdapter

from taximeter.bench.traffic import Traffic
from taximeter_schemas.usage import UsageRecorded

__all__ = ["run"]


def run(facts: dict[str, Any]) -> dict[str, Any]:
    """Validate `count` events from number `first` on, packed by the hundred."""
    traffic, count = Traffic.of(facts["traffic"]), facts["count"]
    records = traffic.packed(facts["first"], count, facts["partitions"])
    values = [record.value for record in records]
    adapter = TypeAdapter(list[UsageRecorded])
    adapter.validate_json(values[0])
    started = perf_counter()
    for value in values:
        adapter.validate_json(value)
    return {"events_per_second": count / (perf_counter() - started)}
