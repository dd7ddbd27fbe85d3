"""Users and user groups: names, links and mentions. The name of a user is foreign text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.alerting.episode import Episode, Operated, UserAction
from bot.blocks.context import RenderContext, RenderMode
from bot.text import NAME, clean, escape

_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")


def user(action: UserAction | Operated, context: RenderContext) -> str:
    """Write the user of an action: as a link, which Slack shows as the present name, where it notifies no user.

    Elsewhere by name. A click may be forged, so text that does not look like a user ID never becomes markup.
    """
    if context.mode is RenderMode.EDIT and _USER_ID.fullmatch(action.user_id):
        return f"<@{action.user_id}>"
    return plain_name(action.name, context)


def link(user_id: str, name: str, context: RenderContext) -> str:
    """Write a mention of a user, which notifies them; the name if the ID does not look like one."""
    return f"<@{user_id}>" if _USER_ID.fullmatch(user_id) else plain_name(name, context)


def plain_name(given: str, context: RenderContext) -> str:
    """Write a user's name, which notifies no user, as mrkdwn."""
    return escape(display_name(given, context))


def display_name(given: str, context: RenderContext) -> str:
    """Write a user's name as plain text. Slack sends a handle, such as `mei`, with a click."""
    shown = clean(given, NAME)
    return shown.capitalize() if shown.islower() and shown.isalpha() else shown or context.say("somebody")


def mention(id_: str) -> str:
    """Write the mention of a user or a user group by its ID, which comes from the settings."""
    return f"<!subteam^{id_}>" if id_.startswith("S") else f"<@{id_}>"


def newest_acknowledgements(episodes: Iterable[Episode], most: int) -> list[UserAction]:
    """Return the newest acknowledgement of each user, newest first, at most `most`."""
    acked = sorted((episode.acked for episode in episodes if episode.acked), key=lambda action: action.at)
    newest = {action.user_id or action.name: action for action in acked}.values()
    return sorted(newest, key=lambda action: (action.at, action.user_id, action.name), reverse=True)[:most]
