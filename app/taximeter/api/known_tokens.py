"""The tokens as an API process knows them: read again whenever the file has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from taximeter.api_tokens import ApiToken, TokenFile, token_id

__all__ = ["KnownTokens"]

_Seen = tuple[int, int, int] | None
_NEVER: Final = (-1, -1, -1)


class KnownTokens:
    """What the file says now; looking costs a microsecond, reading only after changes.

    Args:
        file: where they are kept; several processes may read the same one.
    """

    def __init__(self, file: TokenFile) -> None:
        self._file = file
        self._seen: _Seen = _NEVER
        self._known: Mapping[str, ApiToken] = {}

    def any(self) -> bool:
        """Tell whether there is, or ever was, a token.

        Revoking the last one does not open the API again to everybody.

        Raises:
            ConfigurationError: the file cannot be read; nobody can be let in.
        """
        return bool(self._now())

    def named_by(self, text: str) -> ApiToken | None:
        """Return the token that a text is, unless it is revoked or unknown.

        It is found by the part of it that is no secret, and its secret is compared in a
        time that does not depend on it.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        token = self._now().get(token_id(text) or "")
        return token if token is not None and token.is_named_by(text) else None

    def _now(self) -> Mapping[str, ApiToken]:
        seen = self._look()
        if seen != self._seen:
            self._known = {token.id: token for token in self._file.read()}
            self._seen = seen
        return self._known

    def _look(self) -> _Seen:
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
