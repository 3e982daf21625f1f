"""The page's address: it says all that is looked at, and links change one thing."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taximeter.page.view import View
from taximeter_schemas.errors import ConfigurationError

_NAMES = st.text(min_size=1, max_size=20)
_TAGS = st.from_regex("tag:[a-z]{1,9}", fullmatch=True)
_CHOICES = st.dictionaries(
    st.sampled_from(["user", "model", "project", "status"]) | _TAGS,
    st.lists(_NAMES, min_size=1, max_size=3, unique=True).map(tuple),
    max_size=3,
)


def _read(address: str) -> View:
    return View.parse(parse_qsl(urlsplit(address).query, keep_blank_values=True))


@given(
    st.sampled_from([{"last": "7d"}, {"last": "24h"}, {"from": "2026-11-01"}]),
    st.sampled_from(["model", "user", "tag:team"]),
    _CHOICES,
    st.sampled_from(["UTC", "Asia/Tokyo"]),
)
def test_a_view_can_be_sent(
    time: dict[str, str], by: str, only: dict[str, tuple[str, ...]], zone: str
) -> None:
    """Whoever opens its address looks at the same."""
    view = View(time=time, by=by, only=only, zone=zone, zone_given=True)
    assert _read(view.href) == view


def test_drilling_down_asks_who_or_what_for() -> None:
    """A model leads to its users, their projects stay; the way back is one link."""
    view = View(by="model").into("model", "gpt-4o")
    assert (view.only, view.by) == ({"model": ("gpt-4o",)}, "user")
    deeper = view.into("user", "ada")
    assert deeper.only == {"model": ("gpt-4o",), "user": ("ada",)}
    assert deeper.without("user", "ada").only == view.only
    assert deeper.of_everything().only == {}


def test_a_stretch_is_of_the_viewers_zone() -> None:
    """The same address is another stretch for who looks from elsewhere."""
    now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    berlin = View.parse([("last", "7d")], "Europe/Berlin").stretch(now)
    assert berlin.start == datetime(2026, 11, 16, 23, tzinfo=UTC)
    assert View.parse([("last", "7d")]).stretch(now).start != berlin.start


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("by", "day"),
        ("by", "colour"),
        ("tag", "team"),
        ("tz", "Nowhere"),
        ("top", "0"),
        ("top", "many"),
        ("top", "9" * 5000),
        ("user", "x" * 300),
    ],
)
def test_what_there_is_not_is_told(name: str, value: str) -> None:
    """A wrong address is an error in words, whatever it is."""
    with pytest.raises(ConfigurationError):
        View.parse([(name, value)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("last", "7x"),
        ("last", "99999y"),
        ("month", "2026-13"),
        ("from", "0001-01-01"),
        ("to", "9999-12-31T23:59"),
        ("from", "yesterday"),
    ],
)
def test_a_stretch_that_nobody_can_see_is_told(name: str, value: str) -> None:
    """Before anything is asked, and before the page has begun."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    with pytest.raises(ConfigurationError):
        View.parse([(name, value)], "Asia/Tokyo").stretch(now)
