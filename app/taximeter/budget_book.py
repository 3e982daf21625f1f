"""The budgets in force and who is on which plan, read from their topic and written."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from taximeter.broker.topic_io import TopicRecord, publish, read_topic
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
    budget_event_adapter,
    budget_key,
)
from taximeter_schemas.topics import Topics

__all__ = ["Book", "in_force", "publish_budgets", "read_book", "this_person"]


@dataclass
class Book:
    """What is in force: budgets by their id, and assignments to plans by user."""

    budgets: dict[str, BudgetDefined] = field(default_factory=dict[str, BudgetDefined])
    plans: dict[str, PlanAssigned] = field(default_factory=dict[str, PlanAssigned])

    def learn(self, event: BudgetEvent) -> None:
        """Take the next event in."""
        if isinstance(event, PlanAssigned):
            self.plans.pop(event.user_id, None)
            if event.plan is not None:
                self.plans[event.user_id] = event
            return
        self.budgets.pop(event.budget_id, None)
        if not isinstance(event, BudgetRemoved):
            self.budgets[event.budget_id] = event


async def read_book(bootstrap: str, topics: Topics) -> Book:
    """Return what is in force.

    Raises:
        BrokerUnavailable: no broker answers.
    """
    return in_force(await read_topic(bootstrap, topics.budgets))


def in_force(records: Iterable[TopicRecord]) -> Book:
    """Return what stands at the end of the topic; what is no event is passed over."""
    book = Book()
    for record in records:
        try:
            event = budget_event_adapter.validate_json(record.value or b"")
        except ValidationError:
            continue
        book.learn(event)
    return book


async def publish_budgets(
    bootstrap: str, topics: Topics, events: Sequence[BudgetEvent]
) -> None:
    """Write definitions, removals and assignments; return when Kafka has them.

    Raises:
        BrokerUnavailable: Kafka did not take them.
    """
    encoded = [(budget_key(e), e.model_dump_json().encode()) for e in events]
    await publish(bootstrap, topics.budgets, encoded)


def this_person() -> str:
    """Return who runs this program, as far as the machine knows: `alice@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:256]
