"""What a check found, as values. No check, no output."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from bot.runtime.escaping import cut, escape
from bot.runtime.tasks import with_timeout
from bot.settings.reader import InvalidSetting

Verdict = Literal["ok", "wrong", "unknown"]

LONGEST = 1000  # characters of a finding, in the words of others
SHORTEST_SECRET = 4  # characters: to blot out anything shorter would only garble the text


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check, and what to do about it in one sentence or two."""

    check: str
    verdict: Verdict
    said: str
    remedy: str = ""  # what is well may have one, too: a hint


def well(check: str, said: str, hint: str = "") -> Finding:
    return Finding(check, "ok", said, hint)


def wrong(check: str, said: str, remedy: str) -> Finding:
    return Finding(check, "wrong", said, remedy)


def unknown(check: str, said: str, remedy: str = "") -> Finding:
    return Finding(check, "unknown", said, remedy)


@dataclass(frozen=True, slots=True)
class Time:
    """The clock of another machine, and when it was asked by the clock of this one. All aware."""

    of: str
    began: datetime
    served_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What one part of the examination found, and what others may conclude from it."""

    findings: tuple[Finding, ...]
    times: tuple[Time, ...] = ()
    slack_reached: bool | None = None  # None: nobody tried

    @classmethod
    def of(cls, reports: Iterable[Report]) -> Report:
        """The report of several parts, in their order."""
        parts = tuple(reports)
        return cls(
            findings=tuple(finding for part in parts for finding in part.findings),
            times=tuple(time for part in parts for time in part.times),
            slack_reached=next((part.slack_reached for part in parts if part.slack_reached is not None), None),
        )


@dataclass(frozen=True, slots=True)
class Unset:
    """The variables that are missing or malformed: what needs them is not checked."""

    problems: Mapping[str, InvalidSetting]

    @classmethod
    def of(cls, problems: Iterable[InvalidSetting]) -> Unset:
        return cls({problem.name: problem for problem in problems})

    def why_not(self, check: str, *names: str) -> Finding | None:
        """The finding that stands for a check which needs these variables; None when they are all there."""
        missing = [name for name in names if name in self.problems]
        if not missing:
            return None
        states = {"malformed" if self.problems[name].why else "not set" for name in missing}
        verb = "is" if len(missing) == 1 else "are"
        return unknown(check, f"not checked: {' and '.join(missing)} {verb} {' or '.join(sorted(states))}")


async def guarded(check: str, work: Coroutine[Any, Any, Report], within: float) -> Report:
    """The report, or one finding instead: a check that fails itself says nothing about what it looks at."""
    try:
        return await with_timeout(work, within)
    except TimeoutError:
        found = unknown(check, f"not known: no result within {within:g} s", "Run this again in a while.")
    except Exception as exc:
        # By its class alone: the text of whatever it is may quote a secret.
        found = unknown(check, f"not known: the check failed ({type(exc).__name__})", "Report this as a bug.")
    return Report((found,))


def masked(finding: Finding, secrets: Iterable[str]) -> Finding:
    """Without secrets. The last line of defence: what others said is quoted, and nobody knows what they say."""

    def mask(text: str) -> str:
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, "•••")
        return escape(cut(text, LONGEST))

    return replace(finding, said=mask(finding.said), remedy=mask(finding.remedy))
