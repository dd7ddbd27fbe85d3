"""The same problem of several Official Accounts as one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bot.health.facts import Problem, ProblemKind

T = TypeVar("T")
_ORDER = {kind: place for place, kind in enumerate(ProblemKind)}


@dataclass(frozen=True, slots=True)
class ProblemGroup(Generic[T]):
    """A problem, and the accounts that have it."""

    problem: Problem  # of the first of them
    accounts: Sequence[T]


def grouped(found: Iterable[tuple[T, Sequence[Problem]]]) -> list[ProblemGroup[T]]:
    """Return each problem once, worst first, and among those of a kind that of the most accounts."""
    groups: dict[tuple[str, ...], tuple[Problem, list[T]]] = {}
    for account, problems in found:
        for problem in problems:
            groups.setdefault(problem.key, (problem, []))[1].append(account)
    ordered = sorted(groups.values(), key=lambda group: (_ORDER[group[0].kind], -len(group[1])))
    return [ProblemGroup(problem, accounts) for problem, accounts in ordered]
