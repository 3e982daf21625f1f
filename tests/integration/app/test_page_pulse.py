"""What open pages follow: the ledger is looked at once for all of them."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from taximeter.api.services import LedgerDesk
from taximeter.page.pulse import Pulse
from taximeter.state import DataDir
from tests.integration.sinks.reported import CHARGES, write_ledger

_PATIENCE_SECONDS = 30.0


async def test_pages_learn_that_the_ledger_came_and_moved(tmp_path: Path) -> None:
    """First that it is away, then that it is there, then that it took something in."""
    data = DataDir(tmp_path)
    desk = LedgerDesk(data)
    async with Pulse(desk, seconds=0.01) as pulse:
        away = await pulse.after(None, _PATIENCE_SECONDS)
        assert away is not None
        assert "does not exist yet" in str(away.away)
        await asyncio.to_thread(write_ledger, data.ledger, CHARGES[:2])
        there = await pulse.after(away, _PATIENCE_SECONDS)
        assert there is not None
        while there.away:  # it was being written
            there = await pulse.after(there, _PATIENCE_SECONDS)
            assert there is not None
        assert await pulse.after(there, 0.05) == there
    assert pulse.listeners == 0
    desk.close()


async def test_one_question_is_asked_once_for_all(tmp_path: Path) -> None:
    """However many pages show the same; another question is another one."""
    asked: list[str] = []

    async def answer(key: str) -> str:
        asked.append(key)
        await asyncio.sleep(0)
        return f"answer to {key}"

    pulse = Pulse(LedgerDesk(DataDir(tmp_path)))
    answers = await asyncio.gather(
        *(pulse.shared(key, partial(answer, key)) for key in ("a", "a", "b"))
    )
    assert answers == ["answer to a", "answer to a", "answer to b"]
    assert sorted(asked) == ["a", "b"]
