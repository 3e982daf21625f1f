"""Places at which a test ends a part: off unless they are asked for by name."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from taximeter_schemas import fault_points
from taximeter_schemas.errors import ConfigurationError

REACH = """
import os
from taximeter_schemas import fault_points
fault_points.arm(os.environ)
for turn in range(3):
    fault_points.reached("price_usage", "begun")
    fault_points.reached("price_usage", "written")
    print(turn, flush=True)
"""


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    fault_points.arm({})


def reach(**environment: str) -> subprocess.CompletedProcess[str]:
    """Come by two places three times, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", REACH],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_place_that_was_asked_for_ends_the_process() -> None:
    """At that place, the so-manieth time, as `kill -9` would."""
    ended = reach(TAXIMETER_FAULT_POINT="price_usage.written:2")
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["0"]


def test_nothing_happens_without_the_variable() -> None:
    """A normal worker passes every place."""
    assert reach().stdout.split() == ["0", "1", "2"]


@pytest.mark.parametrize(
    "asked",
    ["price_usage.writen:3", "written:1", "price_usage.written", "price_usage.begun:0"],
)
def test_a_place_that_does_not_exist_is_refused(asked: str) -> None:
    """A typing error must not look like a fault that was survived."""
    with pytest.raises(ConfigurationError, match=r"places are .*price_usage\.written"):
        fault_points.arm({fault_points.VARIABLE: asked})
