"""How a command reaches what it needs: Kafka, and the ledger.

Both are as easy to reach with everything stopped: the embedded broker is started
for as long as the command takes, and the ledger file is opened directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from taximeter.broker.embedded import prepare
from taximeter.broker.ladder import running
from taximeter.settings import CommonSettings, read
from taximeter.state import DataDir
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_sinks.quack import ServedLedger
from taximeter_sinks.queries import Ledger

__all__ = ["kafka", "open_ledger", "token_of"]


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


def open_ledger(place: DataDir, settings: CommonSettings | None = None) -> Ledger:
    """Open the ledger for reading: as a sink serves it, or from the file.

    Args:
        place: the data directory, whose sink is asked if one runs.
        settings: may name a sink elsewhere, with `quack_host` and `quack_port`.
    """
    served = _served(place, settings or read(CommonSettings, data=place.path))
    return Ledger.open(place.ledger, served)


def token_of(settings: CommonSettings, place: DataDir) -> str:
    """Return the secret with which the ledger is read."""
    if settings.quack_token is not None:
        return settings.quack_token.get_secret_value()
    return place.quack_token()


def _served(place: DataDir, settings: CommonSettings) -> ServedLedger | None:
    state = place.state("sink")
    if state is not None and state.running and "quack" in state.urls:
        address = state.urls["quack"].removeprefix("quack:")
        host, _, port = address.rpartition(":")
        return ServedLedger(host, int(port), token_of(settings, place))
    if settings.quack_host and settings.quack_port:
        token = token_of(settings, place)
        return ServedLedger(settings.quack_host, settings.quack_port, token)
    return None
