"""A worker killed between any two of its steps: the next one goes on from there.

Several workers are killed one after the other on each of some installations, which run
at once on one broker: most of the time is waiting for a dead worker's session to end.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import pytest

from taximeter_schemas.fault_points import OPENING, VARIABLE, WORKER_POINTS
from taximeter_schemas.usage import UsageRecorded
from tests.faults.books import assert_books
from tests.faults.installations import Installation, an_installation
from tests.faults.stream import a_stream, flow

pytestmark = pytest.mark.broker

AT_ONCE = 6
# One behind the other, so that those that open a partition come after a flush.
CHAINS = [WORKER_POINTS[at::AT_ONCE] for at in range(AT_ONCE)]
TIMES = 3
LEG_SECONDS = 1.0


async def killed_at(
    place: Installation, point: str, calls: list[UsageRecorded]
) -> None:
    """Run a worker, and send it something, until it comes to a place and is killed."""
    worker = place.workers.start(**{VARIABLE: f"{point}:{TIMES}"})
    if point not in OPENING:
        await asyncio.to_thread(worker.ready)
    await flow(place.side, calls, LEG_SECONDS)
    code = await asyncio.to_thread(worker.ended)
    assert code == -signal.SIGKILL, (point, worker.errors())


async def run_chain(
    place: Installation, points: tuple[str, ...], checking: asyncio.Lock
) -> None:
    """Kill a worker at each place; the last one lives, and the books agree."""
    stream = a_stream(2_000)
    await place.side.define(*stream.budgets)
    *parts, rest = stream.parts(len(points) + 1)
    for point, part in zip(points, parts, strict=True):
        await killed_at(place, point, part)
    place.workers.start()
    await flow(place.side, rest, LEG_SECONDS)
    async with checking:
        await assert_books(place, stream)


@pytest.fixture(scope="module")
def outcomes(
    bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, BaseException | None]:
    """Run every chain, and return how it ended, by each of its places."""
    home = tmp_path_factory.mktemp("points")

    async def all_chains() -> list[BaseException | None]:
        async with AsyncExitStack() as stack:
            # One after the other: a broker that makes many topics at once is slow.
            places = [
                await stack.enter_async_context(an_installation(bootstrap, home))
                for _ in CHAINS
            ]
            # Each check is seconds of work for this one process: one at a time.
            checking = asyncio.Lock()
            runs = (
                run_chain(place, points, checking)
                for place, points in zip(places, CHAINS, strict=True)
            )
            return await asyncio.gather(*runs, return_exceptions=True)

    ended = zip(CHAINS, asyncio.run(all_chains()), strict=True)
    return {point: outcome for points, outcome in ended for point in points}


@pytest.mark.parametrize("point", WORKER_POINTS)
def test_a_worker_killed_between_two_steps_loses_and_doubles_nothing(
    point: str, outcomes: dict[str, BaseException | None]
) -> None:
    """Killed there in the middle of a stream: every event is charged once."""
    ended = outcomes[point]
    if ended is not None:
        raise ended
