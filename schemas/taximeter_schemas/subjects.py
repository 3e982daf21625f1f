"""Whom spend is counted for, and for whom a budget is.

Spend is told apart along dimensions: user, model, project and so on, and each tag is
one. A kind of subject names the dimensions that its subjects have a value in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Final, NamedTuple, Self

from pydantic import Field, model_validator

from taximeter_schemas.fields import Event, Name

__all__ = [
    "ALWAYS_COUNTED",
    "DIMENSIONS",
    "EACH",
    "EVERYTHING",
    "FIELDS",
    "Scope",
    "Subject",
    "SubjectKind",
    "dimensions_of",
    "subject_of",
    "tag_dimension",
    "tag_of",
]

EACH: Final = "*"

FIELDS: Final = {
    "user": "user_id",
    "model": "model",
    "project": "project_id",
    "session": "session_id",
    "endpoint": "endpoint",
    "provider": "provider",
    "source": "source",
    "api_key": "api_key_hash",
}
"""The field of events, and column of the ledger, that says each dimension but tags."""

DIMENSIONS: Final = tuple(FIELDS)
"""What a call says of itself, besides its tags, in the order of a kind's name."""

ALWAYS_COUNTED: Final = ("all", "user", "model", "project")
"""The kinds that spend is kept for whether or not a budget is about them."""

_TAG: Final = "tag:"
_ONE: Final = f"({'|'.join(DIMENSIONS)}|{_TAG}[^&]+)"

SubjectKind = Annotated[str, Field(pattern=f"^(all|{_ONE}(&{_ONE})*)$")]
"""`all`, or the dimensions that are given, joined by `&`: `user`, `user&tag:team`."""


class Subject(NamedTuple):
    """Whom spend is counted for.

    `id` is the value in the one dimension that the kind names; of several it is a JSON
    array of the values, in the kind's order.

    >>> Subject("user&model", '["alice","gpt-4o"]').values
    ('alice', 'gpt-4o')
    """

    kind: str
    id: str

    @property
    def values(self) -> tuple[str, ...]:
        """The value in each dimension of the kind; none for everything."""
        count = len(dimensions_of(self.kind))
        if count > 1:
            return tuple(json.loads(self.id))
        return (self.id,) * count


EVERYTHING: Final = Subject("all", "")


def tag_dimension(name: str) -> str:
    """Return the dimension that is a tag.

    >>> tag_dimension("team"), tag_dimension("r&d")
    ('tag:team', 'tag:r%26d')
    """
    return _TAG + name.replace("%", "%25").replace("&", "%26")


def tag_of(dimension: str) -> str | None:
    """Return which tag a dimension is; None if it is none.

    >>> tag_of("tag:r%26d"), tag_of("user")
    ('r&d', None)
    """
    if not dimension.startswith(_TAG):
        return None
    return dimension.removeprefix(_TAG).replace("%26", "&").replace("%25", "%")


def dimensions_of(kind: str) -> tuple[str, ...]:
    """Return the dimensions that a kind of subject names.

    >>> dimensions_of("all"), dimensions_of("user&tag:team")
    ((), ('user', 'tag:team'))
    """
    return () if kind == EVERYTHING.kind else tuple(kind.split("&"))


def subject_of(named: Mapping[str, str]) -> Subject:
    """Return the subject with these values, by dimension in the order of a kind.

    >>> subject_of({"user": "alice"})
    Subject(kind='user', id='alice')
    >>> subject_of({"user": "alice", "model": "gpt-4o"}).id
    '["alice","gpt-4o"]'
    """
    values = list(named.values())
    if not values:
        return EVERYTHING
    one = values[0] if len(values) == 1 else _several(values)
    return Subject("&".join(named), one)


def _several(values: list[str]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


class Scope(Event):
    """Whom a budget is for: what is named must all be so, and nothing is everything.

    A name of `*` means each, with a limit of its own; `exceptions` are those that are
    not meant. With a `plan` those users are meant who are on it.

    >>> Scope().covers(EVERYTHING)
    True
    >>> Scope(user="alice").covers(Subject("user", "alice"))
    True
    >>> Scope(user="*", exceptions=("bob",)).covers(Subject("user", "bob"))
    False
    >>> Scope(tags={"team": "growth"}, user="*").kind
    'user&tag:team'
    """

    user: Name | None = None
    model: Name | None = None
    project: Name | None = None
    session: Name | None = None
    endpoint: Name | None = None
    provider: Name | None = None
    source: Name | None = None
    api_key: Name | None = None
    tags: Annotated[dict[Name, Name], Field(max_length=4)] = Field(default_factory=dict)
    exceptions: tuple[Name, ...] = ()
    plan: Name | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        each = [name for name in self.named().values() if name == EACH]
        if self.exceptions and len(each) != 1:
            raise ValueError("exceptions need a scope of each of one kind")
        if self.plan is not None and self.named() != {"user": EACH}:
            raise ValueError("a plan is for each user")
        return self

    def named(self) -> dict[str, str]:
        """Return the name in each dimension; empty when it is for everything."""
        named = {kind: getattr(self, kind) for kind in DIMENSIONS}
        tags = {tag_dimension(tag): self.tags[tag] for tag in sorted(self.tags)}
        return {kind: name for kind, name in named.items() if name is not None} | tags

    @cached_property
    def kind(self) -> str:
        """The kind of the subjects that it covers."""
        return "&".join(self.named()) or EVERYTHING.kind

    def covers(self, subject: Subject) -> bool:
        """Tell whether a subject's spend counts, if it is on the plan, if there is one.

        A budget for everybody's calls of a model has nothing to do with the subject
        that is one user with that model: such a subject is another kind.
        """
        if subject.kind != self.kind:
            return False
        pairs = zip(self.named().values(), subject.values, strict=True)
        return all(
            value not in self.exceptions if name == EACH else name == value
            for name, value in pairs
        )
