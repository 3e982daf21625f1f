"""What the API says from a ledger, held against SQL; no Kafka is asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from taximeter.api.app import create_app
from taximeter.state import DataDir
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.queries import Ledger
from tests.alerting import a_crossing
from tests.builders import NOON, an_id
from tests.integration.sinks.reported import write_ledger

_ALERTS = (
    a_crossing(alert_id=an_id("80"), threshold_percent=80, subject_id="ada"),
    a_crossing(
        alert_id=an_id("100"),
        threshold_percent=100,
        spent_usd="10.50",
        raised_at=NOON + timedelta(minutes=1),
    ),
)
_CROSSED = "BudgetThresholdCrossed"
_NO_KAFKA = "127.0.0.1:1"
_NOW = NOON + timedelta(minutes=1, seconds=30)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """Give a ledger with a bit of everything."""
    data = DataDir(tmp_path_factory.mktemp("answers"))
    write_ledger(data.ledger)
    sink = DuckDBSink(data.ledger, Topics())
    topic = Topics().budget_alerts.name
    for offset, alert in enumerate(_ALERTS):
        value = alert.model_dump_json().encode()
        sink.add([RawRecord(topic, 0, offset, b"prod", value)])
    asyncio.run(sink.flush())
    # As an older release has written it: without the event itself.
    sink.ledger.execute("UPDATE alerts SET event = NULL WHERE threshold_percent = 80")
    sink.close()
    return data


@pytest.fixture(scope="module")
def api(data: DataDir) -> Iterator[TestClient]:
    """Give a client of an API over that ledger."""
    clock = ManualClock(_NOW)
    app = create_app(bootstrap=_NO_KAFKA, topics=Topics(), data=data, clock=clock)
    with TestClient(app) as client:
        yield client


def _get(api: TestClient, path: str) -> dict[str, Any]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _sql(data: DataDir, query: str) -> list[tuple[Any, ...]]:
    with Ledger.open(data.ledger) as ledger:
        return ledger.sql(query).rows


def test_each_report_is_what_sql_says(api: TestClient, data: DataDir) -> None:
    """Total, by day, model, user and project: to the last digit, as text."""
    whole = _sql(data, "SELECT sum(cost_usd) FROM charges")[0][0]
    assert (_get(api, "/v1/spend/total"))["total"]["cost_usd"] == f"{whole:f}"
    for path, column in {
        "daily": "occurred_at::DATE",
        "by-model": "model",
        "by-user": "user_id",
        "by-project": "project_id",
    }.items():
        rows = (_get(api, f"/v1/spend/{path}"))["rows"]
        query = f"SELECT {column}::VARCHAR, sum(cost_usd) FROM charges GROUP BY 1"
        name = {"daily": "day"}.get(path, path.removeprefix("by-"))
        told = {
            (row[name], row["cost_usd"] and Decimal(row["cost_usd"])) for row in rows
        }
        assert told == set(_sql(data, query))


def test_pages_together_are_the_whole(api: TestClient) -> None:
    """`next_offset` leads through all rows once, and is null behind the last."""
    whole = (_get(api, "/v1/spend?by=model,user"))["rows"]
    rows: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = _get(api, f"/v1/spend?by=model,user&limit=1&offset={offset}")
        rows += page["rows"]
        offset = page["next_offset"]
    assert rows == whole
    assert len(whole) == 4


def test_only_what_was_chosen_counts(api: TestClient) -> None:
    """By name, by tag and by time; several values of a filter are any of them."""
    for choice, cost in {
        "user=bob": "3.000000000000",
        "user=bob&user=ada": "6.003000000001",
        "tag=team=growth": "3.000000000000",
        "project=ads": "0.000000000001",
        "last=24h&endpoint=/chat": "2.500000000000",
        "user=nobody": "0.000000000000",
    }.items():
        found = _get(api, f"/v1/spend/total?{choice}")
        assert found["total"]["cost_usd"] == cost, choice


def test_now_is_held_against_the_same_time_of_other_days(
    api: TestClient,
) -> None:
    """Today is of the zone that is asked for; nothing to compare with is null."""
    found = _get(api, "/v1/spend/now?tz=Europe/Berlin")
    today = found["stretches"]["today"]
    assert (today["start"], today["cost_usd"]) == (
        "2026-11-21T23:00:00Z",
        "3.003000000001",
    )
    assert found["stretches"]["last_week_so_far"]["end"] == "2026-11-15T12:01:00Z"
    assert found["changed_percent"] == {
        "yesterday_so_far": None,
        "last_week_so_far": None,
    }
    assert found["stretches"]["this_month"]["cost_usd"] == "6.003000000001"


def test_what_has_no_price_is_told_and_so_is_where_spend_goes(
    api: TestClient,
) -> None:
    """Missing prices name model and reason; the forecast is at least what was spent."""
    (missing,) = (_get(api, "/v1/prices/missing"))["missing"]
    assert (missing["model"], missing["calls"]) == ("nobody-knows", 1)
    rows = (_get(api, "/v1/forecast?by=user"))["rows"]
    assert [row["user"] for row in rows] == ["ada", "bob"]
    for row in rows:
        assert Decimal(row["projected_usd"]) >= Decimal(row["spent_usd"])


def test_an_alert_in_full_says_who_spent_most(api: TestClient) -> None:
    """Its own fields, and the dearest of its subject in its period, as of now.

    Also of an alert that an older release has written.
    """
    found = _get(api, f"/v1/alerts/{an_id('80')}")

    assert (found["event_type"], found["threshold_percent"]) == (_CROSSED, 80)
    assert found["words"].startswith("prod: user ada has spent")
    assert [
        (one["name"], Decimal(one["spent_usd"])) for one in found["top_models"]
    ] == [
        ("claude-sonnet-4-5", Decimal("3.000000000001")),
        ("new", Decimal("0.003")),
    ]
    assert [one["name"] for one in found["top_users"]] == ["ada"]
    unknown = api.get(f"/v1/alerts/{an_id('nobody')}")
    assert unknown.status_code == 404
    assert unknown.headers["Retry-After"] == "1"
    assert "no such alert" in unknown.json()["detail"]


def test_alerts_are_told_in_words(api: TestClient) -> None:
    """The newest first, also one that an older release has kept; page by page."""
    first = _get(api, "/v1/alerts?limit=1")
    second = _get(api, f"/v1/alerts?limit=1&offset={first['next_offset']}")
    words = [page["alerts"][0]["words"] for page in (first, second)]
    assert "alice has spent 10.50 of 10.00 USD" in words[0]
    assert "ada has spent 8.50 of 10.00 USD" in words[1]
    assert second["next_offset"] is None


def test_health_is_told_with_kafka_away(api: TestClient) -> None:
    """It is an answer all the same: Kafka is away, the ledger there, no part runs."""
    found = _get(api, "/v1/health")
    assert (found["kafka"]["ok"], found["ledger"]["ok"]) == (False, True)
    assert {part["name"] for part in found["parts"]} >= {"broker", "sink", "api"}
    assert found["open_dead_letters"] == 0


def test_who_has_the_answer_is_not_sent_it_again(api: TestClient) -> None:
    """304 for the tag of the same answer, 200 for that of another one."""
    for path in ("/v1/spend?by=user", "/v1/spend/now", "/v1/alerts"):
        tag = (api.get(path)).headers["ETag"]
        known = api.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (known.status_code, known.content) == (304, b"")
        assert known.headers["ETag"] == tag
        changed = api.get(path, headers={"If-None-Match": '"other"'})
        assert changed.status_code == 200


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/v1/spend/total?tag=team", "team=growth"),
        ("/v1/spend/daily?last=7x", "24h"),
        ("/v1/spend/daily?last=7d&from=2026-11-01", "not both"),
        ("/v1/spend/by-user?limit=0", "limit"),
        ("/v1/spend/by-user?offset=-1", "offset"),
        ("/v1/spend/now?tz=Nowhere", "time zone"),
        ("/v1/forecast?period=total", "period"),
        ("/v1/forecast?tz=Nowhere", "time zone"),
        ("/v1/alerts?limit=x", "limit"),
    ],
)
def test_a_wrong_question_is_told_why(api: TestClient, path: str, word: str) -> None:
    """422 with a sentence that says what would be right."""
    answer = api.get(path)
    assert answer.status_code == 422
    assert word in answer.json()["detail"]
