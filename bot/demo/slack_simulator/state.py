"""What Slack remembers: people, channels, messages, response_urls. Which calls may change it stays out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from bot.demo.slack_simulator.open_views import Trigger, Views
from bot.ports import Block, Clock

# "posted" and "ephemeral" bring a new message, "edited" its next form, "deleted" its last.
Change = Literal["posted", "ephemeral", "edited", "deleted"]
Listener = Callable[[Change, "Message"], None]

TEAM_ID = "T0001"  # of the workspace that the app is installed in
CONNECT = "connections:write"
LOCALE, ZONE = "en-US", "Asia/Shanghai"  # of a person of whom nothing else is set
MAX_PAGE = 999  # messages; what asks for more is refused


@dataclass(frozen=True, slots=True)
class Message:
    """One message as people see it. An edit makes a new value with the same `ts`."""

    channel: str  # ID
    ts: str
    user: str  # the author's ID
    text: str = ""
    blocks: Sequence[Block] = ()  # as they were sent, a list
    metadata: Mapping[str, Any] | None = None
    thread_ts: str | None = None  # the root's, in a reply
    broadcast: bool = False  # a reply that the channel shows too
    edits: int = 0
    marked: bool = False  # shows "(edited)"
    only_for: str | None = None  # the one person who sees an ephemeral message


@dataclass(slots=True)
class Channel:
    """A conversation; `is_member` is about the bot, `members` about people."""

    id: str
    name: str
    is_private: bool = False
    is_direct: bool = False  # between the app and one person
    is_member: bool = True
    is_archived: bool = False
    members: frozenset[str] | None = None  # None: every user is a member
    is_org_shared: bool = False  # with other workspaces of the organisation
    is_ext_shared: bool = False  # with another company, by Slack Connect
    messages: dict[str, Message] = field(default_factory=dict)  # by ts, in order of arrival
    deleted: set[str] = field(default_factory=set)  # ts of messages that are gone


@dataclass(frozen=True, slots=True)
class Organisation:
    """An Enterprise organisation. `teams` are IDs of its workspaces, beside the one of the app."""

    id: str
    name: str
    teams: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the workspace, with the language and the time zone of their Slack."""

    id: str
    name: str
    locale: str = LOCALE
    tz: str = ZONE  # "": Slack does not know it
    display_name: str = ""  # "": the same as the handle, `name`


@dataclass(slots=True)
class UserGroup:
    """People who are mentioned together."""

    id: str
    handle: str  # without the @
    users: tuple[str, ...] = ()  # IDs
    is_disabled: bool = False


@dataclass(slots=True)
class ResponseUrlState:
    """The webhook of one command or click. The last part of its path is the key."""

    key: str
    user: str
    channel: str
    created: datetime
    source: Message | None = None  # the clicked message; a command has none
    uses: int = 0
    last: Message | None = None  # the ephemeral message that it brought last
    answers: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)


class Workspace:
    """Channels with their messages, what the app may do, and unexpected events."""

    def __init__(
        self, *, clock: Clock, channels: Iterable[Channel], bot_token: str, app_token: str, scopes: Set[str]
    ) -> None:
        self.clock = clock
        self.bot_token = bot_token
        self.app_token = app_token
        self.scopes = set(scopes)  # of the bot's token
        self.app_scopes = {CONNECT}  # of the app-level token
        self.usergroups: dict[str, UserGroup] = {}  # by ID
        self.people: dict[str, Person] = {}  # by ID
        for user, name in (("U0MEI", "mei"), ("U0TOM", "tom")):
            self.add_person(user, name)
        self.organisation: Organisation | None = None  # of the app's workspace
        self.teams: dict[str, str] = {}  # by person, what Slack reports as team_id where it is not the app's
        self.may_mention: Set[str] = frozenset()  # `<!here>` and the like, as written
        self.most_per_page = MAX_PAGE  # Slack may give fewer messages than were asked for, before the end, too
        self.replaces_answers = True  # a command's answer may replace the one before; else it is a second message
        self.base_url = ""  # known once it is served
        self.tickets: set[str] = set()  # of websockets not yet opened
        self.channels = {channel.id: channel for channel in channels}
        self.ephemerals: dict[str, Message] = {}  # by ts
        self.response_urls: dict[str, ResponseUrlState] = {}
        self.views = Views(clock)
        self.triggers: dict[str, Trigger] = {}  # by trigger_id
        self.trigger_clock = clock  # says how old those are
        self.home_enabled = True  # the app has a Home tab
        self.field_errors: list[Mapping[str, str]] = []  # those that the app had shown, by block_id
        self.unexpected: list[str] = []  # a test that does not empty it should fail
        self.warnings: list[str] = []
        self._listeners: list[Listener] = []
        self._last_ts = 0

    def add_person(self, user: str, name: str, *, locale: str = LOCALE, tz: str = ZONE) -> Person:
        """Add a person, or replace the one with this ID."""
        self.people[user] = Person(user, name, locale, tz)
        return self.people[user]

    def name_of(self, user: str) -> str:
        """Return the name of a person who does something here. Who is not known yet is added."""
        return (self.people.get(user) or self.add_person(user, user.lower())).name

    def direct_channel(self, user: str) -> Channel:
        """Return the conversation of the app with a person, opened if there is none yet."""
        name = f"D{user[1:]}"
        members = frozenset({user})
        return self.channels.setdefault(name, Channel(name, "", is_private=True, is_direct=True, members=members))

    def team_of(self, user: str) -> str:
        """Return the `user.team_id` of a person: a workspace, or an organisation (`E…`)."""
        return self.teams.get(user, TEAM_ID)

    def is_external(self, user: str) -> bool:
        """Return whether a person belongs to another company."""
        known = {TEAM_ID}
        if self.organisation:
            known |= {self.organisation.id, *self.organisation.teams}
        return self.team_of(user) not in known

    def on_change(self, listener: Listener) -> None:
        """Call `listener(change, message)` from now on."""
        self._listeners.append(listener)

    def next_ts(self) -> str:
        """Name a new message: the clock's time in microseconds, and never twice the same."""
        self._last_ts = max(round(self.clock().timestamp() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def add(self, message: Message) -> Message:
        self._shelf(message)[message.ts] = message
        self._tell("ephemeral" if message.only_for else "posted", message)
        return message

    def edit(self, message: Message, **parts: Any) -> Message:
        """Put new `parts` into the message of that channel and ts, and count the edit."""
        edited = replace(self._shelf(message)[message.ts], edits=message.edits + 1, **parts)
        self._shelf(message)[message.ts] = edited
        self._tell("edited", edited)
        return edited

    def delete(self, message: Message) -> None:
        """Take a message away, as a person may at any time."""
        del self._shelf(message)[message.ts]
        if not message.only_for:
            self.channels[message.channel].deleted.add(message.ts)
        self._tell("deleted", message)

    def clear(self) -> None:
        """Forget all messages, views and response_urls, as in a new workspace of the same people and channels."""
        for channel in self.channels.values():
            channel.messages.clear()
            channel.deleted.clear()
        self.ephemerals.clear()
        self.response_urls.clear()
        self.views.clear()
        self.triggers.clear()
        self._last_ts = 0

    def present(self, message: Message) -> Message | None:
        """Return a message in its present form; None once it is deleted."""
        return self._shelf(message).get(message.ts)

    def _shelf(self, message: Message) -> dict[str, Message]:
        return self.ephemerals if message.only_for else self.channels[message.channel].messages

    def _tell(self, change: Change, message: Message) -> None:
        for listener in self._listeners:
            listener(change, message)
