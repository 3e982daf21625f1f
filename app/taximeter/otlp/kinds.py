"""Which spans are calls that a provider bills, and which only lie around such calls.

Agents, chains, tools and workflows are spans too, and many state the usage of the calls
within them once more. What a span *did* tells the two apart, wherever its parents and
children are and whenever they arrive; docs/otlp.md has the rule and its sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from taximeter.otlp.spans import CLIENT, Span

__all__ = ["Judgement", "Kind", "judged"]


class Kind(Enum):
    """What a span is to a meter."""

    CALL = "a call that a provider bills"
    AROUND = "around calls, or none of a model's"
    UNCLEAR = "states usage, and not what it did"
    OTHER = "not about generative AI"


class Judgement(NamedTuple):
    """What a span is; of a call, the operation as our events name it."""

    kind: Kind
    operation: str = "chat"


_AROUND: Final = Judgement(Kind.AROUND)

# `gen_ai.operation.name`: OpenTelemetry's names, and those that are seen besides.
_CALLS: Final[Mapping[str, str]] = {
    "chat": "chat",
    "completion": "completion",
    "embedding": "embedding",
    "embeddings": "embedding",
    "generate": "chat",
    "generate_content": "chat",
    "image_generation": "image_generation",
    "message": "chat",
    "messages": "chat",
    "rerank": "rerank",
    "responses": "responses",
    "speech": "speech",
    "text_completion": "completion",
    "transcription": "transcription",
}
_NO_CALLS: Final = frozenset(
    {
        "create_agent",
        "create_memory",
        "create_memory_store",
        "delete_memory",
        "delete_memory_store",
        "execute_tool",
        "handoff",
        "invoke_agent",
        "invoke_workflow",
        "plan",
        "retrieval",
        "search_memory",
        "update_memory",
        "upsert_memory",
    }
)

# The same in other dialects: the attribute, and which of its values are calls.
_DIALECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "openinference.span.kind": {
        "LLM": "chat",
        "EMBEDDING": "embedding",
        "RERANKER": "rerank",
    },
    "ai.operationId": {  # Vercel's AI SDK
        "ai.generateText.doGenerate": "chat",
        "ai.streamText.doStream": "chat",
        "ai.generateObject.doGenerate": "chat",
        "ai.streamObject.doStream": "chat",
        "ai.embed.doEmbed": "embedding",
        "ai.embedMany.doEmbed": "embedding",
        "ai.rerank.doRerank": "rerank",
    },
    "llm.request.type": {  # OpenLLMetry
        "chat": "chat",
        "completion": "completion",
        "embedding": "embedding",
        "rerank": "rerank",
    },
    "langfuse.observation.type": {"generation": "chat", "embedding": "embedding"},
    "traceloop.span.kind": {},
}

# Marks of spans around calls that do not say what they did: older agents and tools.
_MARKS: Final = ("gen_ai.tool.name", "gen_ai.agent.name", "agent_name")
_PREFIXES: Final = (
    "gen_ai.",
    "llm.",
    "ai.",
    "openinference.",
    "langfuse.",
    "traceloop.",
    "taximeter.",
)
_USAGE: Final = ("gen_ai.usage.", "llm.token_count.", "llm.usage.")


def judged(span: Span) -> Judgement:
    """Return what a span is.

    >>> said = {"gen_ai.operation.name": "embeddings"}
    >>> judged(Span("1", "2", attributes=said)).operation
    'embedding'
    """
    said = span.attributes
    if not any(name.startswith(_PREFIXES) for name in said):
        return Judgement(Kind.OTHER)
    billed = _truth(said.get("taximeter.billed"))
    stated = _stated(said)
    if billed is not None:
        operation = stated.operation if stated else "chat"
        return Judgement(Kind.CALL, operation) if billed else _AROUND
    return stated or _unstated(span)


def _stated(said: Mapping[str, object]) -> Judgement | None:
    """Return what a span says that it did, None where it says nothing we know."""
    operation = _text(said.get("gen_ai.operation.name")).lower()
    if operation in _CALLS:
        return Judgement(Kind.CALL, _CALLS[operation])
    if operation in _NO_CALLS:
        return _AROUND
    for name, calls in _DIALECTS.items():
        value = _text(said.get(name))
        if value:
            return Judgement(Kind.CALL, calls[value]) if value in calls else _AROUND
    return None


def _unstated(span: Span) -> Judgement:
    """Judge a span that says of usage and not of what it did."""
    said = span.attributes
    if not any(name.startswith(_USAGE) for name in said):
        return _AROUND
    if any(name in said for name in _MARKS):
        return _AROUND
    named = span.kind == CLIENT or bool(said.get("gen_ai.response.id"))
    return Judgement(Kind.CALL if named else Kind.UNCLEAR)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(_text(value).lower())
