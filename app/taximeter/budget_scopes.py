"""Whom a budget is for, as people write it and read it.

Pure. docs/budgets.md has the forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.subjects import DIMENSIONS, EACH, Scope

__all__ = ["scope_as_written", "scope_from", "scope_in_words"]

_EVERYTHING: Final = "everything"
_TAG: Final = "tag:"
_KINDS: Final = ", ".join((*DIMENSIONS, f"{_TAG}NAME"))
_FORMS: Final = (
    "is everything, {user: NAME}, {each: user}, several of them, or a text such as "
    f"'user=alice & model=gpt-4o'; there are {_KINDS}"
)


def scope_from(written: object) -> Scope:
    """Return the scope that somebody wrote.

    Raises:
        ConfigurationError: says which forms there are, or what is wrong.

    >>> scope_from("everything") == Scope()
    True
    >>> scope_from("user=alice & tag:team=growth").kind
    'user&tag:team'
    >>> scope_from({"each": "user", "except": ["bob"]}).exceptions
    ('bob',)
    """
    if isinstance(written, str):
        fields = {} if written == _EVERYTHING else _from_text(written)
    elif isinstance(written, dict) and written:
        fields = _from_mapping(cast("dict[object, object]", written))
    else:
        raise ConfigurationError(_FORMS)
    return Scope.model_validate(fields)


def scope_as_written(scope: Scope) -> str | dict[str, object]:
    """Return a scope as a file has it.

    >>> scope_as_written(Scope()), scope_as_written(Scope(user="*"))
    ('everything', {'each': 'user'})
    >>> scope_as_written(Scope(user="*", model="gpt-4o", tags={"team": "*"}))
    {'each': ['user', 'tag:team'], 'model': 'gpt-4o'}
    """
    if scope.plan is not None:
        return {"plan": scope.plan}
    named = {kind: name for kind, name in _named(scope).items() if name != EACH}
    each = [kind for kind, name in _named(scope).items() if name == EACH]
    written: dict[str, object] = {}
    if each:
        written["each"] = each[0] if len(each) == 1 else each
    if scope.exceptions:
        written["except"] = list(scope.exceptions)
    return (written | named) or _EVERYTHING


def scope_in_words(scope: Scope) -> str:
    """Return a scope for people.

    >>> scope_in_words(Scope(user="*", model="gpt-4o", exceptions=("bob",)))
    'each user but bob, model gpt-4o'
    >>> scope_in_words(Scope(user="*", plan="free")), scope_in_words(Scope())
    ('each user on plan free', 'everything')
    """
    but = f" but {', '.join(scope.exceptions)}" if scope.exceptions else ""
    on = f" on plan {scope.plan}" if scope.plan else ""
    parts = [
        f"each {kind}{but}{on}" if name == EACH else f"{kind} {name}"
        for kind, name in _named(scope).items()
    ]
    return ", ".join(parts) or _EVERYTHING


def _named(scope: Scope) -> dict[str, str]:
    named = {kind: getattr(scope, kind) for kind in DIMENSIONS}
    tags = {_TAG + tag: name for tag, name in scope.tags.items()}
    return {kind: name for kind, name in named.items() if name is not None} | tags


def _from_text(written: str) -> dict[str, object]:
    pairs = [part.partition("=") for part in written.split("&")]
    if not all(equals and name.strip() for _, equals, name in pairs):
        raise ConfigurationError(_FORMS)
    return _placed({kind.strip(): name.strip() for kind, _, name in pairs})


def _from_mapping(written: Mapping[object, object]) -> dict[str, object]:
    if "plan" in written:
        if len(written) > 1:
            raise ConfigurationError("a plan is a scope of its own")
        return {"user": EACH, "plan": written["plan"]}
    each = written.get("each", [])
    kinds = cast("list[object]", each) if isinstance(each, list) else [each]
    own = ("each", "except", "tags")
    named: dict[str, object] = {str(kind): EACH for kind in kinds}
    named |= {str(kind): name for kind, name in written.items() if kind not in own}
    placed = _placed(named)
    tags = written.get("tags", {})
    if not isinstance(tags, dict):
        raise ConfigurationError("tags are a mapping from name to value")
    placed["tags"] = {**cast("dict[str, object]", placed.get("tags", {})), **tags}
    return placed | {"exceptions": written.get("except", ())}


def _placed(named: Mapping[str, object]) -> dict[str, object]:
    fields: dict[str, object] = {}
    tags: dict[str, object] = {}
    for kind, name in named.items():
        if kind.startswith(_TAG) and len(kind) > len(_TAG):
            tags[kind.removeprefix(_TAG)] = name
        elif kind in DIMENSIONS:
            fields[kind] = name
        else:
            raise ConfigurationError(_FORMS)
    return fields | {"tags": tags}
