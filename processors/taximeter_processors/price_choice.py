"""Which prices a call gets: the list's or one's own, for whom, and marked up by what.

Pure. Of several that fit a call the most specific one wins:

1. the price of the scope that names most (`scopes.py`), of equals the one stated last;
2. else the price for everybody, one's own before the list's;
3. on top of it one mark-up: of the scope that names most, then one for the model
   before one for the provider before one for all, of equals the one stated last.

>>> acme = {"m": {"litellm_provider": "acme", "input_cost_per_token": 2}}
>>> search = Scope("search", frozenset())
>>> own = OwnLayer(
...     scoped={search: {"m": {"litellm_provider": "acme", "input_cost_per_token": 1}}},
...     markups={MarkedUp(EVERYBODY, "acme", None): Fraction(6, 5)},
... )
>>> choice = PriceChoice(acme, own)
>>> chosen = choice.choose("acme", "m", None, [search])
>>> chosen.fields["input_cost_per_token"], chosen.factor, str(chosen.match)
(1, Fraction(6, 5), 'm (project)')
>>> choice.choose("acme", "m").fields["input_cost_per_token"]
2
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from typing import Final, NamedTuple, cast

from taximeter_processors.choices import NOTHING, Choices
from taximeter_processors.model_names import Match, ModelIndex, families_of, family_of
from taximeter_processors.own_layer import Entries, MarkedUp, OwnLayer
from taximeter_processors.price_entries import priced_by
from taximeter_processors.scopes import EVERYBODY, Scope, Scopes
from taximeter_processors.sized_entries import SizedEntries

__all__ = ["Chosen", "PriceChoice"]

_AS_IT_IS: Final = Fraction(1)


class Chosen(NamedTuple):
    """The prices of a call, and why these.

    Attributes:
        match: the entry, and the rules that found it.
        fields: what the entry says.
        scope: for whom it says so.
        own: whether it is a price of one's own.
        factor: what every price in it is multiplied with.
        marked_up: the mark-up that says so, None without one.
    """

    match: Match
    fields: Mapping[str, object]
    scope: Scope
    own: bool
    factor: Fraction
    marked_up: MarkedUp | None

    @property
    def as_listed(self) -> bool:
        """Whether this is what the list says."""
        return not self.own and self.factor == 1

    @property
    def stated(self) -> Mapping[str, object]:
        """How a price of one's own was stated, where it says that."""
        stated = self.fields.get("stated")
        return cast("dict[str, object]", stated) if isinstance(stated, dict) else {}


class _Found(NamedTuple):
    """An entry for somebody; `drawn_by` names one that says what an image costs."""

    scope: Scope
    match: Match
    fields: Mapping[str, object]
    drawn_by: str | None = None


class _Layer(NamedTuple):
    entries: Entries
    models: ModelIndex


