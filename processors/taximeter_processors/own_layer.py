"""Prices of your own, as published: what lies over whichever list is in force.

Pure. One layer is what one event says; laid over one another, in the order in which
they come into force, they are what holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple, TypeVar, cast

from taximeter_processors.price_entries import exact_json
from taximeter_processors.scopes import Scope, scope_of
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PricesDefined

__all__ = ["Changes", "Entries", "MarkedUp", "OwnLayer", "entries_of", "own_layer_of"]

_PERCENT: Final = 100
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

Entries = Mapping[str, Mapping[str, object]]
Changes = Mapping[str, Mapping[str, object] | None]


class MarkedUp(NamedTuple):
    """On what a mark-up comes; None stands for all of its kind."""

    scope: Scope
    provider: str | None
    model: str | None

    def __str__(self) -> str:
        """Return it for people.

        >>> str(MarkedUp(scope_of("search", {}), "openai", None))
        'project search, on all of openai'
        """
        what = self.model or f"all of {self.provider}" if self.provider else "all"
        return f"{self.scope}, on {what}"


@dataclass(frozen=True)
class OwnLayer:
    """What somebody states over a list; None takes away what was stated before.

    Attributes:
        entries: prices that hold for everybody, by their name in a list.
        scoped: prices that hold in a scope.
        markups: what a price is multiplied with, 1.2 for 20 percent on top.
        aliases: names of one's own, and the "provider/model" that they mean.

    In each of them what was stated last stands last, and wins among equals.
    """

    entries: Changes = field(default_factory=dict[str, Mapping[str, object] | None])
    scoped: Mapping[Scope, Changes] = field(default_factory=dict[Scope, Changes])
    markups: Mapping[MarkedUp, Fraction | None] = field(
        default_factory=dict[MarkedUp, Fraction | None]
    )
    aliases: Mapping[str, str | None] = field(default_factory=dict[str, str | None])

    def __bool__(self) -> bool:
        """Tell whether it states anything."""
        return any((self.entries, self.scoped, self.markups, self.aliases))

    def over(self, earlier: OwnLayer) -> OwnLayer:
        """Return what holds once this is stated after what was stated earlier."""
        scoped: Mapping[Scope, Changes] = {
            scope: _laid(earlier.scoped.get(scope, {}), changes)
            for scope, changes in self.scoped.items()
        }
        return OwnLayer(
            _laid(earlier.entries, self.entries),
            {s: held for s, held in _laid(earlier.scoped, scoped).items() if held},
            _laid(earlier.markups, self.markups),
            _laid(earlier.aliases, self.aliases),
        )


def own_layer_of(event: PricesDefined) -> OwnLayer:
    """Return what an event of the layer "own" states.

    Raises:
        ConfigurationError: an entry cannot be read.
    """
    return OwnLayer(
        entries_of(event.entries),
        {
            scope_of(one.project_id, one.tags): entries_of(one.entries)
            for one in event.scoped
        },
        {
            MarkedUp(scope_of(one.project_id, one.tags), one.provider, one.model): (
                None if one.percent is None else 1 + Fraction(one.percent) / _PERCENT
            )
            for one in event.markups
        },
        event.aliases,
    )


def entries_of(texts: Mapping[str, str | None]) -> Changes:
    """Return what is said of each entry, with numbers as int or Decimal.

    Raises:
        ConfigurationError: an entry is not a JSON object, or has a number that is none.
    """
    return {name: _fields(name, text) for name, text in texts.items()}


def _fields(name: str, text: str | None) -> Mapping[str, object] | None:
    if text is None:
        return None
    try:
        fields = exact_json(text)
    except ValueError as error:
        raise ConfigurationError(f"entry {name!r} is not JSON ({error})") from None
    if not isinstance(fields, dict):
        raise ConfigurationError(f"entry {name!r} is not a JSON object")
    return cast("dict[str, object]", fields)


def _laid(
    earlier: Mapping[_Key, _Value], later: Mapping[_Key, _Value]
) -> dict[_Key, _Value]:
    """Lay one over the other; what is stated again moves to the end."""
    kept = {key: value for key, value in earlier.items() if key not in later}
    stated = {**kept, **later}
    return {key: value for key, value in stated.items() if value is not None}
