"""The page in a real browser: what it shows is what SQL says, and it can be used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from taximeter.api.credentials import COOKIE
from taximeter.api_tokens import TokenFile
from taximeter.page.shown import money
from taximeter.state import DataDir
from taximeter_schemas.clock import ManualClock
from tests.browsing import a_browser
from tests.builders import NOON
from tests.paging import PageSystem, a_call, a_month, served_page, serving_api

_WEEK = "occurred_at >= TIMESTAMPTZ '2026-11-16 00:00:00Z'"
_TODAY = "occurred_at >= TIMESTAMPTZ '2026-11-22 00:00:00Z'"
_NARROW = 360
_HALF_A_CENT = Decimal("0.005")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageSystem]:
    """Give a month of calls, and the page that shows them."""
    # More digits than a float has: one on the way would be seen.
    large = a_call("123456.789012345678", occurred_at=NOON - timedelta(days=3))
    calls = [large, *a_month(1500)]
    with served_page(tmp_path_factory.mktemp("page"), calls) as system:
        yield system


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give the one browser of these tests."""
    with a_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser, system: PageSystem) -> Iterator[BrowserContext]:
    """Give somebody in UTC who looks at the page, on a desk, by daylight."""
    with browser.new_context(
        base_url=system.url, timezone_id="Etc/UTC", color_scheme="light"
    ) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Give an empty tab, in which nothing may go wrong unseen."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda told: wrong.append(told.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    assert wrong == []


def _usd(page: Page, selector: str) -> Decimal:
    """Return the exact amount in a place, where it stands to the cent, too."""
    place = page.locator(selector).first
    exact = Decimal(place.get_attribute("value") or "NaN")
    text = place.inner_text()
    assert text == money(exact)
    assert abs(Decimal(text.replace(",", "").removeprefix("$")) - exact) <= _HALF_A_CENT
    return exact


def _column(page: Page, table: str) -> dict[str, Decimal]:
    rows = page.locator(f"{table} tbody tr")
    names = rows.locator("th a").all_inner_texts()
    costs = rows.locator("td:nth-child(2) data")
    values = costs.evaluate_all("cells => cells.map((cell) => cell.value)")
    shown = costs.all_inner_texts()
    assert shown == [money(Decimal(value) if value else None) for value in values]
    return {n: Decimal(v) for n, v in zip(names, values, strict=True) if v}


def _sums(system: PageSystem, by: str, where: str) -> dict[str, Decimal]:
    query = f"SELECT {by}, sum(cost_usd) FROM charges WHERE {where} GROUP BY 1"
    return {name: usd for name, usd in system.sql(query) if usd is not None}


def _sum(system: PageSystem, where: str) -> Decimal:
    ((usd,),) = system.sql(f"SELECT sum(cost_usd) FROM charges WHERE {where}")
    return Decimal(usd)


def test_the_page_shows_what_sql_says(page: Page, system: PageSystem) -> None:
    """Today, the stretch, every row, every column of the chart: to the last digit."""
    page.goto("/?top=20")
    assert _usd(page, "#today") == _sum(system, _TODAY)
    month = "occurred_at >= TIMESTAMPTZ '2026-11-01 00:00:00Z'"
    assert _usd(page, "[data-name=this_month]") == _sum(system, month)
    assert _usd(page, "#total") == _sum(system, _WEEK)
    for by in ("model", "user", "project"):
        column = {"model": "model"}.get(by, f"{by}_id")
        assert _column(page, f"[data-by={by}]") == _sums(system, column, _WEEK)
    page.get_by_text("The figures of the chart").click()
    days = _column(page, "#figures")
    by_day = _sums(system, "strftime(occurred_at, '%a %-d %b %Y')", _WEEK)
    assert days == by_day
    parts = page.locator("#figures tbody tr").first.locator("td data")
    values = parts.evaluate_all("cells => cells.map((cell) => cell.value)")
    assert sum(map(Decimal, values[1:])) == Decimal(values[0])


def test_a_view_is_its_address(page: Page, system: PageSystem) -> None:
    """Who opens an address sees the choice; names lead deeper, and back again."""
    page.goto("/?last=30d&by=project&tag=team%3Dgrowth")
    growth = "occurred_at >= '2026-10-24' AND tags['team'] = 'growth'"
    assert _usd(page, "#total") == _sum(system, growth)
    page.locator("[data-by=project]").get_by_role("link", name="search").click()
    expect(page).to_have_url(re.compile("project=search"))
    assert _usd(page, "#total") == _sum(system, f"{growth} AND project_id = 'search'")
    expect(page.locator("[data-by=user]").first).to_be_visible()
    page.get_by_label("Take back: tag:team growth").click()
    search = "occurred_at >= '2026-10-24' AND project_id = 'search'"
    assert _usd(page, "#total") == _sum(system, search)
    page.get_by_label("called").fill("alice")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("user=alice"))
    assert _usd(page, "#total") == _sum(system, f"{search} AND user_id = 'alice'")


def test_a_column_of_the_chart_leads_to_its_day(page: Page, system: PageSystem) -> None:
    """A click on the first column shows that day, hour by hour."""
    page.goto("/")
    page.locator("canvas").click(position={"x": 110, "y": 240})
    expect(page).to_have_url(re.compile("from=2026-11-16T00%3A00Z&to=2026-11-17"))
    day = "occurred_at >= '2026-11-16' AND occurred_at < '2026-11-17'"
    assert _usd(page, "#total") == _sum(system, day)
    assert page.locator("#figures").get_attribute("data-grain") == "hour"


