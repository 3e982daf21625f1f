"""A spool on a real disk: what it took is still there, in order, whoever dies."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taximeter_producers.spool.backlog import Batch
from taximeter_producers.spool.files import ROW_BYTES
from taximeter_producers.spool.level import SpoolPlan
from taximeter_producers.spool.spool import Spool
from taximeter_schemas.clock import ManualClock
from tests.waiting import eventually

CHILD = """
import os, resource, sys
from pathlib import Path
from taximeter_producers.spool.level import SpoolPlan
from taximeter_producers.spool.spool import Spool

spool = Spool(SpoolPlan(Path(sys.argv[1]), 10**9), print)
if sys.argv[2] == "small disk":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
answers = [spool.put([b"x" * 1000]).reason for _ in range(400)]
print(answers.count(None), *sorted({a for a in answers if a}), flush=True)
if sys.argv[2] == "small disk":
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    spool.tend()
sys.stdin.read()
"""


class Disk:
    """A directory, and the spools that processes, one after the other, have in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.lost: list[int] = []

    def spool(self, max_bytes: int = 10**9, max_age: timedelta | None = None) -> Spool:
        """Return the spool of one more process."""
        self.clock.move(timedelta(seconds=1))
        plan = SpoolPlan(self.path, max_bytes, max_age)
        return Spool(plan, self.lost.append, self.clock)

    def files(self) -> list[str]:
        """Return what kinds of files there are."""
        return sorted(path.suffix for path in self.path.iterdir())


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Give a directory that does not exist yet."""
    return Disk(tmp_path / "spool" / "topic")


def events(*numbers: int) -> list[bytes]:
    """Return an encoded event for each number."""
    return [b'{"n":%d}' % number for number in numbers]


def batches(spool: Spool) -> Iterator[Batch]:
    """Yield what there is to be sent, each batch settled before the next."""
    while batch := spool.next_batch():
        yield batch
        delivered(spool, batch)


def delivered(spool: Spool, batch: Batch) -> None:
    """Do what happens when Kafka has acknowledged a batch."""
    batch.complete()
    spool.forget_delivered()


def drained(spool: Spool) -> list[bytes]:
    """Send everything, and return it in the order in which it was sent."""
    return [encoded for batch in batches(spool) for encoded in batch.encoded]


def died(spool: Spool) -> None:
    """Leave everything as a killed process would: no lock, nothing closed."""
    spool.abandon()


def test_what_was_stored_comes_out_in_its_order(disk: Disk) -> None:
    """Events of several writes come out as they went in, once."""
    spool = disk.spool()
    for start in range(0, 100, 10):
        assert spool.put(events(*range(start, start + 10))).reason is None
    assert spool.waiting == 100
    assert drained(spool) == events(*range(100))
    assert drained(spool) == []
    assert (spool.waiting, spool.waiting_bytes) == (0, 0)
    spool.close()


def test_nothing_is_left_on_disk_of_what_was_delivered(disk: Disk) -> None:
    """When all is delivered and the process ends, so do its files."""
    spool = disk.spool()
    spool.put(events(1, 2))
    assert drained(spool) == events(1, 2)
    spool.close()
    assert disk.files() == []


def test_the_next_process_finds_what_a_dead_one_left(disk: Disk) -> None:
    """What was not delivered comes out of the next spool, what was does not."""
    first = disk.spool()
    first.put(events(1, 2))
    assert drained(first) == events(1, 2)
    first.put(events(3, 4))
    assert first.next_batch() is not None  # under way when it dies
    first.put(events(5))
    died(first)
    second = disk.spool()
    second.put(events(6))
    assert second.tend() == 3
    assert (second.waiting, second.recovered) == (4, 3)
    assert drained(second) == events(3, 4, 5, 6)
    second.close()
    assert disk.files() == []


def test_what_is_left_at_the_end_is_found_by_the_next(disk: Disk) -> None:
    """A process that ends properly leaves what Kafka did not take."""
    first = disk.spool()
    first.put(events(1, 2))
    first.close()
    assert disk.files() == [".lock", ".spool"]
    assert first.put(events(3)).reason == "closed"
    second = disk.spool()
    assert second.tend() == 2
    assert drained(second) == events(1, 2)
    second.close()


def test_the_oldest_process_comes_first(disk: Disk) -> None:
    """What several processes left comes out in the order in which they began."""
    left = [disk.spool() for _ in range(3)]
    for number, spool in enumerate(left):
        disk.clock.move(timedelta(seconds=1))
        spool.put(events(number))
    for spool in reversed(left):
        died(spool)
    heir = disk.spool()
    heir.tend()
    assert drained(heir) == events(0, 1, 2)
    heir.close()


def test_nobody_touches_what_a_living_process_has(disk: Disk) -> None:
    """Two spools in one directory each send their own, and nobody else's."""
    one, other = disk.spool(), disk.spool()
    one.put(events(1))
    other.put(events(2))
    assert one.tend() == other.tend() == 0
    assert drained(one) == events(1)
    assert drained(other) == events(2)
    one.close()
    other.close()


