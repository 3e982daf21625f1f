"""For whose calls a price of your own is: everybody's, a project's, those with tags.

Pure. The most specific price wins, and what "more specific" means stands here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

__all__ = ["EVERYBODY", "Scope", "Scopes", "scope_of"]


class Scope(NamedTuple):
    """A project, or None for all of them, and the tags that a call must have.

    >>> scope = scope_of(None, {"team": "growth"})
    >>> scope.covers("search", {"team": "growth", "env": "prod"})
    True
    >>> scope.covers("search", {"team": "core"})
    False
    """

    project_id: str | None
    tags: frozenset[tuple[str, str]]

    def covers(self, project_id: str, tags: Mapping[str, str]) -> bool:
        """Whether a call of this project with these tags is meant."""
        if self.project_id not in (None, project_id):
            return False
        return all(tags.get(name) == value for name, value in self.tags)

    @property
    def rank(self) -> tuple[int, bool]:
        """Grows with what a scope names; of as many things a project counts more.

        >>> project, team = scope_of("search", {}), scope_of(None, {"team": "growth"})
        >>> both = scope_of("search", {"team": "growth"})
        >>> EVERYBODY.rank < team.rank < project.rank < both.rank
        True
        >>> project.rank < scope_of(None, {"team": "growth", "env": "prod"}).rank
        True
        """
        named = self.project_id is not None
        return len(self.tags) + named, named

    @property
    def kind(self) -> str:
        """What it names, without the names: charges say it, and names are long.

        >>> scope_of("search", {"team": "growth"}).kind, EVERYBODY.kind
        ('project and tags', '')
        """
        project = "project" if self.project_id is not None else ""
        return " and ".join(filter(None, (project, "tags" if self.tags else "")))

    def __str__(self) -> str:
        """Return the scope for people.

        >>> str(scope_of("search", {"team": "growth"})), str(EVERYBODY)
        ('project search, tag team=growth', 'everybody')
        """
        named = [] if self.project_id is None else [f"project {self.project_id}"]
        named += [f"tag {name}={value}" for name, value in sorted(self.tags)]
        return ", ".join(named) or "everybody"


def scope_of(project_id: str | None, tags: Mapping[str, str]) -> Scope:
    """Return the scope that names these."""
    return Scope(project_id, frozenset(tags.items()))


EVERYBODY = scope_of(None, {})


class Scopes:
    """Those scopes on which a model's price depends, found quickly for a call."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self._by_project: dict[str | None, list[Scope]] = {}
        for scope in scopes:
            self._by_project.setdefault(scope.project_id, []).append(scope)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._by_project)

    def __iter__(self) -> Iterator[Scope]:
        """Yield all of them."""
        return chain.from_iterable(self._by_project.values())

    def covering(self, project_id: str, tags: Mapping[str, str]) -> Collection[Scope]:
        """Return the scopes that a call stands in, always in the same order."""
        theirs = self._by_project.get(project_id, ())
        anybodys = self._by_project.get(None, ())
        return tuple(s for s in (*theirs, *anybodys) if s.covers(project_id, tags))
