"""The answers that somebody in this process waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from pydantic import ValidationError

from taximeter_schemas.records import explained
from taximeter_schemas.reservations import ReservationAnswered

__all__ = ["Answers", "Awaited"]

log = logging.getLogger(__name__)

Awaited = asyncio.Future[ReservationAnswered]


class Answers:
    """Hands each answer to those who wait for it; all in one event loop."""

    def __init__(self) -> None:
        # The key of the record first: most are for other processes, and not decoded.
        self._waiting: dict[bytes, list[tuple[str, Awaited]]] = {}

    @contextmanager
    def expect(
        self, reservation_id: UUID, budget_ids: list[str]
    ) -> Iterator[dict[str, Awaited]]:
        """Expect an answer from each of these budgets for as long as the block runs."""
        loop = asyncio.get_running_loop()
        awaited = {budget_id: loop.create_future() for budget_id in budget_ids}
        key, mine = str(reservation_id).encode(), list(awaited.items())
        waiting = self._waiting.setdefault(key, [])
        waiting += mine
        try:
            yield awaited
        finally:
            self._waiting[key] = [one for one in self._waiting[key] if one not in mine]
            if not self._waiting[key]:
                del self._waiting[key]

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take a record of the topic."""
        waiting = self._waiting.get(key or b"")
        if waiting is None:
            return
        try:
            answer = ReservationAnswered.model_validate_json(value or b"")
        except ValidationError as error:
            log.error("an answer cannot be read: %s", explained(error))
            return
        for budget_id, awaited in waiting:
            if budget_id == answer.budget_id and not awaited.done():
                awaited.set_result(answer)
