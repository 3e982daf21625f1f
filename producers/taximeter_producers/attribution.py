"""Whom a call is for, said once around the code that makes it.

`attribute(...)` lays names over everything that runs inside it, in this thread or
task and in those that it starts with a copy of its context (`inheriting` sees to plain
threads and pools); events that are built there inherit them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from taximeter_producers.around_program import AroundProgram
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.ids import time_ordered_id
from taximeter_schemas.usage import UsageRecorded

__all__ = [
    "BUDGET_IGNORED",
    "Attribution",
    "Reserved",
    "attribute",
    "attributed",
    "attributing",
    "attribution_of",
    "current_attribution",
    "hash_of",
    "ignoring_budgets",
    "label",
    "merged_tags",
    "reserved",
    "usage_recorded",
]

BUDGET_IGNORED: Final = "budget_ignored"
"""The tag of events of calls for which somebody said to ignore budgets: the reason."""

_MAX_LABEL_CHARACTERS: Final = 256
_MAX_TAGS: Final = 32
_AS_TEXT: Final[dict[str, Any]] = {"sort_keys": True, "default": str}


@dataclass
class Reserved:
    """What was reserved for a call; `taken` once its event is on its way."""

    reservation_id: UUID
    taken: bool = False


@dataclass(frozen=True)
class Attribution:
    """Whom calls are for; None where nobody said."""

    user_id: str | None = None
    project_id: str | None = None
    session_id: str | None = None
    conversation_id: str | None = None
    endpoint: str | None = None
    prompt_hash: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    reserved: Reserved | None = None
    budgets_ignored: str | None = None

    def take_reservation(self) -> None:
        """Say that an event will be made that settles what was reserved, if it was."""
        if self.reserved is not None:
            self.reserved.taken = True

    def fields(self) -> dict[str, Any]:
        """Return what was said, by the names of the usage event's fields."""
        named = {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "session_id": self.session_id,
            "conversation_id": self.conversation_id,
            "endpoint": self.endpoint,
            "prompt_hash": self.prompt_hash,
            "reservation_id": self.reserved and self.reserved.reservation_id,
        }
        self.take_reservation()
        said: dict[str, Any] = {k: v for k, v in named.items() if v is not None}
        tags = self._with_reason(self.tags)
        return said | ({"tags": dict(tags)} if tags else {})

    def as_plain(self) -> dict[str, Any]:
        """Return what another process needs to attribute alike.

        A reservation stays here, with whoever sees to it.
        """
        return vars(self) | {"tags": dict(self.tags), "reserved": None}

    def merged(self, given: Mapping[str, object]) -> Mapping[str, str]:
        """Return an event's own tags over these; the reason is nobody's to change."""
        return self._with_reason(merged_tags(self.tags, given))

    def _with_reason(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        if self.budgets_ignored is None:
            return tags
        return merged_tags(tags, {BUDGET_IGNORED: self.budgets_ignored})


_current: Final[ContextVar[Attribution]] = ContextVar("taximeter_attribution")


def current_attribution() -> Attribution:
    """Return what the `attribute` blocks around this code say together.

    Around all of them stands what whoever started the program said.
    """
    return _current.get(None) or _around_program()


@cache
def _around_program() -> Attribution:
    return attribution_of(AroundProgram.read(os.environ))


def attribution_of(around: AroundProgram) -> Attribution:
    """Return what was said of a whole program, in labels that fit an event."""
    return Attribution(
        user_id=label(around.user),
        project_id=label(around.project),
        session_id=label(around.session),
        tags=merged_tags({}, around.named_tags()),
        budgets_ignored=label(around.ignore_budget),
    )


@contextmanager
def attribute(
    *,
    user: object = None,
    project: object = None,
    session: object = None,
    conversation: object = None,
    endpoint: object = None,
    prompt: object = None,
    tags: Mapping[str, object] | None = None,
) -> Iterator[Attribution]:
    """Attribute every event that is built inside the block.

    Blocks nest: the inner one wins where both say something, and tags are merged.
    Values are taken as text; one longer than an event's label may be is cut, for a
    call must not fail, nor its charge be lost, for a label. Of `prompt` (text, or
    messages) only a hash is kept, by which calls with the same one are found.

    >>> with attribute(project="search", tags={"env": "prod"}):
    ...     with attribute(user="ada", tags={"team": "growth"}) as inner:
    ...         inner.user_id, inner.project_id, dict(inner.tags)
    ('ada', 'search', {'env': 'prod', 'team': 'growth'})
    """
    outer = current_attribution()
    said = {
        "user_id": label(user),
        "project_id": label(project),
        "session_id": label(session),
        "conversation_id": label(conversation),
        "endpoint": label(endpoint),
        "prompt_hash": None if prompt is None else hash_of(prompt),
    }
    labels: dict[str, Any] = {k: text for k, text in said.items() if text is not None}
    inner = replace(outer, tags=merged_tags(outer.tags, tags or {}), **labels)
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


@contextmanager
def reserved(by: Reserved) -> Iterator[None]:
    """Let the first event that is built inside the block settle a reservation."""
    token = _current.set(replace(current_attribution(), reserved=by))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def ignoring_budgets(reason: str) -> Iterator[Attribution]:
    """Let the calls inside the block pass every budget, and let their events say so.

    It is no tag that `attribute` could set: whoever may name tags may not do this.

    >>> with ignoring_budgets("incident 42"):
    ...     attributed()
    {'tags': {'budget_ignored': 'incident 42'}}
    """
    inner = replace(
        current_attribution(), budgets_ignored=label(reason) or "no reason given"
    )
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


@contextmanager
def attributing(by: Attribution) -> Iterator[None]:
    """Have exactly this attribution in the block, whatever is around it."""
    token = _current.set(by)
    try:
        yield
    finally:
        _current.reset(token)


def attributed(
    by: Attribution | None = None, /, **event_fields: object
) -> dict[str, Any]:
    """Return an event's fields with what the context says put underneath.

    What the fields say themselves wins; tags are merged.

    >>> with attribute(user="ada", tags={"env": "prod"}):
    ...     attributed(user_id="bob", tags={"team": "x"})
    {'user_id': 'bob', 'tags': {'env': 'prod', 'team': 'x'}}
    """
    around = by or current_attribution()
    inherited = around.fields()
    merged = inherited | event_fields
    if "tags" in inherited and "tags" in event_fields:
        merged["tags"] = _tags(around, event_fields["tags"])
    return merged


def usage_recorded(
    *, clock: Clock | None = None, **event_fields: object
) -> UsageRecorded:
    """Return a usage event that happens now, attributed as the context says.

    `event_id` and `occurred_at` are made up here unless they are given.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or out of bounds.
    """
    now = (clock or SystemClock()).now()
    defaults = {"event_id": time_ordered_id(now), "occurred_at": now}
    return UsageRecorded.model_validate(defaults | attributed(**event_fields))


def _tags(around: Attribution, given: object) -> object:
    """Merge tags; what are none are left for the event's own validation to name."""
    return dict(around.merged(given)) if isinstance(given, Mapping) else given


def hash_of(prompt: object) -> str:
    """Return the hash of a prompt: the same one for the same text or messages.

    >>> hash_of("Hello")[:23]
    'sha256:185f8db32271fe25'
    >>> hash_of([{"a": 1, "b": 2}]) == hash_of([{"b": 2, "a": 1}])
    True
    """
    try:
        text = prompt if isinstance(prompt, str) else json.dumps(prompt, **_AS_TEXT)
    except (TypeError, ValueError, RecursionError):
        text = repr(prompt)
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"


def label(value: object) -> str | None:
    """Return a value as text that fits an event's label, or None if nothing is left.

    >>> label(42), label(""), label(None), len(label("x" * 1000) or "")
    ('42', None, None, 256)
    """
    if value is None:
        return None
    return str(value)[:_MAX_LABEL_CHARACTERS] or None


def merged_tags(
    outer: Mapping[str, str], inner: Mapping[str, object]
) -> Mapping[str, str]:
    """Return the tags of both as labels; the inner ones win."""
    named = {label(name): label(value) for name, value in inner.items()}
    fitting = {k: v for k, v in named.items() if k is not None and v is not None}
    # The innermost were said last; of too many, the outermost are left out.
    kept = {name: value for name, value in outer.items() if name not in fitting}
    merged = list((kept | fitting).items())[-_MAX_TAGS:]
    return MappingProxyType(dict(merged))
