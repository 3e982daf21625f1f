"""The bench's events: about 600 bytes each, the same in every process that asks.

Pure and deterministic, so that a reference in a process of its own works on the very
bytes that the system worked on, without their being sent to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Self

from taximeter.demo.cast import ENDPOINTS, MODELS
from taximeter_schemas.partitioning import partition_of
from taximeter_schemas.records import packed
from taximeter_schemas.usage import UsageRecorded

__all__ = ["RECORD_EVENTS", "PackedRecord", "Traffic"]

RECORD_EVENTS: Final = 100
_BETWEEN: Final = timedelta(microseconds=50)
_TEAMS: Final = ("growth", "care", "platform", "legal", "content", "data")
# Steps that share no factor with the usual numbers of users and projects.
_USER_STEP, _PROJECT_STEP, _MODEL_STEP = 7_919, 31, 13


class PackedRecord(NamedTuple):
    """The value of one packed record, for one partition of `usage`."""

    partition: int
    events: int
    value: bytes


@dataclass(frozen=True)
class Traffic:
    """A stream of calls, 20,000 a second; each number stands for one event for ever.

    Args:
        start: when call number 0 happened; those before it have negative numbers.
        users: how many users, each as busy as the others.
        projects: how many projects.
        salt: two streams of unlike salt have no event id in common.
    """

    start: datetime
    users: int = 2_000
    projects: int = 50
    salt: str = ""

    def facts(self) -> dict[str, Any]:
        """Return what makes the same traffic again in another process."""
        return {
            "start": self.start.isoformat(),
            "users": self.users,
            "projects": self.projects,
            "salt": self.salt,
        }

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Self:
        """Return the traffic that these facts describe."""
        start = datetime.fromisoformat(facts["start"])
        return cls(start, facts["users"], facts["projects"], facts["salt"])

    def event(self, number: int) -> UsageRecorded:
        """Return an event as the emitter takes it."""
        return UsageRecorded.model_validate_json(self.encoded(number))

    def encoded(self, number: int) -> bytes:
        """Return an event as it stands in a record."""
        return self._encoded(number, _id_text(number, self.salt))

    def packed(
        self, first: int, count: int, partitions: int = 1
    ) -> Iterator[PackedRecord]:
        """Yield events from number `first` on in records of 100, each of one partition.

        The last record of a partition holds what is left.
        """
        waiting: list[list[bytes]] = [[] for _ in range(partitions)]
        for number in range(first, first + count):
            text = _id_text(number, self.salt)
            partition = partition_of(text.encode(), partitions)
            gathered = waiting[partition]
            gathered.append(self._encoded(number, text))
            if len(gathered) == RECORD_EVENTS:
                yield PackedRecord(partition, RECORD_EVENTS, packed(gathered))
                gathered.clear()
        for partition, rest in enumerate(waiting):
            if rest:
                yield PackedRecord(partition, len(rest), packed(rest))

    def _encoded(self, number: int, event_id: str) -> bytes:
        moment = (self.start + number * _BETWEEN).isoformat().replace("+00:00", "Z")
        user = number * _USER_STEP % self.users
        project = number * _PROJECT_STEP % self.projects
        model = MODELS[number * _MODEL_STEP % len(MODELS)]
        trace = event_id.replace("-", "")
        return (
            f'{{"event_id":"{event_id}","schema_version":1,"occurred_at":"{moment}",'
            f'"source":"checkout-service","provider":"{model.provider}",'
            f'"model":"{model.name}","operation":"chat","service_tier":"standard",'
            f'"user_id":"user-{user:06d}","project_id":"project-{project:03d}",'
            f'"session_id":"session-{number // 20:08d}",'
            f'"endpoint":"{ENDPOINTS[number % len(ENDPOINTS)]}",'
            f'"tags":{{"team":"{_TEAMS[project % len(_TEAMS)]}","env":"prod"}},'
            f'"region":"eu-central-1","trace_id":"{trace}",'
            f'"usage":{{"text_input_tokens":{900 + number % 1_700},'
            f'"cache_read_tokens":{number % 5 * 128},'
            f'"text_output_tokens":{120 + number % 480}}},'
            f'"duration_ms":{400 + number % 2_000},"status":"ok"}}'
        ).encode()


def _id_text(number: int, salt: str) -> str:
    """Return the event id of a number, spread like a random one.

    >>> _id_text(1, "")[14], _id_text(1, "") == _id_text(1, "b")
    ('7', False)
    """
    place = number.to_bytes(8, "big", signed=True)
    text = blake2b(place, digest_size=16, salt=salt.encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-a{text[17:20]}-{text[20:]}"
