"""From what the `llm` tool logged of a call to the usage event that stands for it.

Pure. The tool's plugins log two totals and, as details, what else the provider said of
usage, in the provider's own words: so the provider's own rules read it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from taximeter.llm_costs.for_whom import NOBODY, ForWhom
from taximeter.llm_costs.logs_db import LoggedCall, UnreadableRow
from taximeter_producers.provider_usage import usage_from_response, usage_not_understood
from taximeter_schemas.errors import UsageUnreadable
from taximeter_schemas.ids import derived_id
from taximeter_schemas.records import explained
from taximeter_schemas.usage import (
    Usage,
    UsageNotUnderstood,
    UsageRecorded,
)

__all__ = ["SOURCE", "event_of", "logged_event_id", "sold_as", "tokens_in"]

SOURCE: Final = "llm"
"""What these events name as their source."""

_UNKNOWN: Final = "unknown"
_BYTES_A_TOKEN: Final = 4

# How the models of those providers are called that the tool names without a prefix.
_FAMILIES: Final = {
    "gpt": "openai",
    "chatgpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "codex": "openai",
    "davinci": "openai",
    "claude": "anthropic",
    "gemini": "gemini",
    "mistral": "mistral",
    "ministral": "mistral",
    "magistral": "mistral",
    "codestral": "mistral",
    "pixtral": "mistral",
    "command": "cohere",
    "deepseek": "deepseek",
    "grok": "xai",
    "groq": "groq",
    "sonar": "perplexity",
}

_OF_ANTHROPIC: Final = frozenset(
    {"cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"}
)


def logged_event_id(row: LoggedCall) -> UUID:
    """Return the id of a logged call's event: the same one wherever it is read.

    The tool's ids are unique, but for the plain numbers of its first tables: of those
    the moment and the model are part of it.
    """
    if row.id.isdecimal():
        moment = row.occurred_at.isoformat()
        return derived_id("llm", row.table, row.id, moment, row.model)
    return derived_id("llm", row.id)


def sold_as(model: str) -> tuple[str, str]:
    """Return provider and model, as events name them, of a model of the tool's.

    A provider that its name does not tell is "unknown", and the model has no price
    until somebody states one.

    >>> sold_as("gpt-4o-mini"), sold_as("anthropic/claude-opus-4-0")
    (('openai', 'gpt-4o-mini'), ('anthropic', 'claude-opus-4-0'))
    >>> sold_as("o4-mini"), sold_as("llama3.2:latest")
    (('openai', 'o4-mini'), ('unknown', 'llama3.2:latest'))
    """
    prefix, slash, name = model.partition("/")
    if slash and prefix and name:
        return prefix, name
    family = model.lower().split("-")[0].split(":")[0]
    return _FAMILIES.get(family, _UNKNOWN), model


def event_of(
    row: LoggedCall, for_whom: ForWhom = NOBODY
) -> UsageRecorded | UsageNotUnderstood | UnreadableRow:
    """Return a logged call as an event.

    Where the log states no tokens they are estimated by the length of the texts, and
    the event says so. Usage that contradicts itself is handed on as not understood.
    """
    said = _said(row, for_whom)
    try:
        try:
            usage, source = _usage(row)
        except UsageUnreadable as error:
            return usage_not_understood(error, **said)
        said["usage"], said["usage_source"] = usage, source
        said["duration_ms"] = row.duration_ms
        if row.error_type:
            said |= {"status": "error", "error_type": row.error_type}
        return UsageRecorded.model_validate(said)
    except ValidationError as error:
        return UnreadableRow(row.table, row.rowid, explained(error))


def _said(row: LoggedCall, for_whom: ForWhom) -> dict[str, Any]:
    provider, model = sold_as(row.model)
    said: dict[str, Any] = {
        "event_id": logged_event_id(row),
        "occurred_at": row.occurred_at,
        "source": SOURCE,
        "provider": provider,
        "model": model,
        "project_id": for_whom.project_id,
        "tags": dict(for_whom.tags),
    }
    told = {
        "conversation_id": row.conversation_id,
        "response_model": row.resolved_model,
    }
    return said | {name: value for name, value in told.items() if value}


def _usage(row: LoggedCall) -> tuple[Usage, str]:
    if row.input_tokens is None and row.output_tokens is None:
        asked, answered = tokens_in(row.asked_bytes), tokens_in(row.answered_bytes)
        return Usage(text_input_tokens=asked, text_output_tokens=answered), "estimated"
    sent, made = row.input_tokens, row.output_tokens
    stated = sent is not None and made is not None
    sent = tokens_in(row.asked_bytes) if sent is None else sent
    made = tokens_in(row.answered_bytes) if made is None else made
    body, shape = _as_answered(sent, made, row.token_details or {})
    return usage_from_response(body, shape), "reported" if stated else "estimated"


def tokens_in(length: int) -> int:
    """Return how many tokens so many bytes of text are, about.

    >>> tokens_in(9)
    3
    """
    return -(-length // _BYTES_A_TOKEN)


def _as_answered(
    sent: int, made: int, details: Mapping[str, Any]
) -> tuple[dict[str, object], str]:
    """Return the answer that a provider must have given, and the shape of it."""
    if any(name.endswith(("TokenCount", "TokensDetails")) for name in details):
        return {
            "usageMetadata": _of_gemini(sent, made, details)
        }, "google.generate_content"
    if not _OF_ANTHROPIC.isdisjoint(details):
        usage = {"input_tokens": sent, "output_tokens": made, **details}
        return {"usage": usage}, "anthropic.messages"
    usage = {"prompt_tokens": sent, "completion_tokens": made, **details}
    return {"usage": usage}, "openai.chat_completions"


def _of_gemini(sent: int, made: int, details: Mapping[str, Any]) -> dict[str, Any]:
    """Take apart what its plugin adds up: tools into the prompt, thoughts into answers.

    The plugin leaves the prompt, and in early versions the answer, out of the details.
    """
    told = dict(details)
    thoughts = told.get("thoughtsTokenCount") or 0
    tools = told.get("toolUsePromptTokenCount") or 0
    told.setdefault("promptTokenCount", max(0, sent - tools))
    told.setdefault("candidatesTokenCount", max(0, made - thoughts))
    return told
