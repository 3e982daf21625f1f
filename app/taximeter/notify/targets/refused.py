"""A target's no."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """A message was not accepted, or nobody knows whether it was.

    `reason` is for people and may quote the target: it is shown and kept only after
    `Secrets.hidden`.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
