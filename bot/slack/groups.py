"""Who is in a user group. It needs the scope `usergroups:read`."""

from __future__ import annotations

import logging

from slack_sdk.web.async_client import AsyncWebClient

from bot.logs import Line
from bot.slack.calls import No, ask
from bot.viewers import Members, UnknownMembersError

log = logging.getLogger(__name__)

SECONDS = 5.0


async def members(client: AsyncWebClient, group_id: str) -> Members:
    """The IDs of a group's members.

    Raises:
        UnknownMembersError: Slack did not say, or refused; the log has its word.

    https://docs.slack.dev/reference/methods/usergroups.users.list
    """
    said = await ask(client.api_call("usergroups.users.list", data={"usergroup": group_id}), SECONDS)
    match said:
        case {"users": list(users)}:
            return frozenset(user for user in users if isinstance(user, str))
        case No(word):
            why = word
        case dict():
            why = "an answer without users"
        case _:
            why = said.error
    log.warning(Line("the members of a user group are not known", group=group_id, error=why))
    raise UnknownMembersError(why)
