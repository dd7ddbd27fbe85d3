"""Explanations of failed reads of WeChat and of a wrong clock, and the answer to a command when a read failed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot import actions
from bot.accounts import Snapshot
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.times import date, tokens_for
from bot.hosting import FIXED_ADDRESS
from bot.ports import Message
from bot.text import ACCOUNT, ERRMSG, clean, many, mrkdwn
from wechat_kf import APIError, KfError, TransportError
from wechat_kf.advice import ADVICE, Next, advice


@dataclass(frozen=True, slots=True)
class Explanation:
    """One problem with its reason and the next step, as mrkdwn."""

    title: str  # without a full stop
    why: str
    next: str  # follows "*Next:*"
    console: bool = False  # the next step is in the WeChat console
    next_in_text: str = ""  # the next step in the fallback text, if it differs
    copy: str = ""  # text that the next step needs copied
    past: str = ""  # the title when it is over, if `title` is in the present tense
    facts: tuple[str, ...] = ("no errcode",)

    @property
    def past_title(self) -> str:
        """Return the title when it is over."""
        return self.past or self.title

    @property
    def plain_text(self) -> str:
        """Return the fallback text: title, next step and facts, without markup."""
        about = f", {self.copy}" if self.copy else ""
        step = self.next_in_text or self.next[0].upper() + self.next[1:]
        plain = f"{self.title}{about}. {step}" + (f" {', '.join(self.facts)}." if self.facts else "")
        return plain.replace("’", "'").replace("`", "").replace("*", "")


_ADDRESS = Explanation(
    "WeChat refused this server’s address",
    "It answers only addresses on the account’s IP allow-list, and this one is missing.",
    "add the address below in the WeChat console (development settings, IP allow-list) of *this* account. "
    "It takes some minutes to work.",
    console=True,
    next_in_text="Add it to the IP allow-list of this account in the WeChat console; it takes some minutes.",
)
_TOKEN = Explanation(
    "WeChat refuses its own token",
    "A new token was refused as well.",
    "wait ten minutes; if it stays, check whether another system renews this token, then the AppSecret.",
    console=True,
    past="WeChat refused its own token",
)
_SECRET = Explanation(
    "WeChat refused the AppSecret",
    "It was reset, or belongs to another account.",
    "put the present AppSecret into WECHAT_SECRET and restart.",
    console=True,
)
# The most frequent codes are explained here, all others by the client's advice.
_REFUSALS = {
    -1: Explanation(
        "WeChat is busy",
        "It says so itself; your accounts are not affected.",
        "try again in a minute.",
        past="WeChat was busy",
    ),
    **dict.fromkeys((40001, 40014, 42001), _TOKEN),  # a read raises it only if a new token was refused as well
    40125: _SECRET,
    40164: _ADDRESS,
    45009: Explanation(
        "Today’s WeChat quota is spent",
        "Every system that uses this account shares a fixed number of calls a day.",
        "wait until tomorrow. If it returns, raise POLL_SECONDS or find the other system that calls WeChat.",
        past="The WeChat quota was spent",
    ),
    48001: Explanation(
        "This account may not use customer service",
        "WeChat has not granted the interface: the account is not verified, or the permission is off.",
        "check verification and permissions in the WeChat console.",
        console=True,
        past="This account was not allowed to use customer service",
    ),
    65400: Explanation(
        "Customer service is not switched on",
        "WeChat reports the feature off, or switched on minutes ago.",
        "enable customer service in the WeChat console, wait some minutes, try again.",
        console=True,
        past="Customer service was not switched on",
    ),
}
_FAMILIES = {Next.WAIT: ("WeChat asks to wait", "WeChat asked to wait")}
_SILENT = Explanation(
    "WeChat did not answer within 10 s",
    "Its servers or the way there are slow; your accounts are not affected.",
    "try again in a minute.",
)
_PROXY = Explanation(
    "The proxy on the way to WeChat failed",
    "WeChat itself was not reached; your accounts are not affected.",
    "try again; if it stays, check WECHAT_PROXY_URL and the proxy’s own page.",
)
_UNREADABLE = Explanation(
    "WeChat’s answer could not be read",
    "It came without the account list (`kf_list`).",
    "try again; if it stays, check WECHAT_API_URL and the proxy.",
)


def explain_error(error: KfError, platform: str = "") -> Explanation:
    """Explain a failed read. `platform` is a host whose processes have no fixed address."""
    if isinstance(error, APIError):
        rid, address = error.rid or "", error.address or ""
        return explain_refusal(error.errcode, error.errmsg, rid=rid, address=address, platform=platform)
    return _explain_silence(error) if isinstance(error, TransportError) else _UNREADABLE


def explain_refusal(
    errcode: int, errmsg: str, *, rid: str = "", address: str = "", platform: str = ""
) -> Explanation:
    """Explain an `errcode`, with the facts that WeChat's support asks for."""
    case = _REFUSALS.get(errcode) or _explain_other(errcode, errmsg)
    if case is _ADDRESS and platform:
        case = _temporary_address(platform)
    elif case is _ADDRESS and not address:
        case = replace(case, next=case.next.replace("the address below", "this server’s address"))
    facts = (f"errcode {errcode}", *([f"rid {mrkdwn(rid, ACCOUNT)}"] if rid else []))
    return replace(case, copy=mrkdwn(address, ACCOUNT), facts=facts)


