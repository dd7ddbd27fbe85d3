"""The answer to `/kf status`: a verdict, then the facts, those with a problem first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bot import actions
from bot.blocks import builders
from bot.blocks.answers.diagnosis import explain, in_plain_words, plain_words
from bot.blocks.answers.status_facts import release, status_facts, watching_since
from bot.blocks.context import RenderContext
from bot.blocks.problems import explain_state
from bot.blocks.times import near
from bot.health.facts import Problem, ProblemKind
from bot.health.problem_rules import diagnose
from bot.ports import Message
from bot.requests import ShowStatus
from bot.status import Status

MOST_FIELDS = 10  # of a section
NAMED = 3  # of other problems
# Problems whose titles contain the duration.
WITHOUT_SINCE = {ProblemKind.STARTING, ProblemKind.POLL_OVERDUE, ProblemKind.CLOCK_WRONG}


def status_answer(status: Status, now: datetime, context: RenderContext) -> Message:
    """Render what is wrong with the bot, or that it works, and its facts."""
    problems = diagnose(status.facts)
    worst = problems[0] if problems else None
    state = explain_state(status.state, context)
    found = [explain(one, context, status.channel if one is worst else "") for one in problems]
    found += [state] if state else []
    if found:
        first = found[0]
        heading = f"{builders.TROUBLE} {first.title}"
        explained = [builders.section(f"{first.why}\n{first.shown(context)}")]
    else:
        heading, explained = f"{builders.FINE} {working_words(status, context)}", []
    also = [
        context.say("*Also:* {title}. *Next:* {step}", title=words.title, step=words.next)
        for words in found[1 : NAMED + 1]
    ]
    facts = sorted(status_facts(status, now, context), key=lambda fact: not fact.is_problem)
    fields = [builders.field(fact.title, fact.value) for fact in facts]
    blocks = [
        builders.header(heading),
        *explained,
        *([builders.section("\n".join(also))] if also else []),
        *(builders.section(fields=some) for some in (fields[:MOST_FIELDS], fields[MOST_FIELDS:]) if some),
        builders.actions(builders.refresh(actions.encode(ShowStatus()), context)),
        builders.context(
            " · ".join([*_since(worst, now, context), *release(status, context), *watching_since(status, context)])
        ),
    ]
    text = context.as_text
    parts = [part for problem in problems[: NAMED + 1] for part in plain_words(problem, text)]
    if state_in_text := explain_state(status.state, text):
        parts += in_plain_words(state_in_text, text)
    plain = text.paragraph(
        *(parts or [text.say("{what}.", what=working_words(status, text))]),
        *(text.say("{what}.", what=since) for since in _since(worst, now, text)),
        *(fact.plain_text for fact in facts),
    )
    return Message(text.plain(plain), blocks)


def working_words(status: Status, context: RenderContext) -> str:
    """Write that there is no problem."""
    if status.facts.alerts:
        return context.say("Working normally")
    return context.say("Working normally, alerts are off")


def _since(problem: Problem | None, now: datetime, context: RenderContext) -> Iterator[str]:
    if problem and problem.since and problem.kind not in WITHOUT_SINCE:
        yield context.say("Since {when}", when=near(problem.since, now, context))
