"""Reservations as a program makes them: around a call, from any thread or task.

reservations = Reservations("localhost:9092")
with reservations.reserve("0.02", user="alice", model="gpt-4o"):
...  # make the call, and emit its event
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from decimal import ROUND_UP, Decimal
from types import TracebackType
from typing import Final, Self, Unpack
from uuid import UUID

from taximeter_producers.attribution import current_attribution
from taximeter_producers.call_names import call_names
from taximeter_producers.guard.asked import pico_estimated, tokens_estimated
from taximeter_producers.reservations.covering import Whom
from taximeter_producers.reservations.desk import Desk, Granted, Request, WhenUnknown
from taximeter_producers.reservations.line import Line
from taximeter_producers.reservations.reserving import Reserving
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.ids import time_ordered_id
from taximeter_schemas.money import PLACES
from taximeter_schemas.reservations import DEFAULT_EXPIRY_SECONDS
from taximeter_schemas.topics import Topics

__all__ = ["Reservations"]

log = logging.getLogger(__name__)

_ONE_PICO: Final = Decimal(1).scaleb(-PLACES)


class Reservations:
    """Reserves room in budgets before calls are made.

    Usable from any thread and any event loop. It connects when it is first used, or
    when `connect` is called; a forked child makes a connection of its own.

    Args:
        bootstrap: `host:port`, or several of them separated by commas.
        topics: names of the topics; the number of partitions is asked of Kafka.
        name: what the broker's logs, and the requests, call this program.
        timeout_seconds: how long an answer is waited for; after that each budget's own
            `when_unknown` holds.
        when_unknown: what happens to calls while Kafka has not even said which budgets
            there are.
        expires_after_seconds: how long something is held for a call at most: longer
            than any call takes, for what lapses is not held any more.
        clock: the time of requests.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Topics | None = None,
        *,
        name: str = "taximeter-reservations",
        timeout_seconds: float = 2.0,
        when_unknown: WhenUnknown = "fail_open",
        expires_after_seconds: int = DEFAULT_EXPIRY_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = topics or Topics()
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._when_unknown: WhenUnknown = when_unknown
        self._expires_after_seconds = expires_after_seconds
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._line: Line | None = None

    def connect(self) -> None:
        """Begin to connect, so that the first call need not wait for it."""
        self._opened()

    def reserve(
        self,
        estimate_usd: Decimal | str | int | None = None,
        *,
        estimate_tokens: int | None = None,
        reservation_id: UUID | None = None,
        expires_after_seconds: int | None = None,
        **whom: Unpack[Whom],
    ) -> Reserving:
        """Reserve room for a call, for as long as a `with` or `async with` block runs.

        What is not said of the call is taken from the `attribute` blocks around it;
        where those ignore budgets, nothing is asked and nothing held.
        The first event that is built inside settles the reservation; without one, it is
        released at the end.

        Args:
            estimate_usd: what the call costs at most; 0 says that it is free: no limit
                in USD is asked. Without it nothing is held of a limit in USD, and
                the call is refused once that is reached.
            estimate_tokens: how many tokens it uses at most, for limits in tokens. A
                limit in calls holds one for each.
            reservation_id: to ask for the same again; a new one otherwise.
            expires_after_seconds: instead of the usual time.
            whom: whom the call is for, and its model.

        Raises:
            ConfigurationError: an estimate is no amount.
        """
        now, around = self._clock.now(), current_attribution()
        request = Request(
            reservation_id or time_ordered_id(now),
            _usd(estimate_usd),
            expires_after_seconds or self._expires_after_seconds,
            call_names(around, **whom),
            tokens_estimated(estimate_tokens),
        )
        ask = self._ask if around.budgets_ignored is None else _let_pass
        return Reserving(ask, self._release, request)

    async def release(self, reservation_id: UUID) -> bool:
        """Let go of what is held for a call; False if nobody can be told just now."""
        line = self._opened()
        return await asyncio.wrap_future(line.do(line.desk.release(reservation_id)))

    def close(self) -> None:
        """Send what is left to send, and let go of the connection."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None and line.is_ours:
            line.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, request: Request) -> Future[Granted]:
        line = self._opened()
        return line.do(line.desk.ask(request))

    def _release(self, reservation_id: UUID, granted: Granted) -> None:
        line = self._opened()
        line.do(line.desk.release(reservation_id, granted.partitions))

    def _opened(self) -> Line:
        with self._lock:
            if self._line is None or not self._line.is_ours:
                self._line = Line(self._desk())
            return self._line

    def _desk(self) -> Desk:
        return Desk(
            self._bootstrap,
            self._topics,
            self._name,
            self._clock,
            self._timeout_seconds,
            self._when_unknown,
        )


def _let_pass(_: Request) -> Future[Granted]:
    """Hold nothing for a call that is to be made whatever the budgets say."""
    log.warning("nothing is reserved for a call that ignores budgets")
    passed = Future[Granted]()
    passed.set_result(Granted())
    return passed


def _usd(estimate: Decimal | str | int | None) -> Decimal | None:
    """Return an estimate, rounded up to what is counted in."""
    if estimate is None:
        return None
    pico_estimated(estimate)  # refuses what is no amount
    return Decimal(estimate).quantize(_ONE_PICO, ROUND_UP)
