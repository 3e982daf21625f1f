"""What whoever starts a program says of all its calls: read from the environment.

`taximeter run` sets it; so may anybody who starts a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AroundProgram"]

_PREFIX: Final = "TAXIMETER_"


class AroundProgram(BaseModel):
    """For whom a program makes its calls, where its own code does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str | None = Field(None, description="Whose calls they are.")
    project: str | None = Field(None, description="What they are for.")
    session: str | None = Field(None, description="In which session.")
    tags: str | None = Field(
        None, description="Their tags, `NAME=VALUE,…`; a comma in one is written `%2C`."
    )
    ignore_budget: str | None = Field(
        None,
        description="Why guards let all of them pass. Each event says so in the tag "
        "`budget_ignored` (docs/guards.md).",
    )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> AroundProgram:
        """Read the environment; nothing that stands there is refused."""
        named = {name: f"{_PREFIX}{name.upper()}" for name in cls.model_fields}
        said = {name: environment.get(key) for name, key in named.items()}
        return cls.model_validate({name: text or None for name, text in said.items()})

    def environment(self) -> dict[str, str]:
        """Return what has a program read the same.

        >>> around = AroundProgram(user="ada", tags=AroundProgram.tagged({"a": "b,c"}))
        >>> around.environment()
        {'TAXIMETER_USER': 'ada', 'TAXIMETER_TAGS': 'a=b%2Cc'}
        >>> AroundProgram.read(around.environment()) == around
        True
        """
        said = self.model_dump(exclude_none=True)
        return {f"{_PREFIX}{name.upper()}": text for name, text in said.items()}

    def named_tags(self) -> dict[str, str]:
        """Return the tags; what is no tag is passed over.

        >>> AroundProgram(tags="team=growth, env=a%2Cb,=x,y").named_tags()
        {'team': 'growth', 'env': 'a,b'}
        """
        pairs = (text.partition("=") for text in (self.tags or "").split(","))
        found = {unquote(name.strip()): unquote(value) for name, _, value in pairs}
        return {name: value for name, value in found.items() if name and value}

    @staticmethod
    def tagged(tags: Mapping[str, str]) -> str | None:
        """Return tags as they are written; None if there are none."""
        written = (f"{quote(name)}={quote(value)}" for name, value in tags.items())
        return ",".join(written) or None
