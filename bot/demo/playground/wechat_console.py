"""What people do in the WeChat console and in the WeChat app, and what goes wrong there and at Slack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.demo.slack_simulator import (
    RESPONSE_URL,
    Ack,
    SlackFault,
    SlackSimulator,
    dropped,
    ratelimited,
    reply_lost,
)
from wechat_kf.simulator import Fault, FaultMode, Simulator, World, seat_writes
from wechat_kf.simulator.errcodes import ERRMSGS, ErrcodeRefusal
from wechat_kf.writes import DELETE, PATHS

LONGEST = timedelta(days=30)  # of an invitation
NONE = "none"
BUSY_SECONDS = 5

LAG = 8  # reads of the list: the bot reads it every second, and more often after a write

WECHAT_FAULTS: Mapping[str, tuple[Fault, ...]] = {
    NONE: (),
    "slow": (Fault(FaultMode.SLOW, times=None, seconds=3),),
    "down": (Fault(FaultMode.DOWN, times=None),),
    "40164": (Fault(FaultMode.ERRCODE, times=None, errcode=40164),),
    "45009": (Fault(FaultMode.ERRCODE, times=None, errcode=45009),),
    "answer lost": tuple(Fault(FaultMode.ANSWER_LOST, times=None, path=path) for path in PATHS),
    "list lags": tuple(Fault(FaultMode.LIST_LAG, times=None, path=path, reads=LAG) for path in PATHS),
    "not deleted": (Fault(FaultMode.NOT_DONE, times=None, path=DELETE),),
}
EXPIRED_TOKEN = "expired token"  # noqa: S105  what happens to it
SLACK_FAULTS: Mapping[str, Callable[[], SlackFault] | None] = {
    NONE: None,
    "429": lambda: ratelimited(BUSY_SECONDS),
    "reply lost": reply_lost,
    "down": dropped,
}
WRITING = ("chat.postMessage", "chat.update")


class CannotError(Exception):
    """It cannot be done; says why, in a sentence for people. The page translates the sentence, and fills it."""

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence.format(**values))
        self.sentence = sentence
        self.values = {name: str(value) for name, value in values.items()}


class FaultySlack(SlackSimulator):
    """A Slack simulator with a fault that lasts until it is switched off, which reports what it sends the bot."""

    trouble = NONE

    def __init__(self, *, on_delivery: Callable[[Mapping[str, Any], Ack], None], **workspace: Any) -> None:
        super().__init__(**workspace)
        self._on_delivery = on_delivery

    async def deliver(self, kind: str, payload: Mapping[str, Any], *sent: Any, **options: Any) -> Ack:
        ack = await super().deliver(kind, payload, *sent, **options)
        self._on_delivery(payload, ack)
        return ack

    def take_fault(self, method: str) -> SlackFault | None:
        if fault := super().take_fault(method):
            return fault
        make = SLACK_FAULTS[self.trouble]
        hit = method in WRITING or (self.trouble == "down") or (self.trouble == "429" and method == RESPONSE_URL)
        return make() if make and hit else None


class WeChatConsole:
    """What operators do in the consoles of their Official Accounts. A refused action raises CannotError."""

    def __init__(self, wechat: World, slack: FaultySlack) -> None:
        self._wechat = wechat
        self._slack = slack
        self.trouble = NONE

    def add(self, account: Simulator, name: str, nickname: str) -> None:
        kf_account = name if "@" in name else f"{name}@{account.suffix}"
        given = {"kf_account": kf_account, "nickname": nickname}
        self._documented(lambda: seat_writes.add(account, given, suffix=account.suffix))

    def invite(self, account: Simulator, key: str, invite_wx: str, left: timedelta, now: datetime) -> None:
        """Invite a user to an account; the invitation expires after `left`."""
        if not timedelta(0) < left <= LONGEST:
            raise CannotError("An invitation lasts from a second to 30 days.")
        self._documented(
            lambda: seat_writes.invite(
                account,
                {"kf_account": key, "invite_wx": invite_wx},
                now,
                expires_at=now + left,
                over_limit=(),
            )
        )

    def do(self, account: Simulator, action: str, key: str) -> None:
        """Perform one of: accept, reject, expire, withdraw, unbind, remove."""
        ways: Mapping[str, Callable[[str], None]] = {
            "accept": account.accept,
            "reject": account.reject,
            "expire": account.expire,
            "withdraw": account.withdraw,
            "unbind": account.unbind,
            "remove": account.remove,
        }
        try:
            ways[action](key)
        except KeyError:
            raise CannotError("There is no such account any more.") from None
        except ValueError:
            raise CannotError("Nobody is invited to this account.") from None

    def break_wechat(self, name: str) -> None:
        if name not in (*WECHAT_FAULTS, EXPIRED_TOKEN):
            raise CannotError("WeChat has no trouble called {name}.", name=repr(name))
        self._wechat.clear_faults()
        self.trouble = NONE
        if name == EXPIRED_TOKEN:
            for account in self._wechat.accounts.values():
                account.tokens.expire()  # an event, not a state: the next token is good
        else:
            self._wechat.inject(*WECHAT_FAULTS[name])
            self.trouble = name

    def break_slack(self, name: str) -> None:
        if name not in SLACK_FAULTS:
            raise CannotError("Slack has no trouble called {name}.", name=repr(name))
        self._slack.trouble = name

    def _documented(self, change: Callable[[], None]) -> None:
        """Do it as the API does, with its refusals."""
        try:
            change()
        except ErrcodeRefusal as refused:
            why = ERRMSGS.get(refused.errcode, "api error")
            raise CannotError("WeChat refuses: {why} ({errcode}).", why=why, errcode=refused.errcode) from None
