"""Whom a call is for: what the options of `llm prompt`, or a program, say of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from taximeter_schemas.errors import ConfigurationError

__all__ = ["NOBODY", "PLAIN_TAG", "ForWhom", "calls_for", "for_whom", "tags_from"]

PLAIN_TAG: Final = "yes"
"""The value of a tag that was given without one."""

_UNATTRIBUTED: Final = "unattributed"


@dataclass(frozen=True)
class ForWhom:
    """A project and tags, and what else was said of a call before it was made."""

    project_id: str = _UNATTRIBUTED
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ignore_budget: bool = False
    ask_first: bool = False


NOBODY: Final = ForWhom()

_current: Final[ContextVar[ForWhom]] = ContextVar("for_whom", default=NOBODY)


def for_whom() -> ForWhom:
    """Return whom a call that is made now is for.

    What nobody said is in `LLM_COSTS_PROJECT` and `LLM_COSTS_TAGS`, or nowhere.
    """
    said = _current.get()
    if said.project_id == _UNATTRIBUTED:
        said = replace(
            said, project_id=os.environ.get("LLM_COSTS_PROJECT") or _UNATTRIBUTED
        )
    if not said.tags:
        said = replace(said, tags=tags_from(os.environ.get("LLM_COSTS_TAGS", "")))
    return said


@contextmanager
def calls_for(
    project: str | None = None,
    tags: str = "",
    *,
    ignore_budget: bool = False,
    ask_first: bool = False,
) -> Iterator[None]:
    """Say whom the calls inside are for.

    Raises:
        ConfigurationError: the tags are none.
    """
    around = _current.get()
    said = ForWhom(
        project or around.project_id,
        {**around.tags, **tags_from(tags)},
        ignore_budget or around.ignore_budget,
        ask_first or around.ask_first,
    )
    before = _current.set(said)
    try:
        yield
    finally:
        _current.reset(before)


def tags_from(text: str) -> dict[str, str]:
    """Return the tags of a list with commas; one without a value has "yes".

    Raises:
        ConfigurationError: one has no name.

    >>> tags_from("finance, team=growth")
    {'finance': 'yes', 'team': 'growth'}
    """
    tags: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not name or (sign and not value):
            raise ConfigurationError(
                f"{part[:80]!r} is no tag: write NAME or NAME=VALUE"
            )
        tags[name] = value or PLAIN_TAG
    return tags
