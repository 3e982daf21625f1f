"""What messages say besides their alerts, and what they do not wait for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest

from taximeter.notify.alert import Alert, read_alert
from taximeter.notify.details import LedgerDetails
from taximeter.notify.messages import Detail, Message
from taximeter.notify.templates import Texts
from taximeter_schemas.alerts import BudgetThresholdCrossed, Share
from taximeter_schemas.errors import LedgerUnavailable
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.queries import Ledger
from tests.alerting import an_alert
from tests.builders import NOON, a_usage, an_id
from tests.unit.sinks.charge_builders import a_charge, charges_record

GOLDEN = Path(__file__).parents[2] / "contract" / "golden" / "v1"
CALLS = (
    ("alice", "gpt-4o", "5"),
    ("alice", "claude", "3.1"),
    ("alice", "o3", "0.2"),
    ("alice", "tiny", "0.1"),
    ("bob", "gpt-4o", "40"),
    ("bob", "nobody-knows", None),
)


@pytest.fixture
async def ledger(tmp_path: Path) -> Path:
    """Write calls of two users at noon."""
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    for offset, (user, model, usd) in enumerate(CALLS):
        call = a_usage(event_id=an_id(offset), user_id=user, model=model)
        sink.add([charges_record([a_charge(0, offset, 0, usd, call)], offset)])
    await sink.flush()
    sink.close()
    return path


def _golden(name: str) -> Alert:
    return read_alert((GOLDEN / f"{name}.json").read_bytes())


async def test_a_threshold_names_the_dearest_models_of_its_subject(
    ledger: Path,
) -> None:
    """Three of Alice's, and no users, since she is the only one."""
    alert = an_alert()

    more = await LedgerDetails(lambda: Ledger.open(ledger)).of([alert])

    line = "models: gpt-4o 5.00, claude 3.10, o3 0.20 USD"
    assert more[alert.alert_id].lines == [line]
    body = Message.of(an_id("m"), "ops", [alert], Texts(), more).body
    first, second = body.splitlines()
    assert first.startswith("80 % of prod")
    assert second == f"  {line}"


async def test_a_webhook_is_told_the_event_with_them_and_the_link(
    ledger: Path,
) -> None:
    """They are fields of the event: exact, the dearest first, read by its model."""
    alert = an_alert()
    details = LedgerDetails(lambda: Ledger.open(ledger), "https://x.example/{budget}")

    message = Message.of(an_id("m"), "ops", [alert], Texts(), await details.of([alert]))

    (told,) = json.loads(message.as_json())["alerts"]
    event = BudgetThresholdCrossed.model_validate(told)
    assert event.top_models == tuple(
        Share(name=name, spent_usd=Decimal(usd))
        for name, usd in (("gpt-4o", "5"), ("claude", "3.1"), ("o3", "0.2"))
    )
    assert event.top_users == (Share(name="alice", spent_usd=Decimal("8.4")),)
    assert event.link == "https://x.example/prod"


async def test_a_digest_names_the_dearest_models_and_users(ledger: Path) -> None:
    """Of everybody, within the digest's period."""
    alert = _golden("DigestDue")

    more = await LedgerDetails(lambda: Ledger.open(ledger)).of([alert])

    assert more[alert.alert_id].lines == [
        "models: gpt-4o 45.00, claude 3.10, o3 0.20 USD",
        "users: bob 40.00, alice 8.40 USD",
    ]


@pytest.mark.parametrize("hours", [0, 1])
async def test_an_anomaly_names_the_dearest_of_its_hour(
    ledger: Path, hours: int
) -> None:
    """Of the hour that was odd, and of no other."""
    said = json.loads(_golden("SpendAnomalyDetected").text)
    said["hour_start"] = (NOON - timedelta(hours=hours)).isoformat()
    alert = read_alert(json.dumps(said).encode())

    more = await LedgerDetails(lambda: Ledger.open(ledger)).of([alert])

    lines = ["models: gpt-4o 5.00, claude 3.10, o3 0.20 USD"]
    assert more[alert.alert_id].lines == ([] if hours else lines)


async def test_another_period_has_other_details(ledger: Path) -> None:
    """What was spent outside of the alert's period is not named."""
    alert = an_alert(period_start="2026-11-23T00:00:00Z", period_end=None)

    more = await LedgerDetails(lambda: Ledger.open(ledger)).of([alert])

    assert more[alert.alert_id].lines == []
    assert more[alert.alert_id].fields == {"top_models": [], "top_users": []}


def _away() -> Ledger:
    raise LedgerUnavailable(Path("ledger.duckdb"), "it is away")


def _broken() -> Ledger:
    raise RuntimeError("nobody foresaw it")


