"""Asks the budgets before each call of litellm's, and obeys.

    pip install 'taximeter[litellm]'
    python examples/guard_calls.py HOST:PORT USER [REASON]

It makes three calls for the user and says what became of them. With a reason the
budgets are ignored, and the events say so.
"""

from __future__ import annotations

import os
import sys

# Before litellm is imported: it would fetch its price map from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm

import taximeter

QUESTION = [{"role": "user", "content": "Hello!"}]


def ask() -> str:
    """Make a call; mock_response answers without a provider: leave it out."""
    answer = litellm.completion(
        model="gpt-4o", messages=QUESTION, mock_response="Hi!", max_tokens=100
    )
    return f"answered by {answer.model}"


def ask_three_times(
    guard: taximeter.BudgetGuard, user: str, reason: str | None
) -> None:
    """Let the guard decide about each call, and say what became of it."""
    with taximeter.attribute(user=user):
        for _ in range(3):
            try:
                with taximeter.enforce(guard, model="gpt-4o", ignore_budget=reason):
                    print(ask(), flush=True)
            except taximeter.BudgetExceeded as stop:
                print(f"not made: {stop}", flush=True)


def main(bootstrap: str, user: str, reason: str | None = None) -> None:
    """Meter and guard the calls of this program."""
    topics = taximeter.Topics(prefix=os.environ.get("TAXIMETER_PREFIX", "taximeter."))
    # Not closed here: litellm tells of a call in a thread, a moment after it. What is
    # left is sent when the program ends, behind that.
    emitter = taximeter.KafkaEmitter(bootstrap, topics)
    with taximeter.BudgetGuard(bootstrap, topics) as guard:
        guard.wait(30)  # a service would not: it goes by when_unknown until then
        litellm.callbacks = [
            taximeter.LiteLLMCallback(emitter, source="example"),
            taximeter.LiteLLMGuard(guard),
        ]
        ask_three_times(guard, user, reason)


if __name__ == "__main__":
    if len(sys.argv) < 3:  # noqa: PLR2004 - the program's name and two arguments
        sys.exit("usage: guard_calls.py HOST:PORT USER [REASON]")
    main(*sys.argv[1:])
