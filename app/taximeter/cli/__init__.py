"""The `taximeter` command."""


def main() -> None:
    """Run the command line."""
