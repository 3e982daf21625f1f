"""`GET /metrics`: how the API and the parts beside it stand, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from taximeter.api.room import Room
from taximeter.api.services import services
from taximeter.metrics.catalogue import Families
from taximeter.metrics.parts import PartsCollector
from taximeter.state import DataDir
from taximeter_producers.emitter import EmitterStats
from taximeter_producers.kafka import KafkaEmitter

__all__ = ["Counts", "metrics_registry", "router"]

router = APIRouter(tags=["health"])

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}
}


@router.get("/metrics", response_class=Response, responses=_ANSWERS, summary="Metrics")
def get_metrics(request: Request) -> Response:
    """Return every metric; neither Kafka nor the ledger is asked for it."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    text = encode(services(request).metrics)
    return Response(text, headers={"Content-Type": media_type})


@dataclass(frozen=True)
class Counts:
    """What an API counts as it goes.

    Attributes:
        answered: requests, by method, path and status.
        refused: events, by reason.
        spans: of OpenTelemetry's, by what became of them.
    """

    answered: Counter[tuple[str, str, int]]
    refused: Counter[str]
    spans: Counter[str]


def metrics_registry(
    data: DataDir,
    emitter: KafkaEmitter,
    room: Room,
    counts: Counts,
) -> CollectorRegistry:
    """Return all that an API can tell: of the parts beside it, and of itself."""
    registry = CollectorRegistry()
    registry.register(PartsCollector(data))
    registry.register(_ApiCollector(emitter, room, counts))
    return registry


class _ApiCollector(Collector):
    """Tells of this process what only it knows."""

    def __init__(
        self,
        emitter: KafkaEmitter,
        room: Room,
        counts: Counts,
    ) -> None:
        self._emitter = emitter
        self._room = room
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        families = Families()
        _add_counts(families, self._counts)
        _add_room(families, self._room)
        _add_emitter(families, self._emitter.stats())
        return families


def _add_counts(families: Families, counts: Counts) -> None:
    for (method, path, status), count in counts.answered.copy().items():
        name = "taximeter_http_requests_total"
        families.add(name, count, method, path, str(status))
    for reason, events in counts.refused.copy().items():
        families.add("taximeter_http_refused_events_total", events, reason)
    for outcome, spans in counts.spans.copy().items():
        families.add("taximeter_otlp_spans_total", spans, outcome)


def _add_room(families: Families, room: Room) -> None:
    families.add("taximeter_http_recording_requests", room.requests)
    families.add("taximeter_http_pending_bytes", room.pending_bytes)
    families.add("taximeter_emitter_stalled_seconds", room.stalled_seconds)


def _add_emitter(families: Families, stats: EmitterStats) -> None:
    families.add("taximeter_emitter_accepted_events_total", stats.accepted)
    families.add("taximeter_emitter_delivered_events_total", stats.delivered)
    families.add("taximeter_emitter_lost_events_total", stats.lost)
    families.add("taximeter_emitter_pending_events", stats.pending)
    families.add("taximeter_spool_events", stats.spooled)
    families.add("taximeter_spool_bytes", stats.spool_bytes)
    for reason, events in stats.refused.items():
        families.add("taximeter_emitter_refused_events_total", events, reason)
