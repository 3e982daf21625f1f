"""What `taximeter.start()` reads from the environment, without pydantic-settings.

The SDK stands in other people's services, so it makes do with pydantic itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.topics import DEFAULT_PREFIX

__all__ = ["PREFIX", "MeterSettings"]

PREFIX: Final = "TAXIMETER_"


class MeterSettings(BaseModel):
    """How a program that makes LLM calls hands its events on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap: str | None = Field(
        None,
        description="Kafka's address, HOST:PORT[,…]. `start()` needs it, unless it is "
        "given an emitter or the meter is off.",
    )
    prefix: str = Field(
        DEFAULT_PREFIX,
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="What the names of the topics begin with.",
    )
    enabled: bool = Field(
        True,
        description="Whether calls are metered. `false` makes `start()` do nothing, "
        "for tests and for the day when it is needed.",
    )
    source: str = Field(
        "unknown",
        min_length=1,
        max_length=256,
        description="The program's name in its events.",
    )
    durability: Literal["memory", "spool"] = Field(
        "memory",
        description="`spool` has each event on disk before the call goes on "
        "(docs/emitting.md).",
    )
    spool_dir: Path | None = Field(
        None, description="Where events wait on disk while Kafka is away."
    )
    spool_max_bytes: int = Field(
        512 * 1024 * 1024, ge=1, description="What may wait there."
    )
    spool_max_age_seconds: float | None = Field(
        None,
        gt=0,
        description="What has waited there for longer is given up. Without it: never.",
    )
    max_pending: int = Field(
        100_000, ge=1, description="Events that may wait in memory; about 1 kB each."
    )

    linger_ms: int = Field(
        20,
        ge=0,
        le=10_000,
        description="How long events are gathered before they are sent together. "
        "Longer takes less CPU time of programs that make some calls a second.",
    )

    @property
    def spool_max_age(self) -> timedelta | None:
        """How long events may wait on disk."""
        seconds = self.spool_max_age_seconds
        return None if seconds is None else timedelta(seconds=seconds)

    @classmethod
    def read(
        cls, given: Mapping[str, object], environment: Mapping[str, str] | None = None
    ) -> MeterSettings:
        """Read the environment; what is given (and not None) wins over it.

        Raises:
            ConfigurationError: one of them cannot be used; names it and says why.
        """
        around = os.environ if environment is None else environment
        said: dict[str, object] = {
            name: around[f"{PREFIX}{name.upper()}"]
            for name in cls.model_fields
            if around.get(f"{PREFIX}{name.upper()}")
        }
        said |= {name: value for name, value in given.items() if value is not None}
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = f"{PREFIX}{first['loc'][0]}".upper()
            raise ConfigurationError(f"{name}: {first['msg']}") from None
