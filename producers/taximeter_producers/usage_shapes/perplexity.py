"""Perplexity's Sonar: OpenAI's words, with more billed beside them.

Its total is prompt and completion. Reasoning and the text of citations, which deep
research states, stand beside both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from taximeter_producers.usage_shapes.bodies import Part
from taximeter_producers.usage_shapes.counted import Counted
from taximeter_producers.usage_shapes.openai_tokens import agreed, read_tokens

__all__ = ["read_perplexity"]

_REASONING: Final = "reasoning_tokens"
_DETAILS: Final = "completion_tokens_details"


def read_perplexity(usage: Part, body: Part) -> Counted:
    """Read the usage of one answer."""
    del body
    reasoning = agreed((usage, _REASONING), (usage.part(_DETAILS), _REASONING))
    beside = {_REASONING, _DETAILS}
    rest = {name: value for name, value in usage.said.items() if name not in beside}
    counted = read_tokens(Part(rest, usage.path))
    units = {
        "citation_tokens": usage.count("citation_tokens"),
        "web_searches": _searches(usage),
    }
    return replace(
        counted,
        output=counted.output + reasoning,
        reasoning=reasoning,
        units={name: count for name, count in units.items() if count},
    )


def _searches(usage: Part) -> int:
    """Count the searches; where nobody did, a fee or a size tells of one a call."""
    if usage.states("num_search_queries"):
        return usage.count("num_search_queries")
    cost = usage.value("cost")
    fee = cost.get("request_cost") if isinstance(cost, Mapping) else None
    return int(usage.states("search_context_size") if fee is None else bool(fee))
