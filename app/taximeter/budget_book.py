"""The budgets in force, read from their topic and written to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from taximeter.broker.topic_io import TopicRecord, publish, read_topic
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    PlanAssigned,
    budget_event_adapter,
    budget_key,
)
from taximeter_schemas.topics import Topics

__all__ = ["budgets_in_force", "defined_budgets", "publish_budgets"]


async def defined_budgets(bootstrap: str, topics: Topics) -> dict[str, BudgetDefined]:
    """Return every budget in force, by its id.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    return budgets_in_force(await read_topic(bootstrap, topics.budgets))


def budgets_in_force(records: Iterable[TopicRecord]) -> dict[str, BudgetDefined]:
    """Return what stands at the end of the topic; what is no budget is passed over."""
    defined: dict[str, BudgetDefined] = {}
    for record in records:
        try:
            event = budget_event_adapter.validate_json(record.value or b"")
        except ValidationError:
            continue
        if isinstance(event, PlanAssigned):
            continue
        defined.pop(event.budget_id, None)
        if isinstance(event, BudgetDefined):
            defined[event.budget_id] = event
    return defined


async def publish_budgets(
    bootstrap: str, topics: Topics, events: Sequence[BudgetEvent]
) -> None:
    """Write definitions and removals; return when Kafka has them.

    Raises:
        BrokerUnavailable: Kafka did not take them.
    """
    records = [
        (budget_key(event), event.model_dump_json().encode()) for event in events
    ]
    await publish(bootstrap, topics.budgets, records)
