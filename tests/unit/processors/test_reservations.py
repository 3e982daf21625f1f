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
    """Nobody holds anything for what the owner knows nothing of, or no limit of."""
    unlimited = BUDGET.model_copy(update={"budget_id": "none", "limit_usd": None})
    owner = Owner(BUDGET, unlimited)
    owner.hear(a_request(1, 1, budget_id="no such"), a_request(2, 1, subject_id="bob"))
    owner.hear(a_request(3, 1, budget_id="none"), b'{"event_type":"Odd"}', b"\xff")
    owner.settle()
    assert {owner.outcome(call) for call in (1, 2, 3)} == {"unknown"}
    owner.hear(a_request(4, Decimal(10)))
    owner.settle()
    assert owner.outcome(4) == "granted"


TOKENS = BUDGET.model_copy(
    update={"budget_id": "tokens", "limit_usd": None, "limit_tokens": 100}
)
CALLS = BUDGET.model_copy(
    update={"budget_id": "calls", "limit_usd": None, "limit_calls": 3}
)


def _asked(owner: Owner, call: object, **said: object) -> str | None:
    owner.hear(a_request(call, **said))
    owner.settle()
    return owner.outcome(call)


def test_tokens_are_held_and_settle_to_those_that_were_used() -> None:
    """A limit in tokens is held to by the token, whatever the call costs in USD."""
    owner = Owner(TOKENS)

    def asked(call: int, tokens: int | None) -> str | None:
        return _asked(owner, call, budget_id="tokens", estimate_tokens=tokens)

    assert [asked(1, 60), asked(2, 41), asked(3, 40)] == [
        "granted",
        "denied",
        "granted",
    ]
    denied = owner.first_answer(2)
    assert denied is not None
    assert denied.unit == "tokens"
    assert list(map(int, denied.amounts)) == [41, 0, 60, 100]
    assert owner.status.reserved_tokens == 100
    assert owner.status.reserved_usd == 0
    assert asked(4, None) == "denied"  # nothing is left, however much it would use

    owner.hear(sums(0, 1, 5, settles=[1], tokens=25))
    owner.settle()
    assert (owner.status.tokens, owner.status.reserved_tokens) == (25, 40)
    assert [asked(5, 36), asked(6, 35), asked(7, 0)] == ["denied", "granted", "granted"]


def test_a_limit_in_calls_counts_one_for_each() -> None:
    """What a call costs or uses does not matter, nor whether it is free."""
    owner = Owner(CALLS)

    def asked(call: int, usd: object = None) -> str | None:
        return _asked(owner, call, budget_id="calls", estimate_usd=usd)

    outcomes = [asked(1, "0.01"), asked(2), asked(3, 0), asked(4, 0)]
    assert outcomes == ["granted", "granted", "granted", "denied"]
    owner.hear(sums(0, 1, 5, settles=[1]), a_release(2))
    owner.settle()
    assert (owner.status.calls, owner.status.reserved_calls) == (1, 1)
    assert [asked(5), asked(6)] == ["granted", "denied"]


def test_a_limit_in_another_unit_forgets_what_was_held_in_the_old_one() -> None:
    """Dollars that were held count for no tokens; the next owner knows the unit."""
    owner = Owner(TOKENS)
    assert _asked(owner, 1, budget_id="tokens", estimate_tokens=100) == "granted"
    owner.open()
    assert _asked(owner, 2, budget_id="tokens", estimate_tokens=1) == "denied"
    dollars = TOKENS.model_copy(update={"limit_usd": Decimal(1), "limit_tokens": None})
    owner.work.learn(dollars)
    assert _asked(owner, 3, budget_id="tokens", estimate_usd="1") == "granted"
