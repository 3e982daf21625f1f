"""The Faust app is set up so that none of Faust's known traps is open."""

from __future__ import annotations

from pathlib import Path

import faust
import pytest

from taximeter_processors.app import WorkerConfig, create_app
from taximeter_processors.price_versions import PriceBooks
from taximeter_schemas.topics import Topics

NO_PRICES = PriceBooks({}, "none")


@pytest.fixture
def app() -> faust.App:
    """Make a worker's app; nothing is connected."""
    return create_app(WorkerConfig("nowhere:9092"), NO_PRICES)


def test_a_dead_workers_partitions_move_soon(app: faust.App) -> None:
    """By default they wait for 60 seconds."""
    assert app.conf.broker_session_timeout <= 10
    assert app.conf.broker_heartbeat_interval * 3 <= app.conf.broker_session_timeout


def test_no_state_is_kept_in_fausts_tables(app: faust.App) -> None:
    """A table of dictionaries writes well and cannot be recovered: there is none."""
    assert not app.tables


def test_faust_declares_no_topics(app: faust.App) -> None:
    """The registry's topics exist, with the settings that it says."""
    assert app.conf.topic_allow_declare is False
    assert app.conf.topic_disable_leader is True


def test_installations_do_not_share_a_consumer_group() -> None:
    """The prefix names the group, so that two installations never meet."""
    ids = {
        create_app(WorkerConfig("n:1", Topics(prefix=prefix)), NO_PRICES).conf.id
        for prefix in ("one.", "two.")
    }
    assert len(ids) == 2


async def test_nothing_is_left_in_the_working_directory(
    app: faust.App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker makes no folders where it happens to be started."""
    monkeypatch.chdir(tmp_path)
    await app.on_first_start()
    assert list(tmp_path.iterdir()) == []
