"""Whom a proxy's call is for: the key says it, and the request fills what is open."""

from __future__ import annotations

import pytest

from taximeter_producers.litellm_attribution import proxy_attribution, tags_of


@pytest.mark.parametrize(
    ("noted", "user"),
    [
        ({"user_api_key_user_id": "ada", "user_id": "mallory"}, "ada"),
        ({"user_api_key_user_id": "default_user_id", "user_id": "bob"}, "bob"),
        ({"user_api_key_user_id": None, "user_api_key_end_user_id": "c-1"}, "c-1"),
        ({}, None),
    ],
)
def test_the_keys_user_wins(noted: dict[str, object], user: str | None) -> None:
    """Who sends a request may write anything into it; a key is somebody's."""
    assert proxy_attribution(noted).get("user_id") == user


def test_names_go_before_ids() -> None:
    """A team's alias is what people know it by; without one it has its id."""
    ids = {"user_api_key_team_id": "t-1", "user_api_key_org_id": "o-1"}
    assert proxy_attribution(ids)["tags"] == {"team": "t-1", "organization": "o-1"}
    named = ids | {"user_api_key_team_alias": "growth"}
    assert proxy_attribution(named)["tags"] == {"team": "growth", "organization": "o-1"}


def test_tags_never_break_an_event() -> None:
    """Too many tags, too long ones, and what are none at all, are cut to what fits."""
    many = [f"tag-{number}:{'x' * 500}" for number in range(100)]
    tags = proxy_attribution({"tags": many})["tags"]
    assert isinstance(tags, dict)
    assert len(tags) == 32
    assert max(map(len, tags.values())) == 256
    assert tags_of("prod") == tags_of(7) == tags_of(None) == {}
    assert tags_of([":x", "", "  "]) == {"": "x"} | tags_of(["", "  "])
    assert proxy_attribution({"tags": ["", ":x"]}) == {}
