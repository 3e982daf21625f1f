"""One reservation: a block of code around one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from decimal import Decimal
from types import TracebackType
from uuid import UUID

from taximeter_producers.attribution import Reserved, reserved
from taximeter_producers.reservations.desk import Granted, Request

__all__ = ["Reservation", "Reserving"]


class Reservation:
    """What was reserved for a call.

    Attributes:
        estimate_usd: so much, in each budget in USD that the call needs.
        granted: what the budgets answered, and which did not.
    """

    def __init__(
        self, by: Reserved, estimate_usd: Decimal | None, granted: Granted
    ) -> None:
        self.estimate_usd = estimate_usd
        self.granted = granted
        self._by = by

    @property
    def reservation_id(self) -> UUID:
        """What the call's event has to name; inside the block it does by itself."""
        return self._by.reservation_id

    def keep(self) -> None:
        """Do not release it at the end of the block: its event comes another way."""
        self._by.taken = True


class Reserving:
    """Asks at the beginning of a block, and gives back what was not used at its end.

    Whoever is refused gets `ReservationDenied`, which is a `BudgetExceeded`, and the
    block is not entered.

    Args:
        ask: asks for room.
        release: lets go of it, without waiting.
        request: what is asked for.

    Attributes:
        request: the same.
    """

    def __init__(
        self,
        ask: Callable[[Request], Future[Granted]],
        release: Callable[[UUID, Granted], object],
        request: Request,
    ) -> None:
        self._ask = ask
        self._release = release
        self.request = request
        self._by = Reserved(request.reservation_id)
        self._granted = Granted()
        self._around: AbstractContextManager[None] = reserved(self._by)

    def __enter__(self) -> Reservation:
        asked = self._ask(self.request)
        try:
            return self._begun(asked.result())
        except BaseException:
            asked.cancel()  # interrupted while it waited: nothing is to be held for it
            raise

    async def __aenter__(self) -> Reservation:
        return self._begun(await asyncio.wrap_future(self._ask(self.request)))

    async def begin(self) -> Reservation:
        """Reserve without a block: its event comes from elsewhere, or a release.

        Raises:
            ReservationDenied: a budget has no room for it.
            ReservationUnanswered: one did not answer, and is to be closed then.
        """
        granted = await asyncio.wrap_future(self._ask(self.request))
        return Reservation(self._by, self.request.estimate_usd, granted)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._around.__exit__(kind, error, trace)
        if self._granted.partitions and not self._by.taken:
            self._release(self.request.reservation_id, self._granted)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _begun(self, granted: Granted) -> Reservation:
        self._granted = granted
        self._around.__enter__()
        return Reservation(self._by, self.request.estimate_usd, granted)
