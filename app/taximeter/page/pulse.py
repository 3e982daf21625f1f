"""The ledger's pulse: one look a second, however many people look at the page.

While somebody waits, the ledger is asked how far it has come; whoever waits is told
when that has changed, and of the same question only the first is asked anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NamedTuple

from taximeter.api.services import LedgerDesk
from taximeter.page.figures import ledger_version
from taximeter_schemas.errors import LedgerError

__all__ = ["Beat", "Pulse"]

_LOOK_SECONDS: Final = 1.0
_KEPT: Final = 500


class Beat(NamedTuple):
    """How the ledger stands: a number that changes with it, or why it is away."""

    number: int
    away: str | None = None


class Pulse:
    """Looks at a ledger while anybody listens.

    Args:
        desk: where it is asked.
        seconds: between two looks.
    """

    def __init__(self, desk: LedgerDesk, seconds: float = _LOOK_SECONDS) -> None:
        self._desk = desk
        self._seconds = seconds
        self._beat: Beat | None = None
        self._moved = asyncio.Condition()
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Future[str]] = {}

    @property
    def listeners(self) -> int:
        """How many listen."""
        return self._listeners

    async def __aenter__(self) -> Pulse:
        """Begin to listen."""
        self._listeners += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more; the last one turns off the light."""
        self._listeners -= 1
        if not self._listeners and self._looking is not None:
            self._looking.cancel()
            self._looking, self._beat = None, None

    async def after(self, known: Beat | None, seconds: float) -> Beat | None:
        """Return a beat other than `known`, or `known` when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self._beat not in (None, known))
                return self._beat
        return known

    async def shared(self, key: str, ask: Callable[[], Awaitable[str]]) -> str:
        """Return an answer that holds until the next beat, asked for once."""
        if len(self._answers) > _KEPT:
            self._answers = {}
        if key not in self._answers:
            self._answers[key] = asyncio.ensure_future(ask())
        return await asyncio.shield(self._answers[key])

    async def _look(self) -> None:
        while True:
            beat = await self._felt()
            if beat != self._beat:
                async with self._moved:
                    self._beat, self._answers = beat, {}
                    self._moved.notify_all()
            await asyncio.sleep(self._seconds)

    async def _felt(self) -> Beat:
        try:
            return Beat(await self._desk.ask(ledger_version))
        except LedgerError as error:
            return Beat(0, str(error))
