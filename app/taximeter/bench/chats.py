"""Ordinary chat usages, to be priced by us and by others. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["chats"]

_MODELS: Final = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-pro"),
)


def chats(count: int) -> list[tuple[str, str, dict[str, int]]]:
    """Return so many calls as (provider, model, tokens): sent, read again, answered.

    >>> chats(1)
    [('openai', 'gpt-4o', {'text_input_tokens': 900, 'cache_read_tokens': 800, \
'text_output_tokens': 120})]
    """
    return [
        (*_MODELS[number % len(_MODELS)], _tokens(number)) for number in range(count)
    ]


def _tokens(number: int) -> dict[str, int]:
    return {
        "text_input_tokens": 900 + number % 1_700,
        "cache_read_tokens": 800 + number % 300,
        "text_output_tokens": 120 + number % 480,
    }
