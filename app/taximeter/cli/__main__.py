"""`python -m taximeter.cli` is the `taximeter` command."""

from __future__ import annotations

from taximeter.cli import main

if __name__ == "__main__":
    main()
