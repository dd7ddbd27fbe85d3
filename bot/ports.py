"""Ports: the interfaces to WeChat, Slack and the clock, in the terms of the bot. No I/O, no rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from wechat_kf import KfError, KfList, OnlineKf

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a user: Block Kit `blocks`, and the `text` for notifications and screen readers.

    `text` is complete on its own: it is sent alone if Slack refuses the blocks.
    """

    text: str
    blocks: Sequence[Block] = ()
    names_accounts: bool = False  # it is about several Official Accounts, and names them itself


View = dict[str, Any]  # a modal or an App Home, as Slack's Web API takes it


class Accounts(Protocol):
    """The kf accounts of one Official Account; `wechat_kf.KfClient` fits."""

    async def kf_list(self, *, within: float = ..., attempts: int = ...) -> KfList: ...

    async def online_kf_list(self, *, within: float = ..., attempts: int = ...) -> Sequence[OnlineKf]: ...


class Authorizations(Protocol):
    """What the polls of accounts show of their authorisation of a third-party platform, by AppID."""

    async def apply_failure(self, appid: str, error: KfError) -> timedelta | None:
        """Record what a failed poll shows. Return the time until the next one, if it is not its own."""
        ...

    async def apply_success(self, appid: str) -> None:
        """Record that the authorisation is in force."""
        ...


class AccountWriter(Protocol):
    """Changes to these accounts; `wechat_kf.KfClient` fits.

    A call returns after WeChat accepted the change, and is never repeated by the client. It raises a `KfError`,
    which has `may_have_taken_effect`.
    """

    async def invite(self, kf_account: str, invite_wx: str, *, within: float = ...) -> None: ...

    async def add(self, kf_account: str, nickname: str, *, within: float = ...) -> None: ...

    async def rename(self, kf_account: str, nickname: str, *, within: float = ...) -> None: ...

    async def delete(self, kf_account: str, *, within: float = ...) -> None: ...


# Outcomes of a post or an edit, one class for each next step of the caller.


@dataclass(frozen=True, slots=True)
class Sent:
    """Slack accepted the message. An edit needs `channel_id` and `ts`."""

    channel_id: str
    ts: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Certainly not posted, and the message is valid: the connection was refused, or HTTP 429."""

    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The channel, the token or the whole workspace is refused: every message would be. A person must act."""

    error: str
    of: Literal["channel", "token", "workspace"] = "channel"


