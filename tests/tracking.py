"""What the tests of the in-process tracker have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

# Before litellm is imported: it would fetch its price map from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

__all__ = ["CALL", "ONE_CALL_USD", "all_told", "tracked_by"]

# gpt-4 as litellm lists it: 30 and 60 USD a million; a mock answers 20 to 10 tokens.
CALL: dict[str, Any] = {
    "model": "gpt-4",
    "messages": [{"role": "user", "content": "Hello!"}],
    "mock_response": "Hi, how can I help?",
}
ONE_CALL_USD = Decimal("0.0015")


@contextmanager
def tracked_by(*trackers: object) -> Iterator[None]:
    """Let litellm tell these trackers of its calls."""
    module: Any = litellm
    module.callbacks = list(trackers)
    try:
        yield
    finally:
        module.logging_callback_manager._reset_all_callbacks()


async def all_told() -> None:
    """Wait until litellm has told of async calls: it carries them into later loops."""
    await GLOBAL_LOGGING_WORKER.flush()
