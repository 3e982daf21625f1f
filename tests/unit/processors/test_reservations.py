"""Reservations by example; tests/property/test_reservations.py has the rules."""

from __future__ import annotations

from decimal import Decimal

from taximeter_processors.holds import HOLDS_PREFIX, REMEMBERED_SECONDS
from taximeter_schemas.reservations import DEFAULT_EXPIRY_SECONDS
from tests.reserving import BUDGET, Owner, a_release, a_request, sums


def test_a_request_is_granted_up_to_the_limit_to_the_last_digit() -> None:
    """What is spent, held and asked for may be the limit, and no pico-dollar more."""
    owner = Owner()
    owner.hear(sums(0, 1, 4), a_request(1, 5), a_request(2, "1.000000000001"))
    owner.hear(a_request(3, 1), a_request(4, "0.000000000001"), a_request(5, 0))
    owner.settle()
    outcomes = [owner.outcome(call) for call in (1, 2, 3, 4, 5)]
    assert outcomes == ["granted", "denied", "granted", "denied", "granted"]
    denied = owner.first_answer(4)
    assert denied is not None
    assert denied.spent_usd == 4
    assert (denied.reserved_usd, denied.limit_usd) == (Decimal(6), Decimal(10))
    assert owner.status.reserved_usd == 6


def test_a_charge_takes_the_place_of_what_was_held() -> None:
    """It counts what the call cost, and the rest of the estimate is free again."""
    owner = Owner()
    owner.hear(a_request(1, 8), sums(0, 1, 3, settles=[1]), a_request(2, 7))
    owner.settle()
    assert owner.outcome(2) == "granted"
    assert owner.status.spent_usd == 3
    assert owner.status.reserved_usd == 7


def test_what_nobody_settles_lapses_without_any_traffic() -> None:
    """Time alone frees it, and the status says so."""
    owner = Owner()
    owner.hear(a_request(1, 8, expires_after_seconds=5))
    owner.settle()
    owner.passes(seconds=4.9)
    owner.settle()
    assert owner.status.reserved_usd == 8
    owner.passes(seconds=0.1)
    owner.settle()
    assert owner.status.reserved_usd == 0


def test_what_is_over_is_forgotten_in_time() -> None:
    """No row stays for ever; a request that comes after that lapses like others."""
    owner = Owner()
    owner.hear(a_request(1, 8), a_request(2, 8), a_release(1))
    owner.settle()
    owner.passes(seconds=REMEMBERED_SECONDS)
    owner.settle()
    assert not any(key.startswith(HOLDS_PREFIX) for key in owner.rows)
    owner.hear(a_request(1, 8))
    owner.settle()
    owner.passes(seconds=DEFAULT_EXPIRY_SECONDS)
    owner.settle()
    assert owner.status.reserved_usd == 0


def test_a_hold_counts_in_the_period_that_follows() -> None:
    """A call that begins before midnight may be charged after it."""
    owner = Owner()
    owner.passes(hours=11, minutes=59)
    owner.hear(a_request(1, 8))
    owner.settle()
    owner.passes(minutes=2)
    owner.hear(a_request(2, 8))
    owner.settle()
    assert owner.outcome(2) == "denied"


def test_a_rolling_budget_is_held_to_what_it_is_now() -> None:
    """What was spent within so much time counts, and later does not any more."""
    owner = Owner(BUDGET.model_copy(update={"period": "rolling_hour"}))
    owner.hear(sums(0, 1, 9), a_request(1, 2))
    owner.settle()
    owner.passes(hours=1)
    owner.hear(a_request(2, 2))
    owner.settle()
    assert (owner.outcome(1), owner.outcome(2)) == ("denied", "granted")


def test_an_unknown_budget_is_answered_so() -> None:
    """Nobody holds anything for what the owner knows nothing of, or not in USD."""
    tokens = BUDGET.model_copy(
        update={"budget_id": "tokens", "limit_usd": None, "limit_tokens": 5}
    )
    owner = Owner(BUDGET, tokens)
    owner.hear(a_request(1, 1, budget_id="no such"), a_request(2, 1, subject_id="bob"))
    owner.hear(a_request(3, 1, budget_id="tokens"), b'{"event_type":"Odd"}', b"\xff")
    owner.settle()
    assert {owner.outcome(call) for call in (1, 2, 3)} == {"unknown"}
    owner.hear(a_request(4, Decimal(10)))
    owner.settle()
    assert owner.outcome(4) == "granted"
