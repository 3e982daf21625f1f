"""Asks every budget that a call needs, and gives back what was granted in vain.

It lives in one event loop; `reservations.py` is what callers hold.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from taximeter_producers.emitter import Rarely
from taximeter_producers.reservations.answers import Answers, Awaited
from taximeter_producers.reservations.covering import Asked, Blocking
from taximeter_producers.reservations.kafka import Wire
from taximeter_schemas.clock import Clock
from taximeter_schemas.errors import ReservationDenied, ReservationUnanswered
from taximeter_schemas.partitioning import partition_of
from taximeter_schemas.reservations import (
    ReservationAnswered,
    ReservationReleased,
    ReservationRequested,
)
from taximeter_schemas.spend import subject_key
from taximeter_schemas.subjects import Subject
from taximeter_schemas.topics import Topics

__all__ = ["Desk", "Granted", "Request", "WhenUnknown", "denied_by"]

log = logging.getLogger(__name__)

WhenUnknown = Literal["fail_open", "fail_closed"]
"""What to do with a call when nobody says whether there is room for it."""


@dataclass(frozen=True)
class Request:
    """What is asked for; `call` is what the call is, by the dimensions of spend.

    An estimate of None is nobody's guess; one of 0 USD says that the call is free.
    """

    reservation_id: UUID
    estimate_usd: Decimal | None
    expires_after_seconds: int
    call: Mapping[str, str]
    estimate_tokens: int | None = None

    @property
    def is_free(self) -> bool:
        """Whether the call is known to cost nothing."""
        return self.estimate_usd == 0


@dataclass(frozen=True)
class Granted:
    """What was granted.

    `unheld` are the budgets that did not answer, and let calls through then;
    `partitions` are those where something may be held.
    """

    answers: Sequence[ReservationAnswered] = ()
    unheld: Sequence[str] = ()
    partitions: frozenset[int] = frozenset()


class Desk:
    """Asks for reservations, and releases them.

    Args:
        bootstrap: `host:port`, or several of them separated by commas.
        topics: names of the topics.
        name: what the broker's logs, and the requests, call this program.
        clock: the time of requests.
        timeout_seconds: how long an answer is waited for.
        when_unknown: what happens to calls while the budgets are not known.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Topics,
        name: str,
        clock: Clock,
        timeout_seconds: float,
        when_unknown: WhenUnknown,
    ) -> None:
        self._name = name
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._when_unknown = when_unknown
        self._blocking = Blocking()
        self._answers = Answers()
        self._rarely = Rarely()
        self._wire = Wire(
            bootstrap,
            topics,
            name,
            lambda _, value: self._blocking.learn(value or b""),
            self._answers.take,
        )

    async def run(self) -> None:
        """Keep the connection up, until it is cancelled."""
        await self._wire.run()

    async def ask(self, request: Request) -> Granted:
        """Ask every budget that the call needs; all of them grant it, or none.

        Raises:
            ReservationDenied: a budget has no room for it.
            ReservationUnanswered: one did not answer, and is to be closed then.
        """
        if request.is_free and not self._wire.is_ready:
            return Granted()  # a free model does not depend on what nobody knows
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        if not await self._is_ready(deadline):
            self._pass_unknown([], self._when_unknown == "fail_closed")
            return Granted()
        asked = self._covering(request)
        ids = [one.budget.budget_id for one in asked]
        with self._answers.expect(request.reservation_id, ids) as awaited:
            try:
                await self._send(request, asked)
                await _all_of(awaited.values(), deadline)
                return self._verdict(asked, awaited)
            except BaseException:
                held = [one for one in asked if _may_hold(awaited[_id(one)])]
                await self.release(request.reservation_id, self._places(held))
                raise

    def _covering(self, request: Request) -> list[Asked]:
        now, is_free = self._clock.now(), request.is_free
        return list(self._blocking.covering(request.call, now, is_free=is_free))

    async def release(
        self, reservation_id: UUID, partitions: Iterable[int] | None = None
    ) -> bool:
        """Let go of what is held for a call; False if it cannot be said just now.

        Args:
            reservation_id: the call's.
            partitions: where something may be held; None for everywhere.
        """
        released = ReservationReleased(
            event_type="ReservationReleased",
            reservation_id=reservation_id,
            released_at=self._clock.now(),
        )
        if partitions is None:  # how many there are is known once Kafka answers
            loop = asyncio.get_running_loop()
            await self._is_ready(loop.time() + self._timeout_seconds)
        everywhere = range(self._wire.partitions)
        value = released.model_dump_json().encode()
        try:
            for partition in everywhere if partitions is None else partitions:
                await self._wire.send(partition, str(reservation_id).encode(), value)
        except OSError as error:
            log.warning("reservation %s lapses by itself: %s", reservation_id, error)
            return False
        return bool(everywhere)

    async def _is_ready(self, deadline: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._wire.ready()
                return True
        return False

    async def _send(self, request: Request, asked: Iterable[Asked]) -> None:
        with suppress(OSError):  # then nobody answers, and that is seen
            for budget, subject in asked:
                event = ReservationRequested(
                    event_type="ReservationRequested",
                    reservation_id=request.reservation_id,
                    budget_id=budget.budget_id,
                    subject_kind=subject.kind,
                    subject_id=subject.id,
                    estimate_usd=request.estimate_usd,
                    estimate_tokens=request.estimate_tokens,
                    expires_after_seconds=request.expires_after_seconds,
                    occurred_at=self._clock.now(),
                    requested_by=self._name,
                )
                key, value = subject_key(subject), event.model_dump_json().encode()
                owner = partition_of(key, self._wire.partitions)
                await self._wire.send(owner, key, value)

    def _verdict(self, asked: list[Asked], awaited: Mapping[str, Awaited]) -> Granted:
        answers = [one.result() for one in awaited.values() if one.done()]
        for answer in answers:
            if answer.outcome == "denied":
                raise denied_by(answer)
        granted = [answer for answer in answers if answer.outcome == "granted"]
        known = {answer.budget_id for answer in granted}
        unknown = [one.budget for one in asked if _id(one) not in known]
        closed = [b.budget_id for b in unknown if b.when_unknown == "fail_closed"]
        unheld = [budget.budget_id for budget in unknown]
        if unheld:
            self._pass_unknown(closed or unheld, bool(closed))
        return Granted(granted, unheld, self._places(asked))

    def _pass_unknown(self, budget_ids: Sequence[str], closed: bool) -> None:
        error = ReservationUnanswered(budget_ids, self._timeout_seconds)
        if closed:
            raise error
        if self._rarely.now():
            log.warning("calls are let through with nothing reserved: %s", error)

    def _places(self, asked: Iterable[Asked]) -> frozenset[int]:
        keys = (subject_key(one.subject) for one in asked)
        return frozenset(partition_of(key, self._wire.partitions) for key in keys)


def _id(asked: Asked) -> str:
    return asked.budget.budget_id


def _may_hold(awaited: Awaited) -> bool:
    return not awaited.done() or awaited.result().outcome == "granted"


async def _all_of(awaited: Iterable[Awaited], deadline: float) -> None:
    left = deadline - asyncio.get_running_loop().time()
    if waiting := list(awaited):
        await asyncio.wait(waiting, timeout=max(left, 0))


def denied_by(answer: ReservationAnswered) -> ReservationDenied:
    """Return what is raised for an answer that denies."""
    amounts, subject = answer.amounts, Subject(answer.subject_kind, answer.subject_id)
    return ReservationDenied(
        answer.budget_id,
        (answer.subject_kind, *subject.values),
        spent=amounts.spent,
        reserved=amounts.reserved,
        limit=amounts.limit,
        estimate=amounts.estimate,
        unit=answer.unit,
    )