def test_only_one_heir_gets_what_a_dead_process_left(disk: Disk) -> None:
    """Of two that look, one finds it."""
    dead, one, other = disk.spool(), disk.spool(), disk.spool()
    dead.put(events(1, 2))
    died(dead)
    assert one.tend() + other.tend() == 2
    assert sorted(drained(one) + drained(other)) == events(1, 2)
    one.close()
    other.close()


def test_a_lock_ends_with_its_process_and_not_before(disk: Disk) -> None:
    """Another process's events are found when it was killed, not while it lives."""
    spool = disk.spool()
    with child(disk.path, "any") as other:
        assert told(other) == "400"
        assert spool.tend() == 0
        other.send_signal(signal.SIGSTOP)  # not a sign of life, and still no death
        assert spool.tend() == 0
        other.kill()
        other.wait()
        assert spool.tend() == 400
    assert drained(spool) == [b"x" * 1000] * 400
    spool.close()


def test_the_newest_are_refused_when_it_is_full(disk: Disk) -> None:
    """What fits is stored, what comes then is refused until there is room."""
    spool = disk.spool(max_bytes=3 * (ROW_BYTES + 7) + 5)
    write = spool.put(events(1, 2, 3, 4))
    assert (write.stored, write.reason) == (3, "spool_full")
    assert spool.put(events(5)).reason == "spool_full"
    assert drained(spool) == events(1, 2, 3)
    assert spool.put(events(6)).reason is None
    assert drained(spool) == events(6)
    spool.close()


def test_the_limit_is_one_for_all_who_share_the_directory(disk: Disk) -> None:
    """What others have, the dead included, leaves less room."""
    limit = 3 * (ROW_BYTES + 7)
    one, other = disk.spool(limit), disk.spool(limit)
    one.put(events(1, 2))
    one.tend()
    other.tend()
    assert other.put(events(3, 4)).stored == 1
    died(one)
    other.tend()
    assert other.put(events(5)).reason == "spool_full"
    assert drained(other) == events(1, 2, 3)
    other.close()


def test_what_is_too_old_is_given_up_if_asked_for(disk: Disk) -> None:
    """With an age limit the old ones are left out, and counted."""
    spool = disk.spool(max_age=timedelta(hours=1))
    spool.put(events(1, 2))
    disk.clock.move(timedelta(minutes=50))
    spool.put(events(3))
    disk.clock.move(timedelta(minutes=20))
    batch = spool.next_batch()
    assert batch is not None
    assert (batch.encoded, batch.expired) == (events(3), 2)
    delivered(spool, batch)
    assert spool.waiting == 0
    spool.close()


def test_a_long_outage_takes_several_files_that_go_one_by_one(disk: Disk) -> None:
    """Files have a bounded size; each goes when all of it is delivered."""
    spool = disk.spool()
    large = [b'{"n":%04d,"pad":"%s"}' % (n, b"x" * 60_000) for n in range(700)]
    for start in range(0, 700, 50):
        spool.put(large[start : start + 50])
        spool.turn_over()
    assert disk.files().count(".spool") == 3
    spool.tend()
    sent: list[bytes] = []
    for batch in batches(spool):
        sent += batch.encoded
    assert sent == large
    spool.tend()
    assert disk.files().count(".spool") == 1
    spool.close()


