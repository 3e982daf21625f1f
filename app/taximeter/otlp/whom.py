"""Whom a span's call was for: its own attributes, else those of what produced it.

Only attributes that are named here get into an event: prompts and answers stand in
others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taximeter.otlp.spans import Span
from taximeter_producers.attribution import label, merged_tags

__all__ = ["first_of", "whom"]

_TAGS: Final = "taximeter.tags."

# The first that is stated counts.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user_id": (
        "taximeter.user",
        "user.id",
        "enduser.id",
        "litellm.end_user.id",
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "llm.user",
    ),
    "project_id": ("taximeter.project",),
    "session_id": (
        "taximeter.session",
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
    ),
    "conversation_id": ("taximeter.conversation", "gen_ai.conversation.id"),
    "endpoint": ("taximeter.endpoint", "http.route"),
    "region": ("taximeter.region",),
}
_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "env": ("deployment.environment.name", "deployment.environment"),
    "agent": ("gen_ai.agent.name",),
}


def whom(span: Span) -> dict[str, Any]:
    """Return an event's fields that say whom the call was for.

    >>> whom(Span("1", "2", attributes={"user.id": "ada"},
    ...           resource={"service.name": "search", "taximeter.tags.team": "x"}))
    {'source': 'search', 'user_id': 'ada', 'tags': {'team': 'x'}}
    """
    said = {"source": _service(span.resource)} | {
        field: label(first_of(span, *names)) for field, names in _NAMES.items()
    }
    fields: dict[str, Any] = {k: v for k, v in said.items() if v is not None}
    tags = _tags(span)
    return fields | ({"tags": tags} if tags else {})


def first_of(span: Span, *names: str) -> object:
    """Return the first attribute that is stated, of the span or else its resource."""
    for said in (span.attributes, span.resource):
        for name in names:
            if said.get(name) not in (None, ""):
                return said[name]
    return None


def _service(resource: Mapping[str, object]) -> str | None:
    name = label(resource.get("service.name"))
    # What SDKs write where nobody named the service.
    return None if name is None or name.startswith("unknown_service") else name


def _tags(span: Span) -> dict[str, str]:
    known = {name: first_of(span, *names) for name, names in _LABELS.items()}
    resource, own = _tagged(span.resource), _tagged(span.attributes)
    return dict(merged_tags(merged_tags(merged_tags({}, known), resource), own))


def _tagged(said: Mapping[str, object]) -> dict[str, object]:
    return {
        name.removeprefix(_TAGS): value
        for name, value in said.items()
        if name.startswith(_TAGS)
    }
