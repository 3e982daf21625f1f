"""Ends of processes that `atexit` does not hear of: those of pools' processes.

`multiprocessing`, its pools and Celery's end a child with `os._exit`, and before that
call functions of their own lists. Names of libraries and of what is in them stand here
and nowhere else; they are looked at, never imported: a process in which nobody imported
them is none of their children.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["at_pool_end", "at_pool_end_of_child"]

_PROCESSES: Final = "multiprocessing.util"
_CELERY: Final = "celery.signals"
_LAST: Final = 0  # of those that are called before the children are waited for


def at_pool_end(end: Callable[[], object]) -> None:
    """Have this called before the process ends, if it is one of a pool."""
    processes: Any = sys.modules.get(_PROCESSES)
    if processes is not None:
        processes.Finalize(None, end, exitpriority=_LAST)
    signals: Any = sys.modules.get(_CELERY)
    if signals is not None:
        signals.worker_process_shutdown.connect(
            lambda **_: end(), weak=False, dispatch_uid=end
        )


def at_pool_end_of_child(owner: object, end: Callable[[], object]) -> None:
    """Do so in a child that has just been forked.

    `multiprocessing` forgets its parent's list a moment later, and then calls what
    was asked for here, as long as `owner` lives.
    """
    at_pool_end(end)
    processes: Any = sys.modules.get(_PROCESSES)
    if processes is not None:
        processes.register_after_fork(owner, lambda _: at_pool_end(end))
