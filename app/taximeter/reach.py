"""How a command reaches Kafka, also with everything stopped.

The embedded broker is started for as long as the command takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from taximeter.broker.embedded import prepare
from taximeter.broker.ladder import running
from taximeter.state import DataDir
from taximeter_schemas.errors import BrokerUnavailable

__all__ = ["kafka"]


@contextmanager
def kafka(
    place: DataDir, given: str | None, say: Callable[[str], None]
) -> Iterator[str]:
    """Give Kafka's address for as long as the block runs.

    It is the one given, or the one that the parts in the data directory use, or the
    directory's own broker, started for this and stopped again.

    Raises:
        BrokerUnavailable: there is none of these.
        DataDirInUse: the broker would have to be started, and somebody else is at it.
    """
    known = _known(place, given)
    if known:
        yield known
        return
    with place.held():
        say("starting the embedded broker for this command")
        with running(prepare(place.broker, say)) as bootstrap:
            yield bootstrap


def _known(place: DataDir, given: str | None) -> str | None:
    try:
        return place.bootstrap(given)
    except BrokerUnavailable:
        if not (place.broker / "logs").exists():
            raise
        return None
