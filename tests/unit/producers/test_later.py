"""What is done after a call: for nobody, within bounds, before the end."""

from __future__ import annotations

import threading

import taximeter
from taximeter_producers.attribution import attribute, current_attribution
from taximeter_producers.exits import _Watch
from taximeter_producers.wrapping.later import Later


class Saved:
    """Something that is saved at the end of a process."""

    def __init__(self) -> None:
        self.order: list[Saved] = []

    def save(self, timeout: float | None = None) -> bool:
        """Do nothing."""
        return timeout is None

    def close(self, timeout: float | None = 10.0) -> bool:
        """Remember that it was closed now."""
        self.order.append(self)
        return timeout is not None

    def before_fork(self) -> None:
        """Do nothing."""

    def after_fork(self) -> None:
        """Do nothing."""

    def start_over(self) -> None:
        """Do nothing."""


def test_it_is_done_for_nobody() -> None:
    """And not for whom the call was that came first, while a meter hands that on."""
    taximeter.stop()
    taximeter.start(taximeter.MemoryEmitter())
    found: list[str | None] = []
    later = Later()
    with attribute(user="ada"):
        later.ready()
    later.put(lambda: found.append(current_attribution().user_id))
    assert later.drain(30)
    assert found == [None]
    taximeter.stop()


def test_what_waits_is_bounded() -> None:
    """When too much waits, who comes with more does it; and so does the thread."""
    later, held = Later(), threading.Event()
    inside: list[bool] = []
    later.put(lambda: held.wait(30))
    later.put(lambda: inside.append(later.take(lambda: None)))
    taken = [later.take(lambda: None) for _ in range(1_100)]
    held.set()
    assert later.drain(30)
    assert (taken[0], taken[-1], inside) == (True, False, [False])


def test_what_makes_events_is_closed_before_what_takes_them() -> None:
    """Whichever of them the process began with."""
    watch, emitter, later = _Watch(), Saved(), Saved()
    emitter.order = later.order
    watch.unfinished |= {id(emitter): emitter, id(later): later}
    watch.makers.add(id(later))
    watch.close_all()
    assert later.order == [later, emitter]
