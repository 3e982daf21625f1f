"""What a message says: templates that can name fields and do nothing else.

Pure. A template is `str.format` with plain names: no attribute, no index, no
conversion can be reached from it, and nothing of the environment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from string import Formatter
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, ValidationError

from taximeter.alert_words import alert_words
from taximeter.notify.alert import SEVERITIES, Alert, Severity
from taximeter.notify.matching import Section
from taximeter_schemas.alerts import BudgetThresholdCrossed, alert_adapter

__all__ = ["LINE_FIELDS", "TITLE_FIELDS", "Texts", "alert_in_a_line", "calmed", "worst"]

TITLE_FIELDS: Final = frozenset({"count", "severity", "budgets", "alerts", "route"})
LINE_FIELDS: Final = frozenset(
    {"severity", "budget", "subject", "percent", "spent", "limit", "kind", "words"}
) | frozenset(BudgetThresholdCrossed.model_fields)

_MAX_LINES: Final = 20
_MAX_BUDGETS: Final = 3
_MAX_FIELD: Final = 300
_UNSHOWN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CALLS: Final = re.compile(r"<(?=[!@#])|@(?=everyone|here|channel)", re.IGNORECASE)


class _Plain(Formatter):
    """Fills in plain names."""

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        return kwargs[field_name], field_name


def _checked(template: str, known: Collection[str]) -> str:
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if name not in known:
            listed = ", ".join(sorted(known))
            raise ValueError(f"{{{name}}} is no field; there are {listed}")
        if form or conversion:
            raise ValueError(f"{{{name}}} takes no format and no conversion")
    return template


def _title(template: str) -> str:
    return _checked(template, TITLE_FIELDS)


def _line(template: str) -> str:
    return _checked(template, LINE_FIELDS)


class Texts(Section):
    """A message's title, and the line that it has for each alert.

    >>> Texts(line="{budget.__class__}")
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Texts
    ...
    """

    title: Annotated[str, AfterValidator(_title)] = (
        "Taximeter, {severity}: {alerts}, {budgets}"
    )
    line: Annotated[str, AfterValidator(_line)] = "{words}"

    def titled(self, alerts: Sequence[Alert], route: str) -> str:
        """Return the title of a message with these alerts."""
        count = len(alerts)
        budgets = dict.fromkeys(alert.budget for alert in alerts if alert.budget)
        return self._filled(
            self.title,
            count=count,
            alerts=f"{count} alert" + ("s" if count > 1 else ""),
            severity=worst(alerts),
            budgets=_few(list(budgets)) or alerts[0].kind,
            route=route,
        )

    def body(
        self, alerts: Sequence[Alert], details: Mapping[UUID, Sequence[str]]
    ) -> str:
        """Return a line for each alert, and how many more there are than are shown.

        What else is known of an alert stands indented below its line.
        """
        lines: list[str] = []
        for alert in alerts[:_MAX_LINES]:
            more = details.get(alert.alert_id, ())
            lines += [self._line_of(alert), *(f"  {calmed(line)}" for line in more)]
        unshown = len(alerts) - _MAX_LINES
        lines += [f"… and {unshown} more"] if unshown > 0 else []
        return "\n".join(lines)

    def _line_of(self, alert: Alert) -> str:
        fields = dict.fromkeys(LINE_FIELDS, "") | dict(alert.fields)
        own = {
            "severity": alert.severity,
            "budget": alert.budget,
            "subject": _subject(alert),
            "percent": "" if alert.percent is None else alert.percent,
            "spent": alert.amount("spent_usd"),
            "limit": alert.amount("limit_usd"),
            "kind": alert.kind,
            "words": alert_in_a_line(alert),
        }
        return self._filled(self.line, **(fields | own))

    @staticmethod
    def _filled(template: str, **fields: object) -> str:
        calm = {name: calmed(value) for name, value in fields.items()}
        return _UNSHOWN.sub(" ", _Plain().vformat(template, (), calm))


def worst(alerts: Sequence[Alert]) -> Severity:
    """Return the gravest severity among some alerts."""
    found = {alert.severity for alert in alerts}
    return next(one for one in reversed(SEVERITIES) if one in found)


def alert_in_a_line(alert: Alert) -> str:
    """Return an alert in words, whatever its kind.

    >>> from uuid import UUID
    >>> said = {"budget_id": "prod", "threshold_percent": 80, "limit_usd": "10.00"}
    >>> said |= {"spent_usd": "8.500000", "period": "day"}
    >>> alert_in_a_line(Alert(UUID(int=1), "BudgetThresholdCrossed", "", said))
    '80 % of prod: everything has spent 8.50 of 10.00 USD (day)'
    >>> alert_in_a_line(Alert(UUID(int=1), "SomethingNew", "", {"model": "gpt-9"}))
    'SomethingNew: model=gpt-9'
    """
    if alert.kind == BudgetThresholdCrossed.__name__:
        return _crossed(alert)
    try:
        return alert_words(alert_adapter.validate_json(alert.text))
    except ValidationError:  # a kind that came later, or a version
        return f"{alert.kind}: {_facts(alert)}"


def _crossed(alert: Alert) -> str:
    since = str(alert.fields.get("period_start") or "")
    period = f"{alert.fields.get('period') or ''}" + (f" from {since}" if since else "")
    late = ", late" if alert.fields.get("late") else ""
    return (
        f"{alert.percent} % of {alert.budget}: {_subject(alert)} has {_used(alert)} "
        f"({period}{late})"
    )


def _used(alert: Alert) -> str:
    for unit, did in (("tokens", "used"), ("calls", "made")):
        limit = alert.fields.get(f"limit_{unit}")
        if limit is not None:
            return f"{did} {alert.fields.get(unit)} of {limit} {unit}"
    return f"spent {alert.amount('spent_usd')} of {alert.amount('limit_usd')} USD"


def calmed(value: object) -> str:
    r"""Return what stands for a value in a message, unable to steer or call anybody.

    Whoever names a user `<!channel>` must not reach the channel by it.

    >>> calmed("a\nb"), calmed("@everyone") == "@everyone", calmed(None)
    ('a b', False, '')
    """
    if value is None:
        return ""
    text = _UNSHOWN.sub(" ", str(value))[:_MAX_FIELD]
    return _CALLS.sub(lambda found: f"{found[0]}\u200b", text)


def _subject(alert: Alert) -> str:
    named = [f"{kind} {name}" for kind, name in alert.subject.items() if kind != "all"]
    return ", ".join(named) or "everything"


def _facts(alert: Alert) -> str:
    hidden = ("alert_id", "event_type", "schema_version")
    said = [f"{n}={calmed(v)}" for n, v in alert.fields.items() if n not in hidden]
    return ", ".join(said)


def _few(names: Sequence[str]) -> str:
    more = len(names) - _MAX_BUDGETS
    listed = ", ".join(names[:_MAX_BUDGETS])
    return listed + (f" and {more} more" if more > 0 else "")
