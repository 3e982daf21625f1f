"""Messages on stdout, for whoever watches."""

from __future__ import annotations

import click

from taximeter.notify.messages import Message

__all__ = ["TerminalTarget"]


class TerminalTarget:
    """Prints a title and its lines."""

    async def send(self, message: Message) -> None:
        """Print the message."""
        lines = message.body.splitlines()
        click.echo("\n".join([message.title, *(f"  {line}" for line in lines)]))
