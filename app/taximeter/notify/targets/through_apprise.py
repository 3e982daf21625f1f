"""Slack, Teams, Discord, PagerDuty and a hundred others, through Apprise.

Apprise answers yes or no, and logs why. Its log is kept out of ours, since it may
name what it was given, and read for the reason of a refusal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from taximeter.notify.alert import Severity
from taximeter.notify.messages import Message
from taximeter.notify.targets.refused import Refused
from taximeter_schemas.errors import ConfigurationError

__all__ = ["AppriseTarget"]

_MAX_REASON: Final = 200
_KINDS: Final[dict[Severity, str]] = {
    "info": "info",
    "warning": "warning",
    "critical": "failure",
}


class AppriseTarget:
    """One Apprise address.

    Raises:
        ConfigurationError: Apprise is not installed, or knows no such address.
    """

    def __init__(self, url: str) -> None:
        try:
            import apprise  # noqa: PLC0415 - a second of imports, for this kind alone
        except ImportError:
            raise ConfigurationError(
                "to: needs Apprise: pip install 'taximeter[notify]'"
            ) from None
        with _apprise_log():
            asset = apprise.AppriseAsset(secure_logging=True, async_mode=False)
            self._service: Any = apprise.Apprise(asset=asset)
            known = self._service.add(url)
        if not known:
            raise ConfigurationError("to: is no address that Apprise knows")

    async def send(self, message: Message) -> None:
        """Hand the message to the service."""
        refusal = await asyncio.to_thread(self._send, message)
        if refusal is not None:
            raise Refused(refusal)

    def _send(self, message: Message) -> str | None:
        with _apprise_log() as said:
            try:
                accepted = self._service.notify(
                    title=message.title,
                    body=message.body,
                    notify_type=_KINDS[message.severity],
                    body_format="text",
                )
            except Exception as error:
                return f"Apprise: {type(error).__name__}"
        return None if accepted else (said[-1] if said else "Apprise: not accepted")


class _Said(logging.Handler):
    """Keeps what Apprise says for whoever it says it about.

    Apprise works in threads of its own, and takes the caller's context along.
    """

    def emit(self, record: logging.LogRecord) -> None:
        words = _words.get()
        if words is not None and record.levelno >= logging.WARNING:
            words.append(record.getMessage()[:_MAX_REASON].rstrip("."))


@contextmanager
def _apprise_log() -> Iterator[list[str]]:
    """Keep what Apprise says meanwhile, and away from every other log."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(_KEPT)
    words: list[str] = []
    before = _words.set(words)
    try:
        yield words
    finally:
        _words.reset(before)


_words: Final[ContextVar[list[str] | None]] = ContextVar("words", default=None)
_KEPT: Final = _Said()
