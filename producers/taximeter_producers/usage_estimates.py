"""Counts tokens where a provider did not: with litellm's tokenizers, offline.

Beside the callback the only module of the SDK that imports litellm, and only when it is
asked. An estimate is marked as one; it never stands in for what a provider stated.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["estimated_tokens"]


def estimated_tokens(model: str, messages: object, answer: str) -> tuple[int, int]:
    """Return about how many tokens a call's messages and its answer are.

    Args:
        model: whose tokenizer counts; any other name counts as OpenAI's models do.
        messages: text, a list of messages, or None if they are not known.
        answer: what was answered.

    Raises:
        ImportError: litellm is not installed.
    """
    # Before litellm is imported: it would fetch its price map from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm  # noqa: PLC0415

    count: Any = litellm.token_counter
    # The tokenizers of these would be fetched from the network.
    known = "" if any(name in model.lower() for name in _FETCHED) else model
    return _asked(count, known, messages), count(model=known, text=answer)


_FETCHED = ("llama", "command-r", "kimi", "replicate")


def _asked(count: Any, model: str, messages: object) -> int:  # noqa: ANN401
    if isinstance(messages, list):
        tokens: int = count(model=model, messages=messages)
        return tokens
    return count(model=model, text=messages) if isinstance(messages, str) else 0
