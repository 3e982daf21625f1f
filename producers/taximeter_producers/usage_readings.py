"""What was read from one answer: the usage, and what else an event says of the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from taximeter_schemas.usage import Usage

__all__ = ["UsageBeside", "UsageReading"]


@dataclass(frozen=True)
class UsageBeside:
    """What a call used beside its own usage, and is billed for apart.

    Anthropic lists the compaction of a context and the answers of an advisor's model
    in `usage.iterations`, outside of the message's counts.
    """

    kind: str
    model: str | None
    usage: Usage


@dataclass(frozen=True)
class UsageReading:
    """What an answer says of the call that it answers.

    Attributes:
        usage: what the call used, in disjoint buckets.
        shape: the rules by which it was read.
        usage_source: "estimated" where the answer states no final usage.
        provider_cost_usd: what the provider itself says that the call cost.
        response_model: the model that answered.
        response_id: the provider's id of the answer.
        service_tier: the tier in which it was served, where that is stated.
        beside: what is billed apart from it.
        chosen: what it says of choices that prices depend on, such as `image_size`,
            by the names of the event's fields.
    """

    usage: Usage
    shape: str
    usage_source: Literal["reported", "estimated"] = "reported"
    provider_cost_usd: Decimal | None = None
    response_model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    beside: tuple[UsageBeside, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict[str, str])

    def event_fields(self) -> dict[str, Any]:
        """Return what a usage event takes of this, for `usage_recorded(...)`."""
        said = {
            "usage": self.usage,
            "usage_source": self.usage_source,
            "provider_cost_usd": self.provider_cost_usd,
            "response_model": self.response_model,
            "response_id": self.response_id,
            "service_tier": self.service_tier,
            **self.chosen,
        }
        return {name: value for name, value in said.items() if value is not None}