class PriceChoice:
    """Chooses among a list and one's own prices over it.

    Args:
        entries: the list.
        own: what lies over it.
    """

    def __init__(self, entries: Entries, own: OwnLayer) -> None:
        self._own = own
        stated = _stated(own.entries)
        self._everybodys = stated.keys()
        self.entries: Entries = {**entries, **stated} if stated else entries
        aliases = {n: meant for n, meant in own.aliases.items() if meant is not None}
        self.index = ModelIndex(self.entries, aliases)
        self._sized = SizedEntries(self.entries)
        self._scoped = {
            scope: _Layer(found, ModelIndex(found, below=self.index))
            for scope, changes in own.scoped.items()
            if (found := _stated(changes))
        }
        self._marked: dict[MarkedUp, str | None] = {}

    @property
    def has_aliases(self) -> bool:
        """Whether there are names of one's own."""
        return any(self._own.aliases.values())

    @property
    def sold(self) -> Iterator[tuple[str, str]]:
        """Every entry that anybody may be charged by, and its provider family."""
        for entries in (self.entries, *(one.entries for one in self._scoped.values())):
            for key, fields in entries.items():
                if "litellm_provider" in fields:
                    yield key, family_of(str(fields["litellm_provider"]))

    def choose(
        self,
        provider: str,
        model: str,
        region: str | None = None,
        scopes: Collection[Scope] = (),
        choices: Choices = NOTHING,
    ) -> Chosen | None:
        """Return the prices of such a call in a region and in these scopes, if any."""
        found = self._entry(provider, model, region, scopes)
        if found is None or not self._is_own(found.scope, found.match.key):
            found = self._as_chosen(provider, model, choices, found)
        if found is None:
            return None
        scope, match, fields, drawn_by = found
        own = self._is_own(scope, match.key) or drawn_by in self._everybodys
        marked_up = self._markup(provider, model, match, scopes)
        factor = self._own.markups[marked_up] if marked_up else None
        rule = ", ".join(filter(None, (match.rule, scope.kind)))
        return Chosen(
            Match(match.key, rule),
            fields,
            scope,
            own,
            _AS_IT_IS if factor is None else factor,
            marked_up,
        )

    def scopes_of(self, provider: str, model: str) -> Scopes:
        """Return the scopes in which a model may cost something else."""
        priced = [
            scope
            for scope, (entries, index) in self._scoped.items()
            if index.has_regions(provider, model)
            or ((found := index.match(provider, model)) and found.key in entries)
        ]
        ours = set(families_of(provider))
        marked = [
            one.scope
            for one in self._own.markups
            if one.provider is None or not ours.isdisjoint(families_of(one.provider))
        ]
        return Scopes(dict.fromkeys(s for s in priced + marked if s != EVERYBODY))

    def has_sizes(self, provider: str, model: str) -> bool:
        """Whether a model has entries for images by their size."""
        return self._sized.has(provider, model)

    def _is_own(self, scope: Scope, key: str) -> bool:
        return scope != EVERYBODY or key in self._everybodys

    def _as_chosen(
        self, provider: str, model: str, choices: Choices, found: _Found | None
    ) -> _Found | None:
        """Return the list's prices of an image as it was chosen."""
        match, fields = (found.match, found.fields) if found else (None, {})
        drawn_by = self._sized.find(provider, match.key if match else model, choices)
        match, fields = self._sized.drawn(provider, model, choices, match, fields)
        return match and _Found(EVERYBODY, match, fields, drawn_by)

    def _entry(
        self, provider: str, model: str, region: str | None, scopes: Collection[Scope]
    ) -> _Found | None:
        stated_last = [
            scope for scope in reversed(list(self._scoped)) if scope in scopes
        ]
        for scope in sorted(stated_last, key=lambda s: s.rank, reverse=True):
            entries, index = self._scoped[scope]
            match = index.match(provider, model, region)
            if match and match.key in entries:
                return _Found(scope, match, priced_by(entries[match.key], match.rule))
        match = self.index.match(provider, model, region)
        if match is None:
            return None
        fields = priced_by(self.entries[match.key], match.rule)
        return _Found(EVERYBODY, match, fields)

    def _markup(
        self, provider: str, model: str, match: Match, scopes: Collection[Scope]
    ) -> MarkedUp | None:
        if not self._own.markups:
            return None
        plain = self.index.match(provider, model)
        keys = {match.key, plain.key if plain else match.key}
        family = self._family(provider, match)
        fitting = [
            one
            for one in reversed(list(self._own.markups))
            if one.scope == EVERYBODY or one.scope in scopes
            if one.provider is None or family in families_of(one.provider)
            if one.model is None or self._marked_key(one) in keys
        ]
        return max(fitting, key=_precision, default=None)

    def _family(self, provider: str, match: Match) -> str:
        """Which of a provider's families sells an entry: "google" stands for two."""
        fields = self.entries.get(match.key, {})
        sells = family_of(str(fields.get("litellm_provider")))
        families = families_of(provider)
        return sells if sells in families else families[0]

    def _marked_key(self, one: MarkedUp) -> str | None:
        if one not in self._marked:
            layer = self._scoped.get(one.scope)
            index = layer.models if layer else self.index
            match = index.match(one.provider or "", one.model or "")
            self._marked[one] = match.key if match else None
        return self._marked[one]


def _precision(one: MarkedUp) -> tuple[tuple[int, bool], bool, bool]:
    return one.scope.rank, one.model is not None, one.provider is not None


def _stated(changes: Mapping[str, Mapping[str, object] | None]) -> Entries:
    return {name: fields for name, fields in changes.items() if fields is not None}
