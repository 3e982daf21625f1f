"""The data directory: who holds it, and what the parts say of themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taximeter.state import DataDir, PartState, Presence
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import BrokerUnavailable, DataDirInUse


def test_a_directory_is_held_by_one_alone(tmp_path: Path) -> None:
    """A second holder is refused and told who the first one is."""
    with DataDir(tmp_path).held():
        with pytest.raises(DataDirInUse) as refused, DataDir(tmp_path).held():
            pass
        assert refused.value.pid == os.getpid()


def test_a_directory_is_free_again(tmp_path: Path) -> None:
    """Who lets go of a directory leaves it to the next one."""
    for _ in range(2):
        with DataDir(tmp_path / "deep" / "down").held():
            pass


def test_a_part_says_that_it_runs_until_it_ends(tmp_path: Path) -> None:
    """A part is known from ready to its end, and not before or after."""
    data = DataDir(tmp_path)
    with Presence(data, "sink", "127.0.0.1:1", ManualClock()) as presence:
        assert data.state("sink") is None
        presence.ready(quack="quack:here")
        presence.report(rows=3)
        state = data.state("sink")
        assert state is not None
        assert state.running
        assert state.urls == {"kafka": "127.0.0.1:1", "quack": "quack:here"}
        assert state.facts == {"rows": 3}
    assert data.states() == []


def test_a_dead_part_is_known_to_be_dead(tmp_path: Path) -> None:
    """A state file that a killed process left behind does not say running."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    state = PartState.of_this_process("api", ManualClock())
    assert not state.model_copy(update={"pid": gone.pid}).running


def test_a_reused_process_id_is_not_taken_for_the_part(tmp_path: Path) -> None:
    """A process of the same number that started at another time is another one."""
    state = PartState.of_this_process("api", ManualClock())
    earlier = state.process_started - 60
    assert not state.model_copy(update={"process_started": earlier}).running


def test_a_broken_state_file_is_no_state(tmp_path: Path) -> None:
    """What cannot be read as a state counts as nothing said."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "api.json").write_text("{")
    assert DataDir(tmp_path).states() == []


def test_the_token_is_kept_and_private(tmp_path: Path) -> None:
    """The ledger's token stays the same and only its owner can read it."""
    data = DataDir(tmp_path / "new")
    token = data.quack_token()
    assert len(token) > 30
    assert DataDir(data.path).quack_token() == token
    assert (data.path / "quack.token").stat().st_mode & 0o777 == 0o600


def test_kafka_is_where_a_running_part_says(tmp_path: Path) -> None:
    """The address given wins, then that of a running part; else there is none."""
    data = DataDir(tmp_path)
    with pytest.raises(BrokerUnavailable, match="nothing runs"):
        data.bootstrap()
    data.write_state(
        PartState.of_this_process("worker-1", ManualClock(), {"kafka": "there:9092"})
    )
    assert data.bootstrap() == "there:9092"
    assert data.bootstrap("here:9092") == "here:9092"
