"""The answer to a command that could not read WeChat."""

from __future__ import annotations

from datetime import datetime

from bot import actions
from bot.accounts import Snapshot
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation
from bot.blocks.times import near
from bot.ports import Message


def read_failure(
    explanation: Explanation, now: datetime, context: RenderContext, *, retry: str, last_good: Snapshot | None
) -> Message:
    """Render the explanation and a button; it never says that there are no accounts.

    It has no header, which is for alarms. `retry` is the button value of the request.
    """
    again = builders.button(context.say("Try again"), actions.RETRY, retry)
    blocks = [
        builders.section(f"{builders.TROUBLE} *{explanation.title}*\n{explanation.why}"),
        builders.section(explanation.shown(context)),
        *([builders.context(_last_read(last_good, now, context))] if last_good else []),
        builders.actions(again, *([builders.link(explanation.place, context)] if explanation.place else [])),
        *([builders.context(" · ".join(explanation.facts))] if explanation.facts else []),
    ]
    return Message(explanation.plain_text(context), blocks)


def _last_read(snapshot: Snapshot, now: datetime, context: RenderContext) -> str:
    when, due = near(snapshot.at, now, context), len(snapshot.due)
    if not due:
        return context.say("Last good read {when}: nothing needed attention.", when=when)
    accounts = context.count("{number} account", "{number} accounts", len(snapshot.rows))
    return context.say(
        "Last good read {when}: {due} of {accounts} needed attention.", when=when, due=due, accounts=accounts
    )
