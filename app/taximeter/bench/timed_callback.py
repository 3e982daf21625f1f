"""Callbacks for the bench's proxies: one that does nothing, and ours with a stopwatch.

A proxy imports this, so it needs nothing that a proxy's environment has not.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from time import clock_gettime, pthread_getcpuclockid, thread_time
from typing import Final

from litellm.integrations.custom_logger import CustomLogger

from taximeter.litellm_proxy import LiteLLM_PROXY_Callback, made
from taximeter_producers.emitter import TakesEvents

__all__ = ["idle", "timed"]

idle: CustomLogger
"""Is told of everything and does nothing."""

timed: _Timed
"""Ours; now and then it writes what its work took so far into a file."""

_EVERY: Final = 100
_MAKES: Final = "taximeter-later"
_SENDS: Final = "taximeter-emitter"


class _Timed(LiteLLM_PROXY_Callback):
    """Counts the CPU time of its hooks, and of the thread that sends their events."""

    def __init__(
        self, emitter: TakesEvents, source: str, *, gather_seconds: float
    ) -> None:
        super().__init__(emitter, source, gather_seconds=gather_seconds)
        self._calls, self._seconds, self._before = 0, 0.0, (0.0, 0.0)
        self._place = Path(os.environ["TAXIMETER_BENCH_TIMES"])

    def log_pre_api_call(self, model: str, messages: object, kwargs: object) -> None:
        """Do what the real one does, on the clock."""
        began = thread_time()
        super().log_pre_api_call(model, messages, kwargs)
        self._seconds += thread_time() - began

    def _emit(
        self,
        call: object,
        response: object,
        start: object,
        end: object,
        *,
        failed: bool = False,
    ) -> None:
        began = thread_time()
        super()._emit(call, response, start, end, failed=failed)
        self._seconds += thread_time() - began
        self._calls += 1
        if self._calls == _EVERY:  # warmed up, and connected
            self._seconds = 0.0
            self._before = _seconds_of(_MAKES), _seconds_of(_SENDS)
        elif self._calls % _EVERY == 0:
            self._write()

    def _write(self) -> None:
        found = {
            "calls": self._calls - _EVERY,
            "hooks": self._seconds,
            "making": _seconds_of(_MAKES) - self._before[0],
            "sending": _seconds_of(_SENDS) - self._before[1],
        }
        self._place.write_text(json.dumps(found))


def _seconds_of(name: str) -> float:
    idents = (
        thread.ident
        for thread in threading.enumerate()
        if thread.name == name and thread.ident is not None
    )
    return sum(clock_gettime(pthread_getcpuclockid(ident)) for ident in idents)


def __getattr__(name: str) -> object:
    """Make the callback that a proxy asks for."""
    if name == "idle":
        return CustomLogger()
    if name == "timed":
        return globals().setdefault(name, made(_Timed))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
