"""The budgets that are defined now, as every worker has to know them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydantic import ValidationError

from taximeter_processors.feed import Feed
from taximeter_processors.kafka import LogRecord
from taximeter_schemas.budgets import (
    BudgetEvent,
    BudgetRemoved,
    budget_event_adapter,
    budget_key,
)
from taximeter_schemas.topics import Topics

__all__ = ["BudgetFeed"]

log = logging.getLogger(__name__)


class BudgetFeed(Feed):
    """Follows the `budgets` topic.

    Args:
        bootstrap: Kafka's address.
        topics: the installation's topics.
        on_event: told of every change, from the first one on.
    """

    def __init__(
        self, bootstrap: str, topics: Topics, on_event: Callable[[BudgetEvent], None]
    ) -> None:
        super().__init__(bootstrap, topics.budgets.name, self._learn)
        self._on_event = on_event
        self._in_force: dict[bytes, BudgetEvent] = {}

    def in_force(self) -> list[BudgetEvent]:
        """Return what is in force, as far as the topic has been read."""
        return list(self._in_force.values())

    def _learn(self, record: LogRecord) -> None:
        try:
            event = budget_event_adapter.validate_json(record.value or b"")
        except ValidationError as error:
            log.error("budgets@%d is not a budget: %s", record.offset, error)
            return
        key = budget_key(event)
        self._in_force.pop(key, None)
        if not isinstance(event, BudgetRemoved):
            self._in_force[key] = event
        self._on_event(event)