def _temporary_address(platform: str) -> Explanation:
    """Explain a refused address that the next process may not have."""
    fixed = f"on {platform} {FIXED_ADDRESS[platform]}"
    return replace(
        _ADDRESS,
        next=f"first give this server a fixed outgoing address: {fixed}. Then add that one in the WeChat console "
        "(development settings, IP allow-list) of *this* account. The present address is temporary, unless it is "
        "fixed already.",
        next_in_text=f"It is temporary, unless it is fixed already: first get a fixed outgoing address, {fixed}; "
        "then add that one to the IP allow-list of this account in the WeChat console.",
    )


def _explain_silence(error: TransportError) -> Explanation:
    """Explain a missing response, or one that did not come from the API."""
    tries = f"after {many(error.attempts, 'attempt')}"
    if error.status:
        fact = f"HTTP {error.status}"
    else:
        fact = f"{'time-out' if error.timed_out else 'no connection'} {tries}"
    if error.proxy:
        return replace(_PROXY, facts=("no errcode", f"{fact}, proxy"))
    return replace(_UNREADABLE if error.status else _SILENT, facts=("no errcode", fact))


def explain_clock_skew(skew: str) -> Explanation:
    """Explain a clock that differs from WeChat's by `skew`, a span in words; "" when it is not known."""
    by = f" by {skew}" if skew else ""
    return Explanation(
        "This server’s clock is wrong",
        f"It differs from WeChat’s{by}, so reminders come too early or too late.",
        "set the clock (NTP).",
        past="The clock was wrong",
        facts=(f"off{by}",) if skew else (),
    )


def _explain_other(errcode: int, errmsg: str) -> Explanation:
    why = f"WeChat says: “{mrkdwn(errmsg, ERRMSG)}”." if clean(errmsg, ERRMSG) else "WeChat does not say more."
    if errcode not in ADVICE:
        step = "try again; if it stays, give errcode and rid to WeChat's support."
        return Explanation("WeChat answered with an unknown error", why, step)
    known = advice(errcode)
    title, past = _FAMILIES.get(known.next, ("WeChat refused the request", ""))
    is_name = known.text.startswith(("WeChat", "AppID"))  # which keeps its capital after "Next: "
    step = known.text if is_name else known.text[0].lower() + known.text[1:]
    return Explanation(title, why, step, console=known.next is Next.SETUP, past=past)


def read_failure(
    explanation: Explanation, now: datetime, context: RenderContext, *, retry: str, last_good: Snapshot | None
) -> Message:
    """Render the answer to a command whose read failed; it never says that there are no accounts.

    It has no header, which is for alarms. `retry` is the button value of the request.
    """
    copy = f"\n```{explanation.copy}```" if explanation.copy else ""
    again = builders.button("Try again", actions.RETRY, retry)
    last_read = []
    if last_good:
        due, total = len(last_good.due), many(len(last_good.rows), "account")
        read = date(last_good.at, context, tokens_for(last_good.at, now), "Last good read ")
        last_read = [builders.context(f"{read}: {f'{due} of {total}' if due else 'nothing'} needed attention.")]
    blocks = [
        builders.section(f"{builders.TROUBLE} *{explanation.title}*\n{explanation.why}"),
        builders.section(f"*Next:* {explanation.next}{copy}"),
        *last_read,
        builders.actions(again, *([builders.console()] if explanation.console else [])),
        builders.context(" · ".join(explanation.facts)),
    ]
    return Message(explanation.plain_text, blocks)
