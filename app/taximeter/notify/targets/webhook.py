"""A webhook of one's own: JSON, signed, with a key by which a repeat is known."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httpx

from taximeter.notify.config import WebhookTarget
from taximeter.notify.messages import Message, signature
from taximeter.notify.targets.refused import Refused
from taximeter_schemas.clock import Clock

__all__ = ["SignedWebhook"]

_TIMEOUT_SECONDS: Final = 10.0


class SignedWebhook:
    """Posts messages to one address; redirections are not followed."""

    def __init__(self, target: WebhookTarget, clock: Clock) -> None:
        self._target = target
        self._clock = clock

    async def send(self, message: Message) -> None:
        """Post the message; any answer but 2xx is a refusal."""
        body = message.as_json()
        timestamp = int(self._clock.now().timestamp())
        secret = self._target.sign_with.get_secret_value()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "taximeter-notify",
            "Idempotency-Key": str(message.message_id),
            "Taximeter-Timestamp": str(timestamp),
            "Taximeter-Signature": f"v1={signature(secret, timestamp, body)}",
        }
        status = await self._post(body, headers)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise Refused(f"HTTP {status}")

    async def _post(self, body: bytes, headers: dict[str, str]) -> int:
        url = self._target.url.get_secret_value()
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
                answer = await client.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Refused(f"no answer ({type(error).__name__})") from None
        return answer.status_code
