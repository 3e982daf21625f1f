"""What a route leads to. Each target takes a message or says why it did not."""

from __future__ import annotations

from typing import Protocol

from taximeter.notify.config import NotifyConfig, Route
from taximeter.notify.messages import Message
from taximeter.notify.targets.terminal import TerminalTarget
from taximeter_schemas.clock import Clock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["Target", "open_targets"]


class Target(Protocol):
    """Where messages end."""

    async def send(self, message: Message) -> None:
        """Hand a message over; return when the target has accepted it.

        It may be called again with the same message, whose id tells the receiver so.

        Raises:
            Refused: it did not accept it, or nobody knows whether it did.
        """
        ...


def open_targets(config: NotifyConfig, clock: Clock) -> dict[str, Target]:
    """Return the target of each route by the route's name; nothing is sent yet.

    Raises:
        ConfigurationError: names every address that cannot be used.
    """
    targets: dict[str, Target] = {}
    faults: list[str] = []
    for route in config.routes:
        try:
            targets[route.name] = _opened(route, clock)
        except ConfigurationError as error:
            faults.append(f"{route.name}: {error}")
    if faults:
        raise ConfigurationError("; ".join(faults))
    return targets


def _opened(route: Route, clock: Clock) -> Target:
    """Open a target; what only one kind of target needs is imported for that kind."""
    if route.webhook is not None:
        from taximeter.notify.targets.webhook import SignedWebhook  # noqa: PLC0415

        return SignedWebhook(route.webhook, clock)
    if route.email is not None:
        from taximeter.notify.targets.mail import MailServer  # noqa: PLC0415

        return MailServer(route.email, clock)
    if route.to is not None:
        from taximeter.notify.targets.through_apprise import (  # noqa: PLC0415
            AppriseTarget,
        )

        return AppriseTarget(route.to.get_secret_value())
    return TerminalTarget()
