"""Whom a call through litellm's proxy is for, from what the proxy notes beside it.

Pure, and without litellm: the same rules read a call as it happens and a row of the
proxy's spend logs. What the key says wins, since who sends a request can say anything;
what the key leaves open, the request may fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from taximeter_producers.attribution import label, merged_tags

__all__ = ["proxy_attribution", "tags_of"]

# What the proxy calls somebody or something -> our tag. A name goes before an id.
_TAGS: Final = {
    "team": ("user_api_key_team_alias", "user_api_key_team_id"),
    "organization": ("user_api_key_org_alias", "user_api_key_org_id"),
    "key_alias": ("user_api_key_alias",),
    "end_user": ("user_api_key_end_user_id",),
    "model_group": ("model_group",),
}
_FIELDS: Final = {
    "user_id": ("user_api_key_user_id", "user_id", "user_api_key_end_user_id"),
    "project_id": ("user_api_key_project_id", "project_id"),
    "session_id": ("session_id",),
    "api_key_hash": ("user_api_key_hash",),
}
# Whom the proxy names where nobody is.
_NOBODY: Final = "default_user_id"
# The proxy itself adds what program called it.
_OF_THE_CLIENT: Final = "User-Agent:"


def proxy_attribution(noted: Mapping[str, object]) -> dict[str, object]:
    """Return an event's fields from what the proxy notes of a call.

    >>> proxy_attribution({"user_api_key_team_id": "growth", "tags": ["env:prod"]})
    {'tags': {'team': 'growth', 'env': 'prod'}}
    """
    own = tags_of(noted.get("spend_logs_metadata")) | tags_of(noted.get("tags"))
    tags = dict(merged_tags(_first(noted, _TAGS), own))
    return {**_first(noted, _FIELDS), **({"tags": tags} if tags else {})}


def tags_of(given: object) -> dict[str, str]:
    """Return request tags, which are a list of words, as names and values.

    >>> tags_of(["prod", "job:42", "User-Agent: curl"]), tags_of({"env": "prod"})
    ({'prod': 'true', 'job': '42'}, {'env': 'prod'})
    """
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    if isinstance(given, str) or not isinstance(given, Iterable):
        return {}
    words = [str(word) for word in given]
    pairs = [w.partition(":") for w in words if not w.startswith(_OF_THE_CLIENT)]
    return {name.strip(): value.strip() or "true" for name, _, value in pairs}


def _first(
    noted: Mapping[str, object], names: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, places in names.items():
        said = map(_said, map(noted.get, places))
        if text := next(filter(None, said), None):
            found[field] = text
    return found


def _said(value: object) -> str | None:
    text = label(value)
    return None if text == _NOBODY else text