@pytest.mark.parametrize("opening", [_away, _broken])
async def test_a_ledger_that_is_away_costs_no_alert(
    opening: Callable[[], Ledger],
) -> None:
    """Without the ledger there is the link, and without a link nothing."""
    alert = an_alert(budget_id="a/b")
    link = "https://grafana.example.org/d/spend?var={budget}"

    linked = await LedgerDetails(opening, link).of([alert])

    page = "https://grafana.example.org/d/spend?var=a%2Fb"
    assert linked[alert.alert_id] == Detail([page], {"link": page})
    assert (await LedgerDetails(opening).of([alert]))[alert.alert_id] == Detail()
    own = an_alert(link="https://x.example/7")
    said = await LedgerDetails(opening).of([own])
    assert said[own.alert_id].lines == ["https://x.example/7"]


async def test_a_slow_ledger_is_not_waited_for() -> None:
    """An alert goes without details, and the next one does not ask meanwhile."""
    asked: list[None] = []
    answered = Event()

    def slow() -> Ledger:
        asked.append(None)
        answered.wait(30)
        return _away()

    details = LedgerDetails(slow, seconds=0.05)
    try:
        for _ in range(3):
            alert = an_alert()
            assert await details.of([alert]) == {alert.alert_id: Detail()}
        assert len(asked) == 1
    finally:
        answered.set()
        await asyncio.to_thread(lambda: None)


async def test_a_page_of_a_budget_is_for_alerts_of_budgets() -> None:
    """An alert about no budget has the link only if it names none."""
    alert = _golden("PriceMissing")

    named = await LedgerDetails(_away, "https://x.example/{budget}").of([alert])
    plain = await LedgerDetails(_away, "https://x.example/").of([alert])

    assert named[alert.alert_id] == Detail()
    assert plain[alert.alert_id].lines == ["https://x.example/"]


def test_names_in_details_call_nobody() -> None:
    """What a user calls a model neither calls a channel nor breaks a line."""
    alert = an_alert()

    odd = {alert.alert_id: Detail(["models: <!channel>\n@everyone 5 USD"])}
    body = Message.of(an_id("m"), "ops", [alert], Texts(), odd).body

    assert "<!channel>" not in body
    assert "@everyone" not in body
    assert len(body.splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "severity", "words"),
    [
        (
            "BudgetForecastExceeded",
            "warning",
            "alice-monthly: user alice is expected to pass 1,000 USD on 2026-11-25 "
            "13:00Z, and to end at 1,200 (1,100.50 to 1,300; month from 2026-10-31 "
            "23:00Z)",
        ),
        (
            "SpendAnomalyDetected",
            "warning",
            "user alice has spent 120.000000000001 USD in the hour from 2026-11-22 "
            "11:00Z; 10 are usual, up to 42",
        ),
        (
            "SpendRecovered",
            "info",
            "alice-monthly: user alice is below the limit again (month from "
            "2026-10-31 23:00Z)",
        ),
        (
            "PriceMissing",
            "warning",
            "nobody-knows has no price: 17 calls of 2026-11-22 without a cost",
        ),
        (
            "DigestDue",
            "info",
            "1234.500000000001 USD spent by 98,765 calls, 17 calls without a price "
            "(week from 2026-11-15 23:00Z)",
        ),
    ],
)
def test_every_kind_of_alert_has_words(name: str, severity: str, words: str) -> None:
    """A message says what happened, and how much it matters."""
    alert = _golden(name)

    message = Message.of(an_id("m"), "ops", [alert], Texts())

    assert (message.body, message.severity) == (words, severity)


def test_limits_in_tokens_have_words() -> None:
    """A budget of tokens is not one of dollars."""
    golden = GOLDEN.parent / "v2" / "BudgetThresholdCrossed.json"
    alert = read_alert(golden.read_bytes())

    body = Message.of(an_id("m"), "ops", [alert], Texts()).body

    assert "has used 80017 of 100000 tokens (day from" in body
    assert body.endswith(", late)")


def test_a_combined_subject_is_matched_by_its_parts() -> None:
    """Its users, models and tags are those that routes ask for."""
    fields = {
        "event_type": "SpendAnomalyDetected",
        "alert_id": str(an_id()),
        "subject_kind": "user&tag:team",
        "subject_id": '["alice","growth"]',
    }

    alert = read_alert(json.dumps(fields).encode())
    odd = read_alert(json.dumps(fields | {"subject_id": "no list"}).encode())

    assert alert.subject["user"] == "alice"
    assert alert.tags == {"team": "growth"}
    assert odd.subject == {"user&tag:team": "no list"}
    assert _golden("PriceMissing").subject == {"model": "nobody-knows"}


def test_amounts_are_shown_exactly() -> None:
    """What a ledger adds up is shown to the last digit."""
    alert = an_alert(spent_usd=str(Decimal("8.000000000001")))

    assert "8.000000000001" in Message.of(an_id("m"), "o", [alert], Texts()).body