def test_a_corrupt_file_is_put_aside(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be read is kept for a person to look at, and the rest goes on."""
    first, second = disk.spool(), disk.spool()
    first.put(events(1))
    disk.clock.move(timedelta(seconds=1))
    second.put(events(2))
    first.close()
    second.close()
    (broken, _) = sorted(disk.path.glob("*.spool"))
    broken.write_bytes(b"no database" * 1000)
    heir = disk.spool()
    with caplog.at_level(logging.ERROR):
        assert heir.tend() == 1
    assert "corrupt" in caplog.text
    assert drained(heir) == events(2)
    heir.close()
    assert disk.files() == [".corrupt"]


@pytest.mark.parametrize("damaged_at", [0, 100_000])
def test_damage_to_what_was_written_last_is_no_secret(
    disk: Disk, caplog: pytest.LogCaptureFixture, damaged_at: int
) -> None:
    """What was written before it is sent, and what cannot be read is kept and told."""
    with child(disk.path, "any") as victim:
        assert told(victim) == "400"
        victim.kill()
    (wal,) = disk.path.glob("*.spool-wal")
    with wal.open("r+b") as raw:
        raw.seek(damaged_at)
        raw.write(b"\xff" * 100)
    heir = disk.spool()
    with caplog.at_level(logging.ERROR):
        found = heir.tend()
    assert 0 <= found < 400
    assert (found == 0) == (damaged_at == 0)
    assert "cannot be read" in caplog.text
    assert len(drained(heir)) == found
    heir.close()
    assert disk.files() == [".corrupt-wal"]


def test_a_file_that_breaks_while_it_is_used_is_put_aside(disk: Disk) -> None:
    """What is lost by it is counted, and what comes then has a file of its own."""
    first = disk.spool()
    first.put([b"x" * 1000] * 1000)
    first.close()
    heir = disk.spool()
    heir.tend()
    (file,) = disk.path.glob("*.spool")
    with file.open("r+b") as raw:
        raw.seek(8192)
        raw.write(b"\xff" * 200_000)
    heir.put(events(1))
    assert drained(heir) == events(1)
    assert disk.lost == [1000]
    assert heir.waiting == 0
    heir.close()
    assert disk.files() == [".corrupt"]


def test_a_directory_that_cannot_be_made_refuses_and_never_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every event is refused with the reason, and the log has one line of it."""
    (tmp_path / "file").write_text("")
    spool = Disk(tmp_path / "file" / "spool").spool()
    with caplog.at_level(logging.ERROR):
        spool.open()
        assert {spool.put(events(n)).reason for n in range(100)} == {"spool_failed"}
        spool.tend()
        spool.turn_over()
        assert spool.next_batch() is None
        spool.close()
    assert len(caplog.records) == 1


def test_a_full_disk_refuses_and_is_forgiven(disk: Disk) -> None:
    """What does not fit on the disk is refused, and what was stored stays readable."""
    with child(disk.path, "small disk") as small:
        stored, reason = told(small).split()
        assert reason in ("spool_full", "spool_failed")
        assert 0 < int(stored) < 200
    heir = disk.spool()
    eventually(heir.tend)
    assert drained(heir) == [b"x" * 1000] * int(stored)
    heir.close()


def test_many_threads_may_store_at_once(disk: Disk) -> None:
    """Nothing of it is lost or doubled, and each thread's events keep their order."""
    spool = disk.spool()

    def store(thread: int) -> None:
        for number in range(200):
            assert spool.put(events(thread * 1000 + number)).reason is None

    threads = [threading.Thread(target=store, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = drained(spool)
    assert len(found) == 1600
    for first in range(0, 8000, 1000):
        own = events(*range(first, first + 200))
        assert [event for event in found if event in set(own)] == own
    spool.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_spool_of_its_own(disk: Disk) -> None:
    """The child's end does not free the parent's files, nor does it touch them."""
    spool = disk.spool()
    spool.put(events(1))
    spool.pause()
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(_in_the_child(disk, spool))
        finally:
            os._exit(1)
    spool.resume()
    assert os.waitpid(pid, 0)[1] == 0
    spool.put(events(3))
    assert spool.tend() == 1
    assert sorted(drained(spool)) == events(1, 2, 3)
    spool.close()


def _in_the_child(disk: Disk, inherited: Spool) -> int:
    inherited.abandon()
    own = disk.spool()
    own.put(events(2))
    found = own.tend()
    own.close()
    return found


def child(directory: Path, what: str) -> subprocess.Popen[str]:
    """Start a process that stores 400 events, says how it went, and waits."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def told(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process printed."""
    assert process.stdout is not None
    return process.stdout.readline().strip()
