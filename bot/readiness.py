"""What `/readyz` answers: whether requests may be sent here, and the present problems, a line each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.blocks.answers.diagnosis import ENGLISH, plain_words
from bot.blocks.answers.platform_facts import platform_parts
from bot.health.facts import PlatformFacts, Problem, ProblemKind
from bot.health.problem_groups import grouped
from bot.tenants.tenant import Tenant, handles
from bot.text import many
from bot.web.server import Readiness


def readiness(problems: Sequence[Problem]) -> Readiness:
    """Return what `/readyz` answers: a router may send requests while the store can be used."""
    words = [(problem.kind, " ".join(plain_words(problem))) for problem in problems]
    reasons = [text for kind, text in words if kind.startswith("store_")]
    return Readiness(
        reason=reasons[0] if reasons else "",
        problems=tuple(text for kind, text in words if not kind.startswith("store_")),
        no_receiver=next((text for kind, text in words if kind is ProblemKind.NO_COMMAND_RECEIVER), ""),
    )


def about_platform(platform: PlatformFacts, now: datetime) -> str:
    """Return a line on the third-party platform: the age of its ticket, and its accounts by state."""
    return f"Platform: {', '.join(platform_parts(platform, now, ENGLISH.as_text))}"


def problems_of_several(checked: Iterable[tuple[Tenant, Sequence[Problem]]]) -> tuple[str, ...]:
    """Return a line for each problem: which account has it, or how many, with some of their handles.

    An outage of all accounts, and trouble of the platform, needs no handle.
    """
    lines = []
    for group in grouped(checked):
        if group.problem.kind.startswith("store_"):  # the reason why nothing is ready
            continue
        words, tenants = " ".join(plain_words(group.problem)), group.accounts
        if group.problem.has_no_account:
            lines.append(words)
        elif len(tenants) == 1:
            lines.append(f"{tenants[0].title}: {words}")
        else:
            lines.append(f"{many(len(tenants), 'account')}: {words} ({handles(tenants)})")
    return tuple(lines)
