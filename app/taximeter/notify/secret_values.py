"""Secrets of `notify.yaml`: where they come from, and how they stay out of words.

`${NAME}` is the environment's, `!file PATH` is what a file holds. Whoever says
anything about a target lets it go through `Secrets.hidden` first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, unquote

__all__ = ["Secrets", "Unresolved"]

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BETWEEN: Final = re.compile(r"[/?&=:@,;#\s]+")
_SHORTEST: Final = 6
_HIDDEN: Final = "***"


class Unresolved(Exception):
    """A secret that is not where it was said to be; names the place, not the secret."""


class Secrets:
    """Everything that was filled in, so that it can be taken out of what is said.

    >>> secrets = Secrets({"TOKEN": "s3cret-token"})
    >>> secrets.filled_in("slack://${TOKEN}/x")
    'slack://s3cret-token/x'
    >>> secrets.hidden("HTTP 404 at https://host/s3cret-token")
    'HTTP 404 at https://host/***'
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._known: set[str] = set()

    def filled_in(self, text: str) -> str:
        """Return a text with the environment's values in their places.

        Raises:
            Unresolved: a variable is not set, or is empty.
        """
        filled = _VARIABLE.sub(lambda found: self._variable(found[1]), text)
        self.remember(filled)
        return filled

    def from_file(self, path: Path) -> str:
        """Return what a file holds, without white space around it.

        Raises:
            Unresolved: it cannot be read, or is empty.
        """
        try:
            text = path.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise Unresolved(f"file {path}: {why}") from None
        if not text:
            raise Unresolved(f"file {path}: is empty")
        self.remember(text)
        self._known.add(text)
        return text

    def remember(self, text: str) -> None:
        """Take a text for secret, and every longer part of it."""
        parts = (text, *_BETWEEN.split(text))
        # What looks like a host may be a token: slack://TOKEN/…
        self._known |= {part for part in parts if len(part) >= _SHORTEST}

    def hidden(self, text: str) -> str:
        """Return what may be said: the text with no secret in it, in any spelling."""
        spellings = {
            spelling for secret in self._known for spelling in _spellings(secret)
        }
        for spelling in sorted(spellings, key=len, reverse=True):
            text = text.replace(spelling, _HIDDEN)
        return text

    def _variable(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        if not value:
            raise Unresolved(f"${{{name}}} is not set")
        self.remember(value)
        self._known.add(value)
        return value


def _spellings(secret: str) -> tuple[str, ...]:
    return secret, quote(secret, ""), quote_plus(secret), unquote(secret)
