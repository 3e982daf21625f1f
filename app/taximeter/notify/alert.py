"""An alert as routes and templates look at it: whatever its kind, known or not yet.

Pure. Kinds of alert come and go; all that is asked of one is an `alert_id` and an
`event_type`. What else it has can be matched and shown, what it lacks cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, cast, get_args
from uuid import UUID

from pydantic_core import from_json

from taximeter_schemas.dead_letters import DeadLetterReason
from taximeter_schemas.subjects import Subject, dimensions_of, tag_of

__all__ = ["SEVERITIES", "Alert", "NotAnAlert", "Severity", "read_alert"]

Severity = Literal["info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)

_WARNING_PERCENT: Final = 80
_CRITICAL_PERCENT: Final = 100
_NOTHING_TO_DO: Final = ("SpendRecovered", "DigestDue")


class NotAnAlert(Exception):
    """What stands in the topic cannot be delivered as an alert, and why."""

    def __init__(self, detail: str, reason: DeadLetterReason = "invalid_event") -> None:
        self.reason: DeadLetterReason = reason
        super().__init__(detail)


@dataclass(frozen=True)
class Alert:
    """One alert.

    `subject` has what the alert is about by kind (`{"user": "alice"}`): its subject,
    and its scope where it has one. `fields` is everything that it says.
    """

    alert_id: UUID
    kind: str
    text: str
    fields: Mapping[str, object] = field(default_factory=dict[str, object])
    subject: Mapping[str, str] = field(default_factory=dict[str, str])
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def percent(self) -> int | None:
        """The threshold that was crossed, if it is that kind of alert."""
        found = self.fields.get("threshold_percent")
        return found if isinstance(found, int) else None

    @property
    def budget(self) -> str:
        """The budget's id; empty where the alert is about none."""
        return str(self.fields.get("budget_id") or "")

    @property
    def link(self) -> str | None:
        """A page about it, if it names one."""
        found = self.fields.get("link")
        return found if isinstance(found, str) else None

    @property
    def severity(self) -> Severity:
        """How much it matters: by its threshold, or by its kind where it has none."""
        if self.percent is None:
            return "info" if self.kind in _NOTHING_TO_DO else "warning"
        if self.percent >= _CRITICAL_PERCENT:
            return "critical"
        return "warning" if self.percent >= _WARNING_PERCENT else "info"

    def amount(self, name: str) -> str:
        """Return an amount of it without the zeros that say nothing."""
        return _amount(self.fields.get(name))


def read_alert(value: bytes | None) -> Alert:
    """Return the alert that a record holds.

    Raises:
        NotAnAlert: it is no JSON object with an `alert_id` and an `event_type`.
    """
    fields = _object(value or b"")
    kind = fields.get("event_type")
    if not isinstance(kind, str) or not kind:
        raise NotAnAlert("event_type: is needed")
    try:
        alert_id = UUID(str(fields.get("alert_id")))
    except ValueError:
        raise NotAnAlert("alert_id: is needed, a UUID") from None
    text = (value or b"").decode()
    subject, tags = _subject(fields), _tags(fields)
    return Alert(alert_id, kind, text, fields, subject, tags)


def _object(value: bytes) -> dict[str, object]:
    try:
        found: object = from_json(value)
    except ValueError as error:
        raise NotAnAlert(str(error), "not_json") from None
    if not isinstance(found, dict):
        raise NotAnAlert("an alert is a JSON object", "not_an_event")
    return cast("dict[str, object]", found)


def _subject(fields: Mapping[str, object]) -> dict[str, str]:
    named = _texts(fields.get("scope"))
    kind, name = fields.get("subject_kind"), fields.get("subject_id")
    if isinstance(kind, str) and isinstance(name, str):
        named |= _dimensions(Subject(kind, name))
    elif isinstance(model := fields.get("model"), str):
        named["model"] = model
    return named


def _tags(fields: Mapping[str, object]) -> dict[str, str]:
    """Return an alert's tags: its own, and those that its subject is made of."""
    pairs = ((tag_of(kind), name) for kind, name in _subject(fields).items())
    of_subject = {tag: name for tag, name in pairs if tag is not None}
    return of_subject | _texts(fields.get("tags"))


def _dimensions(subject: Subject) -> dict[str, str]:
    """Return what a subject is made of.

    >>> _dimensions(Subject("user&tag:team", '["alice","growth"]'))
    {'user': 'alice', 'tag:team': 'growth'}
    >>> _dimensions(Subject("all", ""))
    {'all': ''}
    """
    kinds = dimensions_of(subject.kind)
    try:
        return (
            dict(zip(kinds, subject.values, strict=True)) if kinds else dict([subject])
        )
    except ValueError:  # an id that is no list of as many names
        return {subject.kind: subject.id}


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    pairs = cast("dict[object, object]", found).items()
    return {str(name): str(value) for name, value in pairs if value is not None}


def _amount(written: object) -> str:
    """Return an amount as people write it.

    >>> _amount("12.500000000000"), _amount("0.000000000001"), _amount(None)
    ('12.50', '0.000000000001', '')
    """
    if written is None:
        return ""
    try:
        whole, _, places = f"{Decimal(str(written)):f}".partition(".")
    except InvalidOperation:
        return str(written)
    return f"{whole}.{places.rstrip('0'):0<2}"
