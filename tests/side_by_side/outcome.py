"""What was seen of two versions on one store, and the complaints. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from tests.crash.operation_oracle import OperationVerdict
from tests.crash.oracle import Verdict


class Version(StrEnum):
    OLDER = "older"
    NEWER = "newer"

    @property
    def other(self) -> Version:
        return Version.NEWER if self is Version.OLDER else Version.OLDER


@dataclass
class Outcome:
    """The outcome of one store and one order."""

    posted: Counter[Version] = field(default_factory=Counter)  # messages
    clicked: Counter[Version] = field(default_factory=Counter)  # buttons of the other version that took effect
    dead_buttons: list[str] = field(default_factory=list)
    kills: Counter[Version] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)
    operations: OperationVerdict = field(default_factory=OperationVerdict)
    unexpected: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> dict[str, list[str]]:
        idle = [f"the {one} version posted nothing, or handled no click" for one in self.idle]
        found = {
            **self.verdict.complaints,
            **self.operations.complaints,
            "buttons without effect": self.dead_buttons,
            "unexpected": self.unexpected,
            "not tried": idle,
        }
        return {kind: lines for kind, lines in found.items() if lines}

    @property
    def idle(self) -> list[Version]:
        """Return the versions that did not take part."""
        return [one for one in Version if not (self.posted[one] and self.clicked[one] and self.kills[one])]

    def rows(self) -> dict[str, int]:
        """Return what to print."""
        counted = {
            f"{what} {one}": counter[one]
            for what, counter in (
                ("posted by the", self.posted),
                ("buttons of the other handled by the", self.clicked),
                ("kills of the", self.kills),
            )
            for one in Version
        }
        return {
            **counted,
            "events reported": self.verdict.reported,
            **{kind: len(getattr(self.verdict, kind)) for kind in ("lost", "repeated", "untrue", "stale")},
            "operations requested": self.operations.requested,
            **{f"  {kind}": len(lines) for kind, lines in self.operations.lists.items()},
            "buttons without effect": len(self.dead_buttons),
            "unexpected": len(self.unexpected),
        }
