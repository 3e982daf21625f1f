"""Where the ledger is read: from the sink while one runs, else from the file.

Which of the two it is can change at any moment, so every reader comes through here.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from taximeter.settings import CommonSettings, read
from taximeter.state import DataDir
from taximeter_schemas.errors import LedgerUnavailable
from taximeter_sinks.quack import ServedLedger
from taximeter_sinks.queries import Ledger

__all__ = ["open_ledger", "quack_token", "served_ledger"]

_PATIENCE_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.1


def open_ledger(data: DataDir, patience_seconds: float = _PATIENCE_SECONDS) -> Ledger:
    """Open the ledger of a data directory for reading.

    A sink that is starting holds the file before it serves it; that moment is waited
    for rather than reported, now and between two questions.

    Raises:
        LedgerUnavailable: there is no ledger, or what holds it does not serve it.
        LedgerTooNew: a newer Taximeter wrote it.
    """
    locate = partial(served_ledger, data)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            served = served_ledger(data)
            return Ledger.open(data.ledger, served, locate, patience_seconds)
        except LedgerUnavailable:
            if not data.ledger.exists() or time.monotonic() >= deadline:
                raise
            time.sleep(_LOOK_SECONDS)


def served_ledger(data: DataDir) -> ServedLedger | None:
    """Return where a sink serves the ledger: the one that runs here, or one elsewhere.

    `TAXIMETER_QUACK_HOST` and `TAXIMETER_QUACK_PORT` name one on another machine.
    """
    settings = read(CommonSettings, data=data.path)
    sink = data.state("sink")
    if sink is not None and sink.running and "quack" in sink.urls:
        host, _, port = sink.urls["quack"].removeprefix("quack:").rpartition(":")
        return ServedLedger(host, int(port), quack_token(settings, data))
    if settings.quack_host and settings.quack_port:
        token = quack_token(settings, data)
        return ServedLedger(settings.quack_host, settings.quack_port, token)
    return None


def quack_token(settings: CommonSettings, data: DataDir) -> str:
    """Return the secret with which the ledger is read: as set, or as kept."""
    if settings.quack_token is not None:
        return settings.quack_token.get_secret_value()
    return data.quack_token()
