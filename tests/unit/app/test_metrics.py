"""Metrics of the parts: what they say of themselves, as Prometheus reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from taximeter.metrics.catalogue import CATALOGUE, Families
from taximeter.metrics.parts import PartsCollector
from taximeter.state import DataDir, PartState
from taximeter_schemas.clock import ManualClock
from tests.builders import NOON

WORKER = {
    "last_flush_at": NOON.isoformat(),
    "events": 10,
    "duplicates": 2,
    "unpriced": 1,
    "dead_letters": 3,
    "remembered_ids": 12,
    "spend_rows": 7,
    "progress": {"0": 5, "1": 6},
    "lag": {"taximeter.usage": {"0": 0, "1": 40}},
}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def a_part(
    data: DataDir, name: str, facts: dict[str, Any], pid: int | None = None
) -> PartState:
    """Let a part say something of itself; with a pid, one that is not this process."""
    state = PartState.of_this_process(name, ManualClock(NOON))
    data.write_state(state.model_copy(update={"facts": facts, "pid": pid or state.pid}))
    return state


def read(data: DataDir, only: str | None = None) -> Samples:
    """Return what the text says, as Prometheus' own parser has it."""
    registry = CollectorRegistry()
    registry.register(PartsCollector(data, only))
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float | None:
    """Return one sample's value."""
    assert name in CATALOGUE
    return samples.get((name, tuple(sorted(labels.items()))))


def test_what_a_worker_says_is_told(tmp_path: Path) -> None:
    """Counts, memory, lag by topic and partition, and the time of its last flush."""
    data = DataDir(tmp_path)
    state = a_part(data, "worker-1", WORKER)
    told = read(data)
    assert of(told, "taximeter_up", part="worker-1") == 1
    assert of(told, "taximeter_events_total", part="worker-1") == 10
    assert of(told, "taximeter_duplicate_events_total", part="worker-1") == 2
    assert of(told, "taximeter_unpriced_events_total", part="worker-1") == 1
    assert of(told, "taximeter_dead_letters_total", part="worker-1") == 3
    assert of(told, "taximeter_remembered_ids", part="worker-1") == 12
    assert of(told, "taximeter_spend_rows", part="worker-1") == 7
    place = {"topic": "taximeter.usage", "part": "worker-1"}
    assert of(told, "taximeter_lag_records", partition="0", **place) == 0
    assert of(told, "taximeter_lag_records", partition="1", **place) == 40
    flushed = of(told, "taximeter_last_flush_timestamp_seconds", part="worker-1")
    assert flushed == NOON.timestamp()
    assert (of(told, "taximeter_resident_memory_bytes", part="worker-1") or 0) > 1e6
    assert (of(told, "taximeter_cpu_seconds_total", part="worker-1") or 0) > 0
    started = of(told, "taximeter_start_time_seconds", part="worker-1")
    assert started == pytest.approx(state.process_started)


def test_of_a_part_that_died_nothing_else_is_told(tmp_path: Path) -> None:
    """What it said last is not true any more."""
    data = DataDir(tmp_path)
    a_part(data, "worker-1", WORKER, pid=2**22 + 1)
    assert read(data) == {("taximeter_up", (("part", "worker-1"),)): 0}


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    """A part that has only just started has no lag, rather than none to catch up."""
    data = DataDir(tmp_path)
    a_part(data, "sink", {})
    names = {name for name, _ in read(data)}
    assert "taximeter_up" in names
    assert not names & {"taximeter_lag_records", "taximeter_sink_rows_total"}


def test_a_part_alone_tells_of_itself_only(tmp_path: Path) -> None:
    """Its own port has its own metrics, whoever shares the directory."""
    data = DataDir(tmp_path)
    for name in ("worker-1", "sink"):
        a_part(data, name, {})
    parts = {labels for name, labels in read(data, "sink") if name == "taximeter_up"}
    assert parts == {(("part", "sink"),)}
    assert os.getpid() == data.states()[0].pid


def test_only_metrics_of_the_catalogue_are_told() -> None:
    """A name that is not in it is a mistake that shows at once."""
    with pytest.raises(KeyError):
        Families().add("taximeter_unheard_of", 1)
