"""E-mail over SMTP, with a Message-ID that is the same when a message is repeated."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from taximeter.notify.config import EmailTarget
from taximeter.notify.messages import Message
from taximeter.notify.targets.refused import Refused
from taximeter_schemas.clock import Clock
from taximeter_schemas.errors import ConfigurationError

__all__ = ["MailServer"]

_TIMEOUT_SECONDS: Final = 15.0
_SMTP_PORT: Final = 587
_SMTPS_PORT: Final = 465


class MailServer:
    """Writes to all recipients in one transaction of SMTP.

    Raises:
        ConfigurationError: the server's address has no host, or a strange port.
    """

    def __init__(self, target: EmailTarget, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        url = urlsplit(target.server.get_secret_value())
        try:
            self._secure = url.scheme == "smtps"
            self._port = url.port or (_SMTPS_PORT if self._secure else _SMTP_PORT)
        except ValueError:
            raise ConfigurationError("email.server: its port is no number") from None
        if not url.hostname:
            raise ConfigurationError("email.server: it has no host")
        self._host = url.hostname
        self._user, self._password = unquote(url.username or ""), url.password

    async def send(self, message: Message) -> None:
        """Send the message; one recipient that is refused refuses it."""
        mail = self.mail(message)
        try:
            await asyncio.to_thread(self._send, mail)
        except smtplib.SMTPResponseException as error:
            raise Refused(f"SMTP {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Refused(f"SMTP: {type(error).__name__}") from None

    def mail(self, message: Message) -> EmailMessage:
        """Return the message as a mail."""
        mail = EmailMessage()
        mail["Message-ID"] = f"<{message.message_id}@taximeter.invalid>"
        mail["Date"] = format_datetime(self._clock.now())
        mail["From"] = self._target.from_
        mail["To"] = ", ".join(self._target.to)
        mail["Subject"] = message.title
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.body)
        return mail

    def _send(self, mail: EmailMessage) -> None:
        with self._connected() as server:
            if self._user:
                server.login(self._user, unquote(self._password or ""))
            refused = server.send_message(mail)
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._secure:
            return smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT_SECONDS, context=context
            )
        server = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            server.ehlo()
            if self._user or server.has_extn("starttls"):
                # A password goes over TLS or not at all.
                server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server
