"""What to say when WeChat refuses, stays silent or is not understood, or the clock is off: what, why, what next.

Answers and alerts share the words of a `Trouble`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.hosting import FIXED_ADDRESS
from bot.text import ACCOUNT, ERRMSG, clean, many, mrkdwn
from wechat_kf import APIError, KfError, TransportError
from wechat_kf.advice import ADVICE, Next, advice


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong. All of it is mrkdwn."""

    title: str  # without a full stop
    why: str
    next: str  # follows "*Next:*"
    console: bool = False  # whether the WeChat console is the place to mend it
    said: str = ""  # the next step where it stands alone, if `next` will not do
    copy: str = ""  # what the next step needs copied
    was: str = ""  # the title when it is over, where it tells of the present
    facts: tuple[str, ...] = ("no errcode",)

    @property
    def past(self) -> str:
        """The title when it is over."""
        return self.was or self.title

    @property
    def spoken(self) -> str:
        """For `text`: title, next step and facts, without markup."""
        about = f", {self.copy}" if self.copy else ""
        step = self.said or self.next[0].upper() + self.next[1:]
        plain = f"{self.title}{about}. {step}" + (f" {', '.join(self.facts)}." if self.facts else "")
        return plain.replace("’", "'").replace("`", "").replace("*", "")


_ADDRESS = Trouble(
    "WeChat refused this server’s address",
    "It answers only addresses on the account’s IP allow-list, and this one is missing.",
    "add the address below in the WeChat console (development settings, IP allow-list) of *this* account. "
    "It takes some minutes to work.",
    console=True,
    said="Add it to the IP allow-list of this account in the WeChat console; it takes some minutes.",
)
_TOKEN = Trouble(
    "WeChat refuses its own token",
    "A new token was refused as well.",
    "wait ten minutes; if it stays, check whether another system renews this token, then the AppSecret.",
    console=True,
    was="WeChat refused its own token",
)
_SECRET = Trouble(
    "WeChat refused the AppSecret",
    "It was reset, or belongs to another account.",
    "put the present AppSecret into WECHAT_SECRET and restart.",
    console=True,
)
# The codes people meet most have words of their own here; for all others the client's advice speaks.
_REFUSALS = {
    -1: Trouble(
        "WeChat is busy",
        "It says so itself; your accounts are not affected.",
        "try again in a minute.",
        was="WeChat was busy",
    ),
    **dict.fromkeys((40001, 40014, 42001), _TOKEN),  # out of a read it means that a new token was refused as well
    40125: _SECRET,
    40164: _ADDRESS,
    45009: Trouble(
        "Today’s WeChat quota is spent",
        "Every system that uses this account shares a fixed number of calls a day.",
        "wait until tomorrow. If it returns, raise POLL_SECONDS or find the other system that calls WeChat.",
        was="The WeChat quota was spent",
    ),
    48001: Trouble(
        "This account may not use customer service",
        "WeChat has not granted the interface: the account is not verified, or the permission is off.",
        "check verification and permissions in the WeChat console.",
        console=True,
        was="This account was not allowed to use customer service",
    ),
    65400: Trouble(
        "Customer service is not switched on",
        "WeChat reports the feature off, or switched on minutes ago.",
        "enable customer service in the WeChat console, wait some minutes, try again.",
        console=True,
        was="Customer service was not switched on",
    ),
}
_FAMILIES = {Next.WAIT: ("WeChat asks to wait", "WeChat asked to wait")}
_SILENT = Trouble(
    "WeChat did not answer within 10 s",
    "Its servers or the way there are slow; your accounts are not affected.",
    "try again in a minute.",
)
_PROXY = Trouble(
    "The proxy on the way to WeChat failed",
    "WeChat itself was not reached; your accounts are not affected.",
    "try again; if it stays, check WECHAT_PROXY_URL and the proxy’s own page.",
)
_UNREADABLE = Trouble(
    "WeChat’s answer could not be read",
    "It came without the account list (`kf_list`).",
    "try again; if it stays, check WECHAT_API_URL and the proxy.",
)


def trouble(error: KfError, platform: str = "") -> Trouble:
    """Return the words for a failed read. `platform` is a host whose processes have no fixed address."""
    if isinstance(error, APIError):
        rid, address = error.rid or "", error.address or ""
        return refused(error.errcode, error.errmsg, rid=rid, address=address, platform=platform)
    return silent(error) if isinstance(error, TransportError) else _UNREADABLE


def refused(errcode: int, errmsg: str, *, rid: str = "", address: str = "", platform: str = "") -> Trouble:
    """Return the words for an `errcode`, and the facts that WeChat's support asks for."""
    case = _REFUSALS.get(errcode) or _other(errcode, errmsg)
    if case is _ADDRESS and platform:
        case = _temporary(platform)
    elif case is _ADDRESS and not address:
        case = replace(case, next=case.next.replace("the address below", "this server’s address"))
    facts = (f"errcode {errcode}", *([f"rid {mrkdwn(rid, ACCOUNT)}"] if rid else []))
    return replace(case, copy=mrkdwn(address, ACCOUNT), facts=facts)


def _temporary(platform: str) -> Trouble:
    """Return the words for a refused address that the next process may not have."""
    fixed = f"on {platform} {FIXED_ADDRESS[platform]}"
    return replace(
        _ADDRESS,
        next=f"first give this server a fixed outgoing address: {fixed}. Then add that one in the WeChat console "
        "(development settings, IP allow-list) of *this* account. The present address is temporary, unless it is "
        "fixed already.",
        said=f"It is temporary, unless it is fixed already: first get a fixed outgoing address, {fixed}; then add "
        "that one to the IP allow-list of this account in the WeChat console.",
    )


def silent(error: TransportError) -> Trouble:
    """The words for no answer, or for one that did not come from the API."""
    tries = f"after {many(error.attempts, 'attempt')}"
    if error.status:
        fact = f"HTTP {error.status}"
    else:
        fact = f"{'time-out' if error.timed_out else 'no connection'} {tries}"
    if error.proxy:
        return replace(_PROXY, facts=("no errcode", f"{fact}, proxy"))
    return replace(_UNREADABLE if error.status else _SILENT, facts=("no errcode", fact))


def clock(skew: str) -> Trouble:
    """The words for a server whose clock is not WeChat's. `skew` is a span in words; "" when it is not known."""
    by = f" by {skew}" if skew else ""
    return Trouble(
        "This server’s clock is wrong",
        f"It differs from WeChat’s{by}, so reminders come too early or too late.",
        "set the clock (NTP).",
        was="The clock was wrong",
        facts=(f"off{by}",) if skew else (),
    )


def _other(errcode: int, errmsg: str) -> Trouble:
    said = clean(errmsg, ERRMSG)
    why = f"WeChat says: “{mrkdwn(errmsg, ERRMSG)}”." if said else "WeChat does not say more."
    if errcode not in ADVICE:
        step = "try again; if it stays, give errcode and rid to WeChat's support."
        return Trouble("WeChat answered with an unknown error", why, step)
    known = advice(errcode)
    title, was = _FAMILIES.get(known.next, ("WeChat refused the request", ""))
    return Trouble(title, why, _after_next(known.text), console=known.next is Next.TELL, was=was)


def _after_next(sentence: str) -> str:
    proper = sentence.startswith(("WeChat", "AppID"))
    return sentence if proper else sentence[0].lower() + sentence[1:]
