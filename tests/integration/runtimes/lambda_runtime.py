"""Does as AWS Lambda does: calls a function with each event, and hands its answer out.

An event is a line of JSON on stdin, an answer one on stdout. Whoever reads that may
freeze this process at once.
"""

from __future__ import annotations

import importlib
import json
import sys


class Context:
    """What Amazon hands to a function besides its event."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long it may still run."""
        return 60_000


def main() -> None:
    """Answer until there are no more events."""
    folder, module, function = sys.argv[1:]
    sys.path.insert(0, folder)
    answer = getattr(importlib.import_module(module), function)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), Context())), flush=True)


if __name__ == "__main__":
    main()
