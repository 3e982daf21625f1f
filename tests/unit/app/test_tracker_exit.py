"""The summary is printed once when a program ends, and never breaks its end."""

from __future__ import annotations

import os
import subprocess
import sys

PROLOGUE = f"""
import sys
sys.path[:0] = {sys.path!r}
sys.modules["litellm"] = None
from taximeter import CostTracker
from taximeter_processors.pricing import PriceBook
from tests.builders import a_usage
price = {{"litellm_provider": "anthropic", "input_cost_per_token": "0.000003",
         "output_cost_per_token": "0.000015"}}
book = PriceBook({{"claude-sonnet-4-5": price}}, "tests-1")
"""


def run(script: str, **how: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; litellm is not installed there."""
    command = [sys.executable, "-c", PROLOGUE + script]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.run(command, check=False, **{**settings, **how})  # type: ignore[call-overload,no-any-return] # pyright: ignore


def test_the_summary_is_printed_once() -> None:
    """After all else, by each tracker that has something to say."""
    ended = run(
        """
        tracker, idle = CostTracker(prices=book), CostTracker(prices=book)
        quiet = CostTracker(prices=book, print_summary=False)
        tracker.record(a_usage()), quiet.record(a_usage())
        print("done")
        """.replace("\n        ", "\n")
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "done",
        "LLM spend: $0.006 in 1 call",
        "  claude-sonnet-4-5  1,000 + 200 tokens  $0.006",
    ]


def test_a_forked_child_prints_nothing() -> None:
    """What the parent has counted is the parent's to tell."""
    ended = run(
        """
        import os
        tracker = CostTracker(prices=book)
        tracker.record(a_usage())
        if child := os.fork():
            os.waitpid(child, 0)
        """.replace("\n        ", "\n")
    )
    assert ended.stdout.count("LLM spend") == 1


def test_the_programs_own_end_is_kept() -> None:
    """An error stays the error; a summary that cannot be printed changes nothing."""
    failing = "tracker = CostTracker(prices=book)\ntracker.record(a_usage())\n"
    ended = run(failing + "raise SystemExit(3)")
    assert (ended.returncode, "LLM spend" in ended.stdout) == (3, True)
    closed = run(failing + "sys.stdout.close()")
    assert (closed.returncode, closed.stderr) == (0, "")
    named = (
        failing + "tracker.record(a_usage(provider='acme', model='m\\u00f6\\u4f60'))"
    )
    ascii_only = run(named, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (ascii_only.returncode, "m\\xf6" in ascii_only.stdout) == (0, True)


def test_nobody_reading_is_no_failure() -> None:
    """A pipe that was closed at its other end leaves the exit code alone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = run(
            "tracker = CostTracker(prices=book)\ntracker.record(a_usage())",
            stdout=writer,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_naming_the_tracker_needs_no_litellm() -> None:
    """Without it, answers can still be counted; importing taximeter stays light."""
    ended = run("print(CostTracker.__name__)")
    assert ended.stdout == "CallTracker\n"
    light = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import taximeter, taximeter.tracker\n"
        "from taximeter import BudgetExceeded\n"
        "assert not {'litellm', 'pydantic', 'msgspec'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", light], check=True)
