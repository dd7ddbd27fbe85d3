"""The people of the workspace: their names, and the language and time zone of their Slack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.demo.slack_simulator.state import Person, Workspace

# Whom the page can act as. Without a time zone: in that of the browser, which is the bot's as well.
PEOPLE: Mapping[str, Person] = {
    one.id: one
    for one in (
        Person("U0MEI", "mei", "en-US", tz=""),
        Person("U0TOM", "tom", "en-US", tz=""),
        Person("U0LIN", "林晓", "zh-CN", tz="Asia/Shanghai"),
    )
}
# Who may change accounts from Slack: the bot's setting KF_OPERATORS. The others may only read.
OPERATORS = ("U0MEI", "U0LIN")


def introduce(slack: Workspace, zone: str) -> None:
    """Add the people to the Slack simulator. `zone` is the browser's."""
    slack.people.update({user: replace(one, tz=one.tz or zone) for user, one in PEOPLE.items()})


def shown(person: Person) -> dict[str, Any]:
    """Return a person in the format of the page."""
    return {
        "name": person.name.capitalize(),
        "locale": person.locale,
        "tz": person.tz,
        "operates": person.id in OPERATORS,
    }
