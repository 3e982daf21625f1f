"""Whatever order, repetition, crashes and lapses: never above the limit, no leak."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from taximeter_schemas.reservations import DEFAULT_EXPIRY_SECONDS
from tests.reserving import BUDGET, LIMIT_USD, Owner, a_release, a_request, sums

SOURCES = (0, 1)


class Reserving(RuleBasedStateMachine):
    """An owner in its log, and a dictionary of calls beside it.

    A call is asked for, possibly several times; if it is granted it is made, and
    charged what it cost, at most its estimate; or it is released; or its caller dies.
    """

    budget = BUDGET
    least = Decimal("0.000000000001")

    def request(self, call: object, estimate: object) -> bytes:
        """Return what a call asks for."""
        return a_request(call, estimate)

    def settles(self, source: int, calls: list[int]) -> bytes:
        """Return the sum of a source, in which these calls are."""
        return sums(source, self.offset, self.spent[source], calls)

    def counted(self) -> tuple[Decimal, Decimal]:
        """Return what the latest status says was spent, and is reserved."""
        status = self.owner.status
        return status.spent_usd, status.reserved_usd

    def __init__(self) -> None:
        super().__init__()
        self.owner = Owner(self.budget)
        self.estimates: dict[int, int] = {}
        self.costs: dict[int, int] = {}
        self.gone: set[int] = set()
        self.released: set[int] = set()
        self.spent: dict[int, int] = dict.fromkeys(SOURCES, 0)
        self.offset = 0
        self.said: list[bytes] = []

    def granted(self) -> list[int]:
        """Return the calls whose callers were told that there is room."""
        return [c for c in self.estimates if self.owner.outcome(c) == "granted"]

    def under_way(self) -> list[int]:
        """Return those of them that may still be made."""
        return [c for c in self.granted() if c not in self.costs.keys() | self.gone]

    @rule(estimates=st.lists(st.integers(0, 6), min_size=1, max_size=4))
    def ask(self, estimates: list[int]) -> None:
        """Some ask at once."""
        for estimate in estimates:
            call = len(self.estimates)
            self.estimates[call] = estimate
            self.owner.hear(self.request(call, estimate))

    @precondition(lambda self: self.remembered())
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        """A request is delivered once more, while it is remembered."""
        call = data.draw(st.sampled_from(self.remembered()))
        self.owner.hear(self.request(call, self.estimates[call]))
        self.owner.settle()  # not later, when it may be forgotten

    @precondition(lambda self: self.under_way())
    @rule(data=st.data(), source=st.sampled_from(SOURCES), also=st.booleans())
    def charge(self, data: st.DataObject, source: int, also: bool) -> None:
        """A call that was granted was made, and its charge is in a partial sum."""
        calls = self.under_way()
        made = calls if also else [data.draw(st.sampled_from(calls))]
        for call in made:
            self.costs[call] = data.draw(st.integers(0, self.estimates[call]))
            self.spent[source] += self.costs[call]
        self.offset += 1
        self.said.append(self.settles(source, made))
        self.owner.hear(self.said[-1])

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def say_sums_again(self, data: st.DataObject) -> None:
        """A partial sum is delivered once more, however late."""
        self.owner.hear(data.draw(st.sampled_from(self.said)))

    @precondition(lambda self: self.under_way())
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A call was not made after all."""
        call = data.draw(st.sampled_from(self.under_way()))
        self.gone.add(call)
        self.released.add(call)
        self.owner.hear(a_release(call))

    @precondition(lambda self: self.under_way())
    @rule()
    def die(self) -> None:
        """All callers die, and their time passes."""
        self.gone.update(c for c in self.estimates if c not in self.costs)
        self.owner.passes(seconds=DEFAULT_EXPIRY_SECONDS)

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        """Some time passes."""
        self.owner.passes(seconds=seconds)

    @rule(count=st.integers(1, 4))
    def apply(self, count: int) -> None:
        """The owner reads on."""
        self.owner.apply(count)

    @rule()
    def answer(self) -> None:
        """The owner reads on to the end, and writes what follows."""
        self.owner.settle()

    @rule()
    def begin_flush(self) -> None:
        """The owner begins to write."""
        self.owner.begin_flush()

    @rule()
    def end_flush(self) -> None:
        """What it wrote is true."""
        self.owner.end_flush()

    @rule()
    def crash(self) -> None:
        """Another worker takes the partition over."""
        self.owner.open()

    @invariant()
    def never_above_the_limit(self) -> None:
        """What was spent and what may yet be spent is within the limit."""
        at_most = sum(self.estimates[call] for call in self.under_way())
        assert sum(self.costs.values()) + at_most <= LIMIT_USD

    @invariant()
    def first_answer_counts(self) -> None:
        """Whoever asks again is told what he was told first."""
        for answers in self.owner.answers.values():
            assert len({answer.model_dump_json() for answer in answers}) == 1

    def remembered(self) -> list[int]:
        """Return the calls whose answers cannot have been forgotten."""
        since = self.owner.clock.now() - timedelta(seconds=DEFAULT_EXPIRY_SECONDS)
        answers = [(call, self.owner.first_answer(call)) for call in self.estimates]
        return [call for call, one in answers if one and one.answered_at > since]

    def held(self) -> int:
        """Return what has to be held once everything is applied."""
        now = self.owner.clock.now()
        held = 0
        for call in set(self.granted()) - self.costs.keys() - self.released:
            answer = self.owner.first_answer(call)
            if answer and answer.expires_at and answer.expires_at > now:
                held += self.estimates[call]
        return held

    def teardown(self) -> None:
        """In the end nothing is held for anybody, and all the rest can be taken."""
        self.owner.settle()
        if self.owner.statuses:
            assert self.counted()[1] == self.held()
        else:
            assert not self.held()
        self.owner.passes(seconds=2 * DEFAULT_EXPIRY_SECONDS + 1)
        left = LIMIT_USD - sum(self.costs.values())
        self.owner.hear(self.request("too much", left + self.least))
        self.owner.hear(self.request("the rest", left))
        self.owner.settle()
        assert self.owner.outcome("too much") == "denied"
        assert self.owner.outcome("the rest") == "granted"
        assert self.counted() == (LIMIT_USD - left, left)


class ReservingTokens(Reserving):
    """The same with a limit in tokens, of calls that nobody knows the cost of."""

    budget = BUDGET.model_copy(update={"limit_usd": None, "limit_tokens": 10})
    least = Decimal(1)

    def request(self, call: object, estimate: object) -> bytes:
        """Return what a call asks for."""
        return a_request(call, None, estimate_tokens=int(str(estimate)))

    def settles(self, source: int, calls: list[int]) -> bytes:
        """Return the sum of a source, in which these calls are."""
        return sums(source, self.offset, 99, calls, tokens=self.spent[source])

    def counted(self) -> tuple[Decimal, Decimal]:
        """Return what the latest status says was used, and is reserved."""
        status = self.owner.status
        return Decimal(status.tokens), Decimal(status.reserved_tokens)


TestReserving = Reserving.TestCase
TestReserving.settings = settings(max_examples=70, stateful_step_count=40)
TestReservingTokens = ReservingTokens.TestCase
TestReservingTokens.settings = settings(max_examples=40, stateful_step_count=40)
