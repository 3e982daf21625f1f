"""Counts tokens where a provider did not: with litellm's tokenizers, offline.

Beside the callback the only module of the SDK that imports litellm, and only when it is
asked. Without litellm it goes by length. An estimate is marked as one; it never stands
in for what a provider stated.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

__all__ = ["estimated_tokens", "roughly"]

# Of UTF-8: about what tokenizers make of English, and of scripts with longer
# characters and fewer of them too.
_BYTES_A_TOKEN: Final = 4


def estimated_tokens(model: str, messages: object, answer: str) -> tuple[int, int]:
    """Return about how many tokens a call's messages and its answer are.

    Args:
        model: whose tokenizer counts; any other name counts as OpenAI's models do.
        messages: text, a list of messages, or None if they are not known.
        answer: what was answered.
    """
    # Before litellm is imported: it would fetch its price map from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm  # noqa: PLC0415
    except ImportError:
        return _asked(_by_length, "", messages), roughly(answer)
    count: Any = litellm.token_counter
    # The tokenizers of these would be fetched from the network.
    known = "" if any(name in model.lower() for name in _FETCHED) else model
    return _asked(count, known, messages), count(model=known, text=answer)


def roughly(text: str) -> int:
    """Return about how many tokens a text is, by its length alone.

    >>> roughly("How many tokens are these?"), roughly("")
    (7, 0)
    """
    return -(-len(text.encode(errors="replace")) // _BYTES_A_TOKEN)


_FETCHED = ("llama", "command-r", "kimi", "replicate")


def _asked(count: Any, model: str, messages: object) -> int:  # noqa: ANN401
    if isinstance(messages, list):
        try:
            tokens: int = count(model=model, messages=messages)
        except Exception:  # messages of another API than those that litellm knows
            tokens = count(model=model, text=json.dumps(messages, default=str))
        return tokens
    return count(model=model, text=messages) if isinstance(messages, str) else 0


def _by_length(model: str, text: str = "", messages: object = None) -> int:
    del model
    return roughly(text) if messages is None else roughly(_texts(messages))


def _texts(part: object) -> str:
    """Return what a list of messages says, without the names of its fields."""
    if isinstance(part, dict):
        return "".join(_texts(value) for value in part.values())
    if isinstance(part, list):
        return "".join(map(_texts, part))
    return part if isinstance(part, str) else ""