@dataclass(frozen=True, slots=True)
class Refused:
    """This message is refused, for example for its blocks."""

    error: str


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Refused with an unknown error code: this message is at fault, or every message would be refused."""

    error: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The message or thread does not exist: a person deleted the message, it is too old, its thread is closed."""

    error: str
    of: Literal["message", "thread"] = "message"


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Possibly posted: the response was lost, or Slack failed half-way."""

    error: str


Outcome = Sent | RetryLater | Blocked | Refused | Unlisted | NotFound | OutcomeUnknown


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A message in the channel whose metadata has the form of the bot's keys."""

    channel_id: str
    ts: str
    thread_ts: str | None  # of its parent message, if it is a reply
    message_key: str  # HMAC of the message ID
    event_keys: tuple[str, ...]  # the keys of the events that it posted
    kind: str = ""  # what kind of message it is


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A part of the channel's history. `cursor` asks for the next part; "" after the last."""

    messages: tuple[HistoryMessage, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class HistoryUnreadable:
    """The history may not be read: the scope is missing, or the membership."""

    error: str
    refuses_posts: bool = False  # certainly, for the same reason


class ChannelHistory(Protocol):
    """The messages in a channel, or in one of its threads. One call is one request; nothing raises."""

    async def history(
        self,
        *,
        channel_id: str = "",
        oldest: datetime,
        latest: datetime | None = None,
        thread_ts: str | None = None,
        cursor: str = "",
        within: float,
    ) -> HistoryPage | HistoryUnreadable | RetryLater | Blocked | NotFound | OutcomeUnknown: ...


class Channel(ChannelHistory, Protocol):
    """The Slack channel that alerts go to. One call is one request; nothing is repeated, nothing raises.

    A `channel_id` is that of a former channel, to which the replies to its messages go; "" is this one.
    """

    @property
    def id(self) -> str: ...

    def now(self) -> datetime | None:
        """Return the present moment by Slack's clock, as its last response showed it; None before the first."""
        ...

    async def post(
        self,
        message: Message,
        *,
        channel_id: str = "",
        metadata: Mapping[str, Any],
        thread_ts: str | None = None,
        broadcast: bool = False,
        within: float,
    ) -> Outcome: ...

    async def update(
        self,
        message: Message,
        *,
        channel_id: str,
        ts: str,
        metadata: Mapping[str, Any] | None = None,
        within: float,
    ) -> Outcome:
        """Edit a message. Without `metadata` it keeps that of the post."""
        ...

    async def probe(self, error: str, within: float) -> Blocked | RetryLater | OutcomeUnknown | None:
        """Ask, without a post, whether Slack still refuses with this code ("": whether it answers); None if not."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a click came from, as Slack reports it; "" where it reports nothing."""

    team_id: str = ""  # of the person: their workspace, or their organisation (`E…`)
    user_enterprise_id: str = ""  # of the person
    enterprise_id: str = ""  # of the app: the same for people of other companies
    channel_id: str = ""
    is_ephemeral: bool = False  # the clicked message is shown to this person only
    is_admitted: bool = False  # the channel of one of several Official Accounts, whose members may see it


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command, as Slack reports it."""

    text: str
    user_id: str = ""
    user_name: str = ""
    trigger_id: str = ""  # opens a modal once, within three seconds
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class ClickedView:
    """The modal or App Home that contained the clicked element."""

    id: str
    version: str  # Slack's `hash`
    is_home: bool = False
    private_metadata: str = ""
    callback_id: str = ""


@dataclass(frozen=True, slots=True)
class BlockAction:
    """A click on a button, or a choice from a menu. All of it may be forged, or older than a release."""

    action_id: str
    value: str
    user_id: str = ""
    user_name: str = ""
    origin: Origin = Origin()
    trigger_id: str = ""  # opens or pushes a modal once, within three seconds
    view: ClickedView | None = None  # None: the click was in a message


@dataclass(frozen=True, slots=True)
class Submission:
    """A submitted modal. All of it may be forged, or older than a release."""

    callback_id: str
    view_id: str
    version: str  # Slack's `hash`: a form shown again has another one
    private_metadata: str
    values: Mapping[str, str]  # by block_id: the typed text, or the value of the chosen option
    user_id: str = ""
    user_name: str = ""
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class FieldErrors:
    """Texts for fields of the modal, by block_id. The modal stays open."""

    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShowView:
    """A view that takes the place of the submitted one."""

    view: View


SubmissionAnswer = FieldErrors | ShowView


@dataclass(frozen=True, slots=True)
class HomeOpened:
    """A person opened the Home tab."""

    user_id: str
    has_view: bool = False  # Slack shows this person a board that was published before
    private_metadata: str = ""  # of that board


@dataclass(frozen=True, slots=True)
class ShownView:
    """Slack shows the view. `version` is its `hash`, on which a later update may insist."""

    id: str
    version: str


@dataclass(frozen=True, slots=True)
class ViewRefused:
    """Slack does not show the view, or did not answer. `error` is its code, or the kind of failure."""

    error: str
    wait: float = 0.0  # seconds, after HTTP 429
    is_unanswered: bool = False  # no response came, so Slack may show it anyway


class Views(Protocol):
    """Slack's methods for modals and App Home. One call is one request; nothing is repeated, nothing raises."""

    async def open(self, trigger_id: str, view: View) -> ShownView | ViewRefused: ...

    async def push(self, trigger_id: str, view: View) -> ShownView | ViewRefused:
        """Put a view on top of the modal whose click gave the trigger."""
        ...

    async def update(self, view_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        """Replace a view; with `version`, a `hash`, only that one (else `hash_conflict`)."""
        ...

    async def publish(self, user_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused: ...


class Announce(Protocol):
    """Shows the user a notice until the answer comes. Does not raise for what Slack refuses."""

    async def __call__(self, notice: Message) -> None: ...


async def unannounced(notice: Message) -> None:
    """Show no notice."""


class Counter(Protocol):
    """Counts what happened, for the metrics: `count("post", "sent")`."""

    def __call__(self, what: str, result: str, /) -> None: ...


def no_op(what: str, result: str) -> None:
    """Count nothing."""


class QueueBackend(Protocol):
    """Distribute work to free workers: at least once, possibly late or never. The rows record the due work."""

    async def enqueue(self, kind: str, keys: Sequence[str]) -> None: ...

    async def run(self, handlers: Mapping[str, Callable[[str], Awaitable[None]]], concurrency: int) -> None:
        """Call the handlers, by kind, until cancelled; then finish the running calls."""
        ...

    async def waiting(self) -> Mapping[str, int]:
        """Return, by kind, how many keys still need a slot: a process enqueues only as many more as it has."""
        ...


class Clock(Protocol):
    """The present moment, aware, UTC."""

    def __call__(self) -> datetime: ...


def utc_now() -> datetime:
    """Return the time by the clock of this machine."""
    return datetime.now(UTC)


Members = frozenset[str]


class UnknownMembersError(Exception):
    """Slack did not return the members of a group. The text is its error code."""


class UnknownWorkspaceError(Exception):
    """Slack did not answer. The text is its error code."""


@dataclass(frozen=True, slots=True)
class BotWorkspace:
    """The workspace of the bot token."""

    team_id: str
    enterprise_id: str = ""  # of its organisation; "" outside Enterprise Grid


@dataclass(frozen=True, slots=True)
class Reader:
    """What a person has set in Slack: language, time zone and name."""

    locale: str = ""  # an IETF tag such as zh-CN; "" if Slack did not send it
    timezone: ZoneInfo | None = None  # None if Slack sent none, or one that is not known here
    name: str = ""  # that Slack shows for them, unlike the handle that comes with a click; "" if Slack sent none


class UnknownReaderError(Exception):
    """Slack did not return a person. The text is its error code."""

    def __init__(self, code: str, *, wait: float = 0.0, lacks_scope: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.wait = wait  # seconds in which requests for other people would fail too, as far as Slack said
        self.lacks_scope = lacks_scope  # the app was installed without `users:read`: requests for all people fail
