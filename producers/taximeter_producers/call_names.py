"""By which names a call stands in the dimensions of spend, before it is made. Pure.

The guard that asks from memory and the one that reserves read a call by this alone, so
that both hold it to the same budgets, and its event to the same subjects.
"""

from __future__ import annotations

from collections.abc import Mapping

from taximeter_producers.attribution import Attribution, label, merged_tags
from taximeter_schemas.subjects import tag_dimension
from taximeter_schemas.usage import UNATTRIBUTED

__all__ = ["call_names", "sold"]


def call_names(  # noqa: PLR0913 - all that a call can say of itself
    around: Attribution,
    *,
    user: object = None,
    model: object = None,
    project: object = None,
    session: object = None,
    endpoint: object = None,
    provider: object = None,
    source: object = None,
    api_key: object = None,
    tags: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """Return a call's name in each dimension in which it has one.

    What is not said is taken from the `attribute(...)` blocks around. A call of nobody
    in particular is the user `unattributed`'s, as it is in every report.

    >>> around = Attribution(user_id="ada")
    >>> call_names(around, model="openai/gpt-4o", tags={"team": "x"})
    ... # doctest: +NORMALIZE_WHITESPACE
    {'user': 'ada', 'project': 'unattributed', 'model': 'gpt-4o',
     'provider': 'openai', 'tag:team': 'x'}
    """
    said = {
        "user": label(user) or around.user_id or UNATTRIBUTED,
        "project": label(project) or around.project_id or UNATTRIBUTED,
        "session": label(session) or around.session_id,
        "endpoint": label(endpoint) or around.endpoint,
        "source": label(source),
        "api_key": label(api_key),
    }
    named = {name: value for name, value in said.items() if value is not None}
    named |= sold(label(model), label(provider))
    whole = merged_tags(around.tags, tags) if tags else around.tags
    for tag, value in whole.items():
        named[tag_dimension(tag)] = value
    return named


def sold(model: str | None, provider: str | None) -> dict[str, str]:
    """Return model and provider as events name them; "provider/model" is both.

    >>> sold("openai/gpt-4o", None), sold("org/model", "together_ai")
    ... # doctest: +NORMALIZE_WHITESPACE
    ({'model': 'gpt-4o', 'provider': 'openai'},
     {'model': 'org/model', 'provider': 'together_ai'})
    """
    if model is not None and provider is None and "/" in model:
        provider, _, model = model.partition("/")
    named = {"model": model, "provider": provider}
    return {kind: name for kind, name in named.items() if name}
