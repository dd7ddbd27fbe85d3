"""Results of checks, as values. It contains no check and no output."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from bot.runtime.escaping import cut, escape
from bot.runtime.tasks import with_timeout
from bot.settings.reader import InvalidSetting

Verdict = Literal["ok", "wrong", "unknown"]

LONGEST = 1000  # characters of a finding, which may quote other programs
SHORTEST_SECRET = 4  # characters: masking anything shorter would only garble the text


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check, and what to do about it in one sentence or two."""

    check: str
    verdict: Verdict
    said: str
    remedy: str = ""  # a hint, if the verdict is ok


def well(check: str, said: str, hint: str = "") -> Finding:
    return Finding(check, "ok", said, hint)


def wrong(check: str, said: str, remedy: str) -> Finding:
    return Finding(check, "wrong", said, remedy)


def unknown(check: str, said: str, remedy: str = "") -> Finding:
    return Finding(check, "unknown", said, remedy)


@dataclass(frozen=True, slots=True)
class Time:
    """A reading of another machine's clock, with the request's begin and end by this machine's clock. All aware."""

    of: str
    began: datetime
    served_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one part of the examination, with data for other parts."""

    findings: tuple[Finding, ...]
    times: tuple[Time, ...] = ()
    slack_reached: bool | None = None  # None: not tried

    @classmethod
    def of(cls, reports: Iterable[Report]) -> Report:
        """Join the reports of several parts, in their order."""
        parts = tuple(reports)
        return cls(
            findings=tuple(finding for part in parts for finding in part.findings),
            times=tuple(time for part in parts for time in part.times),
            slack_reached=next((part.slack_reached for part in parts if part.slack_reached is not None), None),
        )


@dataclass(frozen=True, slots=True)
class Unset:
    """The missing and malformed variables: checks that need them are skipped."""

    problems: Mapping[str, InvalidSetting]

    @classmethod
    def of(cls, problems: Iterable[InvalidSetting]) -> Unset:
        return cls({problem.name: problem for problem in problems})

    def why_not(self, check: str, *names: str) -> Finding | None:
        """Return a finding in place of a check that needs these variables; None if all are set and well-formed."""
        missing = [name for name in names if name in self.problems]
        if not missing:
            return None
        states = {"malformed" if self.problems[name].why else "not set" for name in missing}
        verb = "is" if len(missing) == 1 else "are"
        return unknown(check, f"not checked: {' and '.join(missing)} {verb} {' or '.join(sorted(states))}")


async def guarded(check: str, work: Coroutine[Any, Any, Report], within: float) -> Report:
    """Await a report; if the check fails or times out, return one `unknown` finding instead."""
    try:
        return await with_timeout(work, within)
    except TimeoutError:
        found = unknown(check, f"not known: no result within {within:g} s", "Run this again in a while.")
    except Exception as exc:
        # Only the class: the text of an exception may quote a secret.
        found = unknown(check, f"not known: the check failed ({type(exc).__name__})", "Report this as a bug.")
    return Report((found,))


def masked(finding: Finding, secrets: Iterable[str]) -> Finding:
    """Mask secrets in a finding, as the last line of defence: it may quote any text of other programs."""

    def mask(text: str) -> str:
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, "•••")
        return escape(cut(text, LONGEST))

    return replace(finding, said=mask(finding.said), remedy=mask(finding.remedy))
