"""How the parts stand, from what each says about itself and what the system knows.

Reading it asks neither Kafka nor the ledger, so that it can be asked all the time,
and while both are away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from taximeter.metrics.catalogue import Families
from taximeter.state import DataDir, PartState

__all__ = ["PartsCollector"]

# What a part counts, or holds, under one name in its state file.
_FACTS: Final = {
    "events": "taximeter_events_total",
    "duplicates": "taximeter_duplicate_events_total",
    "unpriced": "taximeter_unpriced_events_total",
    "dead_letters": "taximeter_dead_letters_total",
    "remembered_ids": "taximeter_remembered_ids",
    "spend_rows": "taximeter_spend_rows",
    "rows": "taximeter_sink_rows_total",
    "skipped": "taximeter_sink_skipped_records_total",
    "undecodable": "taximeter_sink_undecodable_records_total",
    "pending_bytes": "taximeter_sink_pending_bytes",
    "flush_seconds": "taximeter_sink_flush_duration_seconds",
}


class PartsCollector(Collector):
    """Tells of the parts that have said something about themselves.

    Args:
        data: where they said it.
        only: the one part that is of interest; without it, all of them.
    """

    def __init__(self, data: DataDir, only: str | None = None) -> None:
        self._data = data
        self._only = only

    def collect(self) -> Iterable[Metric]:
        """Return all samples of now; called for each answer, from any thread."""
        families = Families()
        for state in self._data.states():
            if self._only in (None, state.name):
                _add(families, state)
        return families


def _add(families: Families, state: PartState) -> None:
    running = state.running
    families.add("taximeter_up", int(running), state.name)
    if not running:
        return
    families.add("taximeter_part_info", 1, state.name, state.version)
    families.add("taximeter_start_time_seconds", state.process_started, state.name)
    families.add("taximeter_cpu_seconds_total", state.cpu_seconds, state.name)
    families.add("taximeter_resident_memory_bytes", state.memory_bytes, state.name)
    _add_facts(families, state.name, state.facts)


def _add_facts(families: Families, part: str, facts: Mapping[str, Any]) -> None:
    for fact, name in _FACTS.items():
        families.add(name, facts.get(fact), part)
    for topic, partitions in facts.get("lag", {}).items():
        for partition, records in partitions.items():
            families.add("taximeter_lag_records", records, part, topic, partition)
    if flushed_at := facts.get("last_flush_at"):
        moment = datetime.fromisoformat(flushed_at).timestamp()
        families.add("taximeter_last_flush_timestamp_seconds", moment, part)
