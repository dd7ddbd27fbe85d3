"""The Slack simulator, as tests and the demo use it: user actions, faults and recorded calls."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from bot.demo.slack_simulator import elements, hooks, sent_messages, users, web_api_methods, wire
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.slack_faults import SlackFault
from bot.demo.slack_simulator.state import Channel, Message, Organisation, ResponseUrlState, UserGroup
from bot.demo.slack_simulator.view_interactions import ViewInteractions
from bot.ports import Clock

RESPONSE_URL = "response_url"  # the name of that webhook among the methods
SCOPES = frozenset(
    {"commands", "chat:write", "chat:write.public", "channels:history", "groups:history"}
    | {"channels:read", "groups:read", "usergroups:read", "users:read"}
)

# When watchers are called: before a request is acted on, between action and answer, after the answer.
Stage = Literal["arrived", "acted", "answered"]
Watcher = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request of the app, token left out."""

    method: str
    arguments: Mapping[str, Any]
    status: int | None  # None: it got no answer
    error: str | None = None


class SlackSimulator(ViewInteractions):
    """A Slack workspace with one app in it, strict after Slack's documentation.

    All methods of `web_api_methods.METHODS` are allowed. What the app should never do is answered as Slack would,
    and noted in `unexpected`. With an `app_url` people's commands and clicks go there, signed; without
    one they take the app's websockets. `clock` says the time of messages and response_urls; signatures
    are of the real time. `trigger_clock`, by default the same, says the age of trigger_ids, which live 3 s: a
    clock that runs fast needs another one for them. Without `home_enabled` the app has no Home tab. A new message
    may hold the mentions in `may_mention`, as written (`<!here>`); any other is noted. `people` are names by ID,
    beside those of U0MEI and U0TOM; `add_person` takes a locale and a time zone as well. `usergroups` are the IDs
    of people by that of their group, whose handle is made of it; a test may disable one of `self.usergroups`.
    `teams` are the workspaces, by person, of people who are not of the app's own; they click in a channel that is
    shared with theirs. In an `organisation` there may be other workspaces of the same company.
    """

    def __init__(
        self,
        *,
        clock: Clock = lambda: datetime.now(UTC),
        channels: Iterable[Channel] | None = None,
        bot_token: str = "xoxb-stand-in",  # noqa: S107 - a simulator's token opens nothing
        app_token: str = "xapp-stand-in",  # noqa: S107 - nor this one
        signing_secret: str = "stand-in",  # noqa: S107 - it guards nothing
        scopes: Set[str] = SCOPES,
        may_mention: Set[str] = frozenset(),
        people: Mapping[str, str] | None = None,
        usergroups: Mapping[str, Iterable[str]] | None = None,
        teams: Mapping[str, str] | None = None,
        organisation: Organisation | None = None,
        app_url: str | None = None,
        ack_within: float = 3.0,
        trigger_clock: Clock | None = None,
        home_enabled: bool = True,
    ) -> None:
        if channels is None:
            channels = [Channel("C0ALERTS", "kf-alerts")]
        super().__init__(
            clock=clock,
            channels=channels,
            bot_token=bot_token,
            app_token=app_token,
            scopes=scopes,
            signing_secret=signing_secret,
            app_url=app_url,
            ack_within=ack_within,
        )
        self.trigger_clock = trigger_clock or clock
        self.home_enabled = home_enabled
        self.may_mention = may_mention
        for user, name in (people or {}).items():
            self.add_person(user, name)
        self.teams |= teams or {}
        self.organisation = organisation
        for group, members in (usergroups or {}).items():
            self.usergroups[group] = UserGroup(group, group.lower(), tuple(members))
        self.calls: list[ApiCall] = []
        self._watchers: defaultdict[tuple[str, Stage], list[Watcher]] = defaultdict(list)
        self._faults: defaultdict[str, deque[SlackFault]] = defaultdict(deque)
        self._allowed: Set[str] | None = None

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/api/"

    def messages(self, channel: str) -> list[Message]:
        """List what is in a channel, roots and replies, in order of arrival, as it is now."""
        return list(self.channels[channel].messages.values())

    def expect_only(self, *methods: str) -> None:
        """Note any call of another method as unexpected; `RESPONSE_URL` is one of the names."""
        self._allowed = frozenset(methods)

    def take_unexpected(self) -> list[str]:
        """Return what was unexpected so far, and forget it: the test meant it."""
        taken, self.unexpected[:] = [*self.unexpected], []
        return taken

    def arm(self, method: str, *faults: SlackFault) -> None:
        """Let the next calls of a method go wrong, one after the other; `RESPONSE_URL` is one."""
        self._faults[method].extend(faults)

    def disarm(self, method: str) -> None:
        """Forget the faults of a method that are still to come."""
        self._faults[method].clear()

    def take_fault(self, method: str) -> SlackFault | None:
        return self._faults[method].popleft() if self._faults[method] else None

    def watch(self, method: str, stage: Stage, callback: Watcher) -> None:
        """Call `callback(arguments)` at a stage of every request of the method; `RESPONSE_URL` counts as one.

        "arrived": it is read and nothing is done yet; a fault that is armed now applies to it, if none is pending.
        "acted": Slack did what it asks, or refused it, and has not answered. "answered": the answer has left.
        A stage that a fault prevents is not reported; an unreadable request reports its answer only. All
        requests wait for the callback.
        """
        self._watchers[method, stage].append(callback)

    def watches(self, method: str, stage: Stage) -> bool:
        return bool(self._watchers[method, stage])

    def notify(self, method: str, stage: Stage, arguments: Mapping[str, Any]) -> None:
        for callback in self._watchers[method, stage]:
            callback(arguments)

    def note(self, call: ApiCall) -> None:
        """Write down a call, and whether it was to be expected at all."""
        self.calls.append(call)
        if self._allowed is not None and call.method not in self._allowed:
            self.unexpected.append(f"{call.method}: is not expected here")

    @property
    def view_calls(self) -> Counter[str]:
        """Count the calls of `views.*` so far, by method."""
        return Counter(call.method for call in self.calls if call.method.startswith("views."))

    def call(self, method: str, arguments: Mapping[str, Any], *, token: str | None = None) -> dict[str, Any]:
        """Call the Web API as the app would, without network, faults and log."""
        try:
            return web_api_methods.call(self, method, self.bot_token if token is None else token, arguments)
        except Refusal as refusal:
            return web_api_methods.answered(self, method, refusal)

    def say(self, channel: str, text: str, *, user: str = "U0MEI", thread_ts: str | None = None) -> Message:
        """Let a person write something."""
        return self.add(Message(channel=channel, ts=self.next_ts(), user=user, text=text, thread_ts=thread_ts))

    async def command(
        self,
        text: str = "",
        *,
        user: str = "U0MEI",
        channel: str = "C0ALERTS",
        command: str = "/kf",
        timestamp: int | str | None = None,
        signature: str | None = None,
    ) -> sent_messages.Invocation:
        """Let a person type a command, and return once it is acknowledged, or Slack gave up on it.

        Raises:
            LookupError: the person is of another company, where the app's commands do not exist.
        """
        if self.is_external(user):
            raise LookupError(f"{command} is not a valid command in the workspace of {user}")
        url = self._response_url(user, channel)
        payload = users.command(
            command,
            text,
            user=user,
            user_name=self.name_of(user),
            channel=self.channels[channel],
            response_url=f"{self.base_url}/commands/{wire.TEAM['id']}/{url.key}",
            trigger_id=self.new_trigger(user),
            organisation=self.organisation,
        )
        signed = sent_messages.Signature(self.signing_secret, timestamp, signature)
        ack = await self.deliver("slash_commands", payload, urlencode(payload), signed, answerable=True)
        if ack.status == 200 and ack.body.strip():
            try:
                hooks.answer_at_once(self, url, ack.body)
            except Refusal as refusal:
                web_api_methods.answered(self, "ack", refusal)
        return sent_messages.Invocation(payload, ack, url)

    async def click(
        self,
        message: Message,
        action_id: str,
        *,
        value: str | None = None,
        option: str | Mapping[str, Any] | None = None,
        block_id: str | None = None,
        user: str | None = None,
        timestamp: int | str | None = None,
        signature: str | None = None,
    ) -> sent_messages.Invocation:
        """Let a person press a button, or choose the option with that value; see `elements.action`.

        Raises:
            LookupError: the message shows nothing like it, or not to this person.
        """
        user = user or message.only_for or "U0MEI"
        if message.only_for not in (None, user) or (
            self.is_external(user) and not self.channels[message.channel].is_ext_shared
        ):
            raise LookupError(f"{user} does not see {message.text!r}")
        done = elements.action(
            message.blocks,
            action_id,
            shown=message.text,
            block_id=block_id,
            value=value,
            option=option,
            ts=self.next_ts(),
        )
        url = self._response_url(user, message.channel, message)
        payload = users.click(
            message,
            done,
            user=user,
            user_name=self.name_of(user),
            user_team=self.team_of(user),
            channel=self.channels[message.channel],
            response_url=f"{self.base_url}/actions/{wire.TEAM['id']}/{url.key}",
            trigger_id=self.new_trigger(user),
            organisation=self.organisation,
        )
        signed = sent_messages.Signature(self.signing_secret, timestamp, signature)
        return sent_messages.Invocation(payload, await self._interact(payload, signed), url)

    def _response_url(self, user: str, channel: str, source: Message | None = None) -> ResponseUrlState:
        url = ResponseUrlState(secrets.token_hex(12), user, channel, self.clock(), source)
        self.response_urls[url.key] = url
        return url
