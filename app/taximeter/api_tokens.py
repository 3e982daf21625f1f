"""API tokens at rest: one file, which `taximeter tokens` writes and every API reads.

A token is 256 random bits, and what is kept of it is its SHA-256. A slow hash, as for
passwords, would buy nothing: it is there to make guessing dear, and nobody guesses one
of 2^256, while each request would pay for it. Whoever reads the file learns no token.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from taximeter.state import write_whole
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.fields import Name

__all__ = [
    "DEFAULT_RATE",
    "PERMISSIONS",
    "ApiToken",
    "Made",
    "Permission",
    "TokenFile",
    "token_id",
]

Permission = Literal["write", "read", "admin"]
"""Record usage and reserve; ask; set budgets and plans, and whatever else there is."""

PERMISSIONS: Final[tuple[Permission, ...]] = ("write", "read", "admin")
DEFAULT_RATE: Final = "6000/minute"

_MARK: Final = "taximeter"
_SECRET_BYTES: Final = 32
_RATE: Final = re.compile("[1-9][0-9]{0,8}/(second|minute|hour)")


class ApiToken(BaseModel):
    """What is known of a token; the token itself is not.

    Attributes:
        id: names it; a part of the token that is no secret.
        may: what it may do.
        sources: whose events it may write; empty for all.
        rate: how many requests an API process answers, such as `600/minute`.
        revoked_at: since when it is worth nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: Name
    sha256: str
    may: tuple[Permission, ...]
    sources: tuple[Name, ...] = ()
    rate: str = DEFAULT_RATE
    created_at: datetime
    revoked_at: datetime | None = None

    def is_named_by(self, text: str) -> bool:
        """Tell whether this is the token of the text, in a time that tells nothing."""
        valid = hmac.compare_digest(self.sha256, _digest(text))
        return valid and self.revoked_at is None


class Made(NamedTuple):
    """A new token, and the only time that its text is seen."""

    token: ApiToken
    text: str


class TokenFile:
    """The file; whoever reads it finds it whole, before a change or after it.

    Args:
        path: where it is; there are no tokens as long as there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Sequence[ApiToken]:
        """Return every token that was ever made, revoked ones too.

        Raises:
            ConfigurationError: it is there, and cannot be read.
        """
        try:
            return _tokens.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise ConfigurationError(
                f"the tokens in {self.path} cannot be read ({why}): "
                "repair it, or delete it and make new ones"
            ) from None

    def create(
        self,
        name: str,
        now: datetime,
        may: Sequence[Permission] = ("write",),
        sources: Sequence[str] = (),
        rate: str = DEFAULT_RATE,
    ) -> Made:
        """Make a token, and keep what is needed to know it again.

        Raises:
            ConfigurationError: the name, the rate, a source or the file cannot be used.
        """
        if not _RATE.fullmatch(rate):
            raise ConfigurationError(
                f"rate {rate!r} is not like 600/minute or 20/second"
            )
        number = secrets.token_hex(4)
        text = f"{_MARK}_{number}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        try:
            token = ApiToken(
                id=number,
                name=name,
                sha256=_digest(text),
                may=tuple(dict.fromkeys(may)),
                sources=tuple(dict.fromkeys(sources)),
                rate=rate,
                created_at=now,
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ConfigurationError(f"{first['loc'][0]}: {first['msg']}") from None
        with self._alone():
            self._write([*self.read(), token])
        return Made(token, text)

    def revoke(self, number: str, now: datetime) -> ApiToken:
        """Make a token worthless, from the next request on; return what it was.

        Raises:
            ConfigurationError: there is none with this id, or the file is unusable.
        """
        with self._alone():
            tokens = {token.id: token for token in self.read()}
            if number not in tokens:
                raise ConfigurationError(
                    f"there is no token {number!r}: 'taximeter tokens list' has the ids"
                )
            known = tokens[number]
            if known.revoked_at is None:
                known = known.model_copy(update={"revoked_at": now})
                self._write(list((tokens | {number: known}).values()))
            return known

    def _write(self, tokens: Sequence[ApiToken]) -> None:
        write_whole(self.path, _tokens.dump_json(tuple(tokens), indent=1).decode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other commands from changing the file at the same moment."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.lock")
        lock = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


_tokens: Final[TypeAdapter[tuple[ApiToken, ...]]] = TypeAdapter(tuple[ApiToken, ...])


def token_id(text: str) -> str | None:
    """Return the id in a token, None if it is no token.

    >>> token_id("taximeter_0a1b2c3d_s-e_c"), token_id("sk-123")
    ('0a1b2c3d', None)
    """
    mark, _, rest = text.partition("_")
    number, line, _ = rest.partition("_")
    return number if mark == _MARK and line else None


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
