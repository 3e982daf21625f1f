"""The whole system as child processes: what `up` and `demo` bring up and take down."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from taximeter.broker.admin import check_broker, ensure_topics
from taximeter.broker.jars import FETCHING, have_jars
from taximeter.broker.ports import (
    HOST,
    USUAL_API_PORT,
    claim,
    free_port,
    is_free,
    kept_port,
)
from taximeter.state import DataDir
from taximeter.supervisor import PartSpec, Supervisor
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics

__all__ = ["Addresses", "Plan", "running"]

# Where alerts lead to, if nobody says otherwise: the page of this very system.
_PAGE = "TAXIMETER_PUBLIC_URL"
_LOOK_SECONDS = 1.0
_FETCH_SECONDS = 600.0
_ATTEMPT_SECONDS = 20.0


@dataclass(frozen=True)
class Plan:
    """What to bring up, and where.

    Without `bootstrap` the embedded broker is part of it. `api_port` None takes the
    usual port or any free one, 0 any free one; a port that is named must be free.
    `notify` is the file by which alerts are delivered; without it they are not.
    """

    data: DataDir
    topics: Topics
    bootstrap: str | None = None
    workers: int = 1
    api_port: int | None = None
    notify: Path | None = None


@dataclass(frozen=True)
class Addresses:
    """Where a running system is found."""

    api: str
    kafka: str
    quack: str
    data: str

    def __str__(self) -> str:
        return f"api={self.api} kafka={self.kafka} quack={self.quack} data={self.data}"


@asynccontextmanager
async def running(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[Addresses]:
    """Run the system for as long as the block runs; every part is ready in it.

    Raises:
        DataDirInUse: another instance holds the data directory.
        ConfigurationError: a port is taken, or a topic does not fit.
        BrokerUnavailable: the broker given does not answer.
        PartFailed: a part did not start. Whatever had been started is stopped.
    """
    with plan.data.held():
        supervisor = Supervisor(plan.data.logs, say)
        try:
            # Settled before anything starts, and for good: a part that is started
            # again is found where it was.
            ports = _Ports(_api_port(plan), kept_port(plan.data.path / "quack.port"))
            kafka = await _broker(plan, supervisor, say)
            await ensure_topics(kafka, plan.topics)
            await supervisor.start(_parts(plan, kafka, ports))
            yield _addresses(plan, kafka)
        finally:
            await supervisor.stop()
            for state in plan.data.states():
                plan.data.remove_state(state.name)


async def _broker(
    plan: Plan, supervisor: Supervisor, say: Callable[[str], None]
) -> str:
    if plan.bootstrap:
        await check_broker(plan.bootstrap)
        return plan.bootstrap
    if not have_jars():
        say(FETCHING)
    port = kept_port(plan.data.broker / "port")
    await supervisor.start([_embedded(plan, port)])
    return f"{HOST}:{port}"


def _embedded(plan: Plan, port: int) -> PartSpec:
    async def ready(_pid: int) -> bool:
        return await _answers(f"{HOST}:{port}")

    command = _command(plan, "broker", "--port", str(port))
    return PartSpec("broker", command, ready, _FETCH_SECONDS, stop_order=3)


async def _answers(kafka: str) -> bool:
    try:
        return await check_broker(kafka, _LOOK_SECONDS) > 0
    except BrokerUnavailable:
        return False


@dataclass(frozen=True)
class _Ports:
    api: int
    quack: int


def _api_port(plan: Plan) -> int:
    if plan.api_port:
        return claim(plan.api_port, "API")
    usual_will_do = plan.api_port is None and is_free(USUAL_API_PORT)
    return USUAL_API_PORT if usual_will_do else free_port()


def _parts(plan: Plan, kafka: str, ports: _Ports) -> list[PartSpec]:
    """Return all but the broker, to be stopped so that nothing is left on the way.

    First nothing comes in any more, then what came in is charged, then the sink
    takes what there is, and the broker goes last.
    """
    page = {_PAGE: f"http://{HOST}:{ports.api}/#budgets"}

    def part(
        name: str, order: int, *arguments: str, stop_seconds: float = 5.0
    ) -> PartSpec:
        prefix, partitions = plan.topics.prefix, str(plan.topics.partitions)
        topics = ("--prefix", prefix, "--partitions", partitions)
        command = _command(plan, *arguments, "--bootstrap", kafka, *topics)
        return PartSpec(
            name,
            command,
            _says_so(plan.data, name),
            stop_order=order,
            stop_seconds=stop_seconds,
            has_its_needs=lambda: _answers(kafka),
            settings=page,
        )

    workers = [f"worker-{number}" for number in range(1, plan.workers + 1)]
    return [
        part("api", 0, "api", "--port", str(ports.api)),
        *(part(name, 1, "worker", "--name", name) for name in workers),
        *_notifiers(plan, part),
        part("sink", 2, "sink", "--quack-port", str(ports.quack)),
    ]


def _notifiers(plan: Plan, part: Callable[..., PartSpec]) -> list[PartSpec]:
    """Return the notifier, if there is one; it ends after the attempt it has begun."""
    if plan.notify is None:
        return []
    config = ("--config", str(plan.notify))
    return [part("notify", 1, "notify", *config, stop_seconds=_ATTEMPT_SECONDS)]


def _command(plan: Plan, part: str, *arguments: str) -> tuple[str, ...]:
    python = (sys.executable, "-m", "taximeter.cli")
    return (*python, part, "--data", str(plan.data.path), *arguments)


def _says_so(data: DataDir, name: str) -> Callable[[int], Awaitable[bool]]:
    async def ready(pid: int) -> bool:
        state = data.state(name)
        return state is not None and state.pid == pid

    return ready


def _addresses(plan: Plan, kafka: str) -> Addresses:
    urls: dict[str, str] = {}
    for state in plan.data.states():
        urls |= state.urls
    return Addresses(
        api=urls.get("api", ""),
        kafka=kafka,
        quack=urls.get("quack", ""),
        data=str(plan.data.path),
    )
