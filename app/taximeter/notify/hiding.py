"""The log of a process that knows secrets: none of them is written into it."""

from __future__ import annotations

import logging
from typing import Final

from taximeter.notify.secret_values import Secrets

__all__ = ["hide_in_logs"]

# They name the addresses that they talk to.
_TELLTALES: Final = ("httpx", "httpcore", "urllib3", "requests", "apprise")


def hide_in_logs(secrets: Secrets) -> None:
    """Take the secrets out of whatever this process logs, tracebacks included."""
    for name in _TELLTALES:
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Hiding(handler.formatter, secrets))


class _Hiding(logging.Formatter):
    def __init__(self, inner: logging.Formatter | None, secrets: Secrets) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return self._secrets.hidden(self._inner.format(record))