def test_what_happens_arrives_by_itself(page: Page, system: PageSystem) -> None:
    """A call that the ledger takes in is on the open page, and soon in all of it."""
    page.goto("/")
    expect(page.locator("#live")).to_contain_text("live")
    before = _usd(page, "#today")
    system.charge(a_call("12.340000000001", user_id="newcomer"))
    after = before + Decimal("12.340000000001")
    expect(page.locator("#today")).to_have_attribute("value", f"{after:f}")
    total = _sum(system, _WEEK)
    expect(page.locator("#total")).to_have_attribute("value", f"{total:f}")
    assert _usd(page, "#total") == total


def test_keys_do_what_the_mouse_does(page: Page) -> None:
    """Ranges, dimensions, the filter, the theme and help; Tab begins with a way in."""
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("3")
    expect(page).to_have_url(re.compile("last=30d"))
    expect(page.locator("#theme")).to_be_visible()
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("by=user"))
    expect(page.locator("#theme")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#add-value")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.keyboard.press("d")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("d")
    expect(page.locator("html")).to_have_attribute("data-theme", "auto")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", _NARROW)])
def test_everybody_can_read_it(
    browser: Browser, system: PageSystem, scheme: str, width: int
) -> None:
    """Axe finds nothing, in either theme, on a desk and on a narrow phone."""
    with browser.new_context(
        base_url=system.url,
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id="Etc/UTC",
        viewport={"width": width, "height": 800},
    ) as context:
        page = context.new_page()
        page.goto("/?by=project&user=alice&user=bob")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        overflow = page.evaluate("document.documentElement.scrollWidth")
        assert overflow <= width


def test_days_are_those_of_who_looks(browser: Browser, system: PageSystem) -> None:
    """In Tokyo today began earlier; the zone is known without being asked for."""
    with browser.new_context(base_url=system.url, timezone_id="Asia/Tokyo") as context:
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_text("Times are those of Asia/Tokyo")).to_be_visible()
        tokyo = "occurred_at >= TIMESTAMPTZ '2026-11-21 15:00:00Z'"
        assert _usd(page, "#today") == _sum(system, tokyo)
        page.goto("/?tz=UTC")
        assert _usd(page, "#today") == _sum(system, _TODAY)


def test_without_scripts_it_is_all_there(browser: Browser, system: PageSystem) -> None:
    """Figures, budgets, alerts, and links through them; nothing from elsewhere."""
    asked: list[str] = []
    with browser.new_context(base_url=system.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        answer = page.goto("/")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert _usd(page, "#total") == _sum(system, _WEEK)
        expect(page.locator("#alerts li")).not_to_have_count(0)
        expect(page.locator(".budgets > li")).not_to_have_count(0)
        page.locator("[data-by=user]").get_by_role("link", name="bob").click()
        assert _usd(page, "#total") == _sum(system, f"{_WEEK} AND user_id = 'bob'")
    assert all(url.startswith(system.url) for url in asked)


def test_what_is_away_or_wrong_is_said(
    browser: Browser, system: PageSystem, tmp_path: Path
) -> None:
    """No Kafka, no ledger, no calls, no such view: each in words, none a blank page."""
    with (
        serving_api(DataDir(tmp_path), ManualClock(NOON)) as empty,
        browser.new_context() as context,
    ):
        page = context.new_page()
        page.goto(empty)
        expect(page.get_by_text("The ledger cannot be read just now")).to_be_visible()
        expect(page.get_by_text("Kafka does not answer.")).to_be_visible()
        page.goto(f"{system.url}/?user=nobody")
        expect(page.get_by_text("No calls in the last 7 days")).to_be_visible()
        page.get_by_role("link", name="Show everything").click()
        expect(page.locator("canvas")).to_be_visible()
        answer = page.goto(f"{system.url}/?last=7x")
        assert answer is not None
        assert answer.status == 422
        expect(page.get_by_text("'7x' is no length")).to_be_visible()
        assert Axe().run(page).violations_count == 0


def test_behind_tokens_one_signs_in(
    browser: Browser, system: PageSystem, tmp_path: Path
) -> None:
    """A token that may read opens the page it was asked for; scripts never see it."""
    tokens = TokenFile(tmp_path / "tokens.json")
    viewer = tokens.create("viewer", NOON, ("read",))
    writer = tokens.create("writer", NOON, ("write",))
    with (
        serving_api(system.data, system.clock, tokens=tokens.path) as url,
        browser.new_context(base_url=url) as context,
    ):
        page = context.new_page()
        page.goto("/?last=30d&user=alice")
        expect(page).to_have_url(re.compile("/sign-in"))
        assert Axe().run(page).violations_count == 0
        for text, words in (("no-token", "unknown"), (writer.text, "may not read")):
            page.get_by_label("Token").fill(text)
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text(words)
        page.get_by_label("Token").fill(viewer.text)
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{url}/?last=30d&user=alice")
        alice = "occurred_at >= '2026-10-24' AND user_id = 'alice'"
        assert _usd(page, "#total") == _sum(system, alice)
        expect(page.locator("#live")).to_have_attribute("data-state", "on")
        assert viewer.text not in page.evaluate("document.cookie")
        (kept,) = (c for c in context.cookies() if c.get("name") == COOKIE)
        assert (kept.get("httpOnly"), kept.get("sameSite")) == (True, "Strict")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{url}/sign-in")
        page.goto("/")
        expect(page).to_have_url(re.compile("/sign-in"))
