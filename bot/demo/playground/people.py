"""The people of the workspace: their names, and the language and time zone of their Slack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Person:
    """A user whom the page can act as."""

    id: str
    name: str
    locale: str  # an IETF tag, as `users.info` reports it
    tz: str = ""  # IANA name; "": that of the browser, which is the bot's as well

    @property
    def shown(self) -> dict[str, Any]:
        """Return the person in the format of the page."""
        return {"name": self.name.capitalize(), "locale": self.locale, "tz": self.tz}


PEOPLE: Mapping[str, Person] = {
    one.id: one
    for one in (
        Person("U0MEI", "mei", "en-US"),
        Person("U0TOM", "tom", "en-US"),
        Person("U0LIN", "林晓", "zh-CN", "Asia/Shanghai"),
    )
}
