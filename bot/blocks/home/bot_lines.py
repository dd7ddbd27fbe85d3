"""The part of the board about the bot itself: the verdict of `/kf status`, its main facts, and further buttons."""

from __future__ import annotations

from datetime import datetime

from bot.blocks import builders
from bot.blocks.answers.diagnosis import explain
from bot.blocks.answers.status_answer import working_words
from bot.blocks.answers.status_facts import board_facts, release
from bot.blocks.context import RenderContext
from bot.blocks.home.home_view import HomeUser, add_account, help_button, language_menu
from bot.health.problem_rules import diagnose
from bot.operations.operation import OperationKind
from bot.ports import Block
from bot.status import Status


def bot_lines(
    status: Status,
    person: HomeUser,
    now: datetime,
    context: RenderContext,
    *,
    explained: str = "",
    offers_add: bool = True,
) -> list[Block]:
    """Build the end of a board.

    Args:
        explained: the title of the problem that the board explains at its top; "" without one.
        offers_add: the button that adds an account is not elsewhere on the board.
    """
    fields = [builders.field(fact.title, fact.value) for fact in board_facts(status, now, context)]
    adds = offers_add and may_add(status, person)
    return [
        builders.divider(),
        builders.section(_verdict(status, explained, context), fields=fields),
        builders.actions(
            *([add_account(context)] if adds else []),
            help_button(context),
            builders.console(context),
            *language_menu(person, context),
        ),
        builders.context(" · ".join(release(status, context))),
    ]


def may_add(status: Status, person: HomeUser) -> bool:
    """Return whether the person gets the button that adds an account."""
    return person.is_operator and status.operations.offers(OperationKind.ADD)


def _verdict(status: Status, explained: str, context: RenderContext) -> str:
    heading = f"*{context.say('The bot')}*"
    problem = next(iter(diagnose(status.facts)), None)
    explanation = explain(problem, context, status.channel) if problem else None
    if explained and (explanation is None or explanation.title == explained):
        return f"{heading} · {builders.TROUBLE} {explained}"
    if explanation is None:
        return f"{heading} · {builders.FINE} {context.uncapitalized(working_words(status, context))}"
    lines = [f"{heading} · {builders.TROUBLE} {explanation.title}", explanation.why, explanation.shown(context)]
    return "\n".join(filter(None, lines))
