"""Every metric there is: its name, its kind, its labels, and what it says.

`docs/metrics.md` lists the same ones; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

__all__ = ["CATALOGUE", "Families", "Known"]


class Known(NamedTuple):
    """A metric of the catalogue."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    says: str


_PART: Final = ("part",)

_OF_EVERY_PART: Final = (
    Known("taximeter_up", "gauge", _PART, "Whether the part runs."),
    Known("taximeter_part_info", "gauge", ("part", "version"), "The part's version."),
    Known(
        "taximeter_start_time_seconds", "gauge", _PART, "When its process was started."
    ),
    Known(
        "taximeter_resident_memory_bytes", "gauge", _PART, "Memory that it occupies."
    ),
    Known("taximeter_cpu_seconds_total", "counter", _PART, "Processor time it used."),
)
_OF_WORKERS_AND_SINK: Final = (
    Known(
        "taximeter_lag_records",
        "gauge",
        ("part", "topic", "partition"),
        "Records that wait for the part, as its last fetch knew.",
    ),
    Known(
        "taximeter_last_flush_timestamp_seconds",
        "gauge",
        _PART,
        "When it last made something durable.",
    ),
)
_OF_WORKERS: Final = (
    Known("taximeter_events_total", "counter", _PART, "Events that were charged."),
    Known(
        "taximeter_duplicate_events_total",
        "counter",
        _PART,
        "Events that had been charged before, and were not again.",
    ),
    Known(
        "taximeter_unpriced_events_total",
        "counter",
        _PART,
        "Events that were charged without a known price.",
    ),
    Known(
        "taximeter_dead_letters_total",
        "counter",
        _PART,
        "Inputs that could not be used, and were kept.",
    ),
    Known(
        "taximeter_remembered_ids",
        "gauge",
        _PART,
        "Event ids in the memory by which duplicates are known.",
    ),
    Known("taximeter_spend_rows", "gauge", _PART, "Rows of the spend tables it holds."),
)
_OF_THE_SINK: Final = (
    Known(
        "taximeter_sink_rows_total",
        "counter",
        _PART,
        "Charges that it wrote into the ledger.",
    ),
    Known(
        "taximeter_sink_skipped_records_total",
        "counter",
        _PART,
        "Records that had been sent again, and were in the ledger already.",
    ),
    Known(
        "taximeter_sink_undecodable_records_total",
        "counter",
        _PART,
        "Records of our own topics that could not be read.",
    ),
    Known(
        "taximeter_sink_pending_bytes",
        "gauge",
        _PART,
        "Bytes fetched and not yet in the ledger, at its last report.",
    ),
    Known(
        "taximeter_sink_flush_duration_seconds",
        "gauge",
        _PART,
        "How long the last flush took.",
    ),
)
_OF_THE_API: Final = (
    Known(
        "taximeter_http_requests_total",
        "counter",
        ("method", "path", "status"),
        "Requests that were answered.",
    ),
    Known(
        "taximeter_http_refused_events_total",
        "counter",
        ("reason",),
        "Events that were refused to whoever sent them.",
    ),
    Known(
        "taximeter_otlp_spans_total",
        "counter",
        ("outcome",),
        "Spans that OpenTelemetry's exporters sent, by what became of them.",
    ),
    Known(
        "taximeter_http_recording_requests",
        "gauge",
        (),
        "Requests that record events, and are not answered yet.",
    ),
    Known(
        "taximeter_http_pending_bytes",
        "gauge",
        (),
        "Bytes of events that are being read, or wait for Kafka.",
    ),
    Known(
        "taximeter_emitter_accepted_events_total",
        "counter",
        (),
        "Events that the API's emitter accepted.",
    ),
    Known(
        "taximeter_emitter_delivered_events_total",
        "counter",
        (),
        "Accepted events that Kafka has acknowledged.",
    ),
    Known(
        "taximeter_emitter_lost_events_total",
        "counter",
        (),
        "Accepted events that could not be sent after all.",
    ),
    Known(
        "taximeter_emitter_refused_events_total",
        "counter",
        ("reason",),
        "Events that were not accepted.",
    ),
    Known(
        "taximeter_emitter_pending_events",
        "gauge",
        (),
        "Accepted events that Kafka has not acknowledged yet.",
    ),
    Known("taximeter_spool_events", "gauge", (), "Events that wait on disk."),
    Known("taximeter_spool_bytes", "gauge", (), "What they count there."),
    Known(
        "taximeter_emitter_stalled_seconds",
        "gauge",
        (),
        "For how long Kafka has acknowledged nothing although something waits.",
    ),
)

CATALOGUE: Final = {
    known.name: known
    for some in (
        _OF_EVERY_PART,
        _OF_WORKERS_AND_SINK,
        _OF_WORKERS,
        _OF_THE_SINK,
        _OF_THE_API,
    )
    for known in some
}


class Families:
    """Samples of metrics of the catalogue, gathered for one answer.

    >>> families = Families()
    >>> families.add("taximeter_up", 1, "sink")
    >>> [(sample.labels, sample.value) for sample in next(iter(families)).samples]
    [({'part': 'sink'}, 1)]
    """

    def __init__(self) -> None:
        self._families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._families.values())

    def add(self, name: str, value: float | None, *labels: str) -> None:
        """Add one sample; what is not known is left out, and is never 0.

        Args:
            name: of a metric of the catalogue.
            value: what it is now.
            labels: the values of its labels, in their order.
        """
        if value is None:
            return
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = _family(CATALOGUE[name])
        family.add_metric(labels, value)


def _family(known: Known) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if known.kind == "counter" else GaugeMetricFamily
    return kind(known.name, known.says, labels=known.labels)
