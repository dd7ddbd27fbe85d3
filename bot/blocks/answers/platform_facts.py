"""What is known of the third-party platform, in a line of `/kf status` and of `/readyz`."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.blocks.account_states import state_name
from bot.blocks.context import RenderContext
from bot.blocks.times import span
from bot.health.facts import PlatformFacts


def platform_parts(platform: PlatformFacts, now: datetime, context: RenderContext) -> list[str]:
    """List `last ticket 4 min ago`, `12 active`, `1 revoked`: the age of the ticket, and accounts by state."""
    ticket = context.say("no ticket yet")
    if platform.ticket_at:
        age = max(now - platform.ticket_at, timedelta(0))  # the moment may be by a clock that is ahead
        ticket = context.say("last ticket {span} ago", span=span(age, context))
    numbers = [
        context.say("{number} {state}", number=number, state=state_name(state, context))
        for state, number in platform.accounts.items()
        if number
    ]
    return [ticket, *(numbers or [context.say("no account has authorised it yet")])]
