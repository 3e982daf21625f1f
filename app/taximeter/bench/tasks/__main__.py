"""Run one task: `python -m taximeter.bench.tasks TASK FACTS`."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from taximeter.logs import configure


def main() -> None:
    """Run the task named, with the facts given, and print what it measured."""
    configure()
    task, facts = sys.argv[1:]
    module = import_module(f"taximeter.bench.tasks.{task}")
    sys.stdout.write(json.dumps(module.run(json.loads(facts))))


if __name__ == "__main__":
    main()
