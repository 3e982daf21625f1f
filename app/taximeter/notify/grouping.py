"""When what waits for a route goes, and what goes together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from taximeter.notify.config import Route
from taximeter.notify.delivery_state import Waiting
from taximeter.notify.messages import message_id_of

__all__ = ["Batch", "Turn", "next_turn"]


class Batch(NamedTuple):
    """Alerts that go in one message."""

    message_id: UUID
    members: tuple[Waiting, ...]

    @property
    def attempts(self) -> int:
        """How often the message has been attempted."""
        return max(member.routed.attempts for member in self.members)


class Turn(NamedTuple):
    """What is to be done for a route: send a batch now, or look again at a moment.

    Both are None when nothing waits.
    """

    batch: Batch | None = None
    look_again_at: datetime | None = None


def next_turn(route: Route, waiting: Sequence[Waiting], now: datetime) -> Turn:
    """Return what a route does next.

    A message that was begun is repeated before anything else, with the same alerts and
    after a pause that doubles with each attempt: both stand in the delivery log, so
    that a restart changes neither.
    Otherwise what quiet hours do not hold back goes together, as soon as the first of
    it has waited for the group's time.
    """
    begun = _begun(waiting)
    if begun is not None:
        due = _due_again(route, begun)
        return Turn(begun) if now >= due else Turn(look_again_at=due)
    held = {one.alert_id: _held(route, one, now) for one in waiting}
    free = [one for one in waiting if held[one.alert_id] is None]
    ends = [end for end in held.values() if end is not None]
    if not free:
        return Turn(look_again_at=min(ends, default=None))
    due = min(one.routed.routed_at for one in free)
    due += timedelta(seconds=route.group.seconds)
    if now < due and len(free) < route.group.at_most:
        return Turn(look_again_at=min([due, *ends]))
    members = tuple(free[: route.group.at_most])
    ids = [member.alert_id for member in members]
    return Turn(Batch(message_id_of(route.name, ids), members))


def _begun(waiting: Sequence[Waiting]) -> Batch | None:
    message_id = next((w.routed.message_id for w in waiting if w.routed.attempts), None)
    if message_id is None:
        return None
    members = tuple(w for w in waiting if w.routed.message_id == message_id)
    return Batch(message_id, members)


def _due_again(route: Route, batch: Batch) -> datetime:
    moments = [member.routed.attempted_at for member in batch.members]
    last = max(moment for moment in moments if moment is not None)
    # No more doublings than it takes to reach any pause there may be.
    doubled = route.retries.first_seconds * 2 ** min(batch.attempts - 1, 32)
    return last + timedelta(seconds=min(doubled, route.retries.most_seconds))


def _held(route: Route, one: Waiting, now: datetime) -> datetime | None:
    if route.quiet is None:
        return None
    return route.quiet.holds(one.alert.severity, now)
