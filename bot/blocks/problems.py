"""Explanations of failed reads of WeChat and of a wrong clock, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bot.blocks.account_states import state_words
from bot.blocks.context import RenderContext
from bot.hosting import FIXED_ADDRESS
from bot.tenant_states import NotPolledError, TenantState
from bot.text import ACCOUNT, ERRMSG, clean, mrkdwn
from wechat_kf import APIError, KfError, TransportError
from wechat_kf.advice import ADVICE, Next, Place


@dataclass(frozen=True, slots=True)
class Explanation:
    """One problem with its reason and the next step, as mrkdwn in the reader's language."""

    title: str  # without a full stop
    why: str
    next: str  # follows "*Next:*"
    place: Place | None = None  # the page of WeChat where the next step is
    next_in_text: str = ""  # the next step in the fallback text, if it differs
    copy: str = ""  # text that the next step needs copied
    past: str = ""  # the title when it is over, if `title` is in the present tense
    facts: tuple[str, ...] = ()

    @property
    def past_title(self) -> str:
        """Return the title when it is over."""
        return self.past or self.title

    def shown(self, context: RenderContext) -> str:
        """Return `*Next:* …`, with the text to copy."""
        copy = f"\n```{self.copy}```" if self.copy else ""
        return f"*{context.say('Next:')}* {self.next}{copy}"

    def plain_text(self, context: RenderContext, first: str = "{what}.") -> str:
        """Return the fallback text: title, next step and facts, without markup.

        Args:
            first: the first sentence, which contains the title as `{what}`.
        """
        what = self.title
        if self.copy:
            what = context.say("{title}, {address}", title=self.title, address=self.copy)
        step = self.next_in_text or context.capitalized(self.next)
        facts = context.say("{what}.", what=context.clauses(self.facts)) if self.facts else ""
        plain = context.paragraph(context.say(first, what=what), step, facts)
        return context.plain(plain)


def _address(context: RenderContext, address: str) -> Explanation:
    say, host = context.say, context.hosted_by
    refused = Explanation(
        say("WeChat refused this server’s address"),
        say("It answers only addresses on the account’s API IP allow-list, and this one is missing."),
        say(
            "on WeChat’s developer platform (the account, basic information, development information) add the "
            "address below to the API IP allow-list of *this* account. It takes some minutes to work."
        ),
        place=Place.DEVELOPER_PLATFORM,
        next_in_text=say(
            "Add it to the API IP allow-list of this account on WeChat’s developer platform; it takes some minutes."
        ),
    )
    if host:  # the next process may not have this address
        how = say(FIXED_ADDRESS[host])
        return replace(
            refused,
            next=say(
                "first give this server a fixed outgoing address: on {platform} {how}. Then add that one on "
                "WeChat’s developer platform (the account, basic information, development information) to the API "
                "IP allow-list of *this* account. The present address is temporary, unless it is fixed already.",
                platform=host,
                how=how,
            ),
            next_in_text=say(
                "It is temporary, unless it is fixed already: first get a fixed outgoing address, on {platform} "
                "{how}; then add that one to the API IP allow-list of this account on WeChat’s developer platform.",
                platform=host,
                how=how,
            ),
        )
    if address:
        return refused
    return replace(
        refused,
        next=say(
            "on WeChat’s developer platform (the account, basic information, development information) add this "
            "server’s address to the API IP allow-list of *this* account. It takes some minutes to work."
        ),
    )


def _token(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat refuses its own token"),
        context.say("A new token was refused as well."),
        context.say(
            "wait ten minutes; if it stays, check whether another system renews this token, then the AppSecret."
        ),
        place=Place.DEVELOPER_PLATFORM,
        past=context.say("WeChat refused its own token"),
    )


def _secret(context: RenderContext) -> Explanation:
    if context.account_command:
        step = context.say(
            "enter the present AppSecret with {command}. It is on WeChat’s developer platform (the account, basic "
            "information, development keys).",
            command=f"`{context.account_command} --secret -`",
        )
    elif context.accounts_file:
        step = context.say(
            "put the present AppSecret where {file} refers to it, and restart. It is on WeChat’s developer "
            "platform (the account, basic information, development keys).",
            file=f"`{context.accounts_file}`",
        )
    else:
        step = context.say(
            "put the present AppSecret into WECHAT_SECRET and restart. It is on WeChat’s developer platform (the "
            "account, basic information, development keys)."
        )
    return Explanation(
        context.say("WeChat refused the AppSecret"),
        context.say("It was reset, or belongs to another account."),
        step,
        place=Place.DEVELOPER_PLATFORM,
    )


def _busy(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat is busy"),
        context.say("It says so itself; your accounts are not affected."),
        context.say("try again in a minute."),
        past=context.say("WeChat was busy"),
    )


def _quota(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("Today’s WeChat quota is spent"),
        context.say("Every system that uses this account shares a fixed number of calls a day."),
        context.say(
            "wait until tomorrow. If it returns, raise POLL_SECONDS or find the other system that calls WeChat."
        ),
        past=context.say("The WeChat quota was spent"),
    )


def _not_allowed(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("This account may not use customer service"),
        context.say("WeChat has not granted the interface: the account is not verified, or the permission is off."),
        context.say("check verification and permissions in the WeChat console."),
        place=Place.CONSOLE,
        past=context.say("This account was not allowed to use customer service"),
    )


def _not_enabled(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("Customer service is not switched on"),
        context.say("WeChat reports the feature off, or switched on minutes ago."),
        context.say("enable customer service in the WeChat console, wait some minutes, try again."),
        place=Place.CONSOLE,
        past=context.say("Customer service was not switched on"),
    )


def explain_state(state: TenantState, context: RenderContext) -> Explanation | None:
    """Explain the state of an account that authorises the platform; None for a state that needs no words."""
    words = state_words(state, context)
    return Explanation(words.title, words.why, words.next, past=words.past) if words else None


# By errcode, the state that an account gets by it.
_STATES: Mapping[int, TenantState] = {
    **dict.fromkeys((61003, 61023), TenantState.DOUBTFUL),  # the list may repair the second within a minute
    **dict.fromkeys((61002, 61007, 61016, 61017), TenantState.UNGRANTED),
}
# The most frequent codes are explained here, all others by the client's advice.
_REFUSALS: Mapping[int, Callable[[RenderContext], Explanation]] = {
    -1: _busy,
    **dict.fromkeys((40001, 40014, 42001), _token),  # a read raises it only if a new token was refused as well
    40125: _secret,
    45009: _quota,
    48001: _not_allowed,
    65400: _not_enabled,
}


def explain_error(error: KfError, context: RenderContext) -> Explanation:
    """Explain a failed read."""
    if isinstance(error, NotPolledError) and (explanation := explain_state(error.state, context)):
        return explanation
    if isinstance(error, APIError):
        rid, address = error.rid or "", error.address or ""
        return explain_refusal(error.errcode, error.errmsg, context, rid=rid, address=address)
    return _silence(error, context) if isinstance(error, TransportError) else unreadable_answer(context)


def explain_refusal(
    errcode: int, errmsg: str, context: RenderContext, *, rid: str = "", address: str = ""
) -> Explanation:
    """Explain an `errcode`, with the facts that WeChat's support asks for."""
    if errcode == 40164:
        case = _address(context, address)
    elif explain := _REFUSALS.get(errcode):
        case = explain(context)
    else:
        state = explain_state(_STATES.get(errcode, TenantState.ACTIVE), context)
        case = state or _explain_other(errcode, errmsg, context)
    facts = (f"errcode {errcode}", *([f"rid {mrkdwn(rid, ACCOUNT)}"] if rid else []))
    return replace(case, copy=mrkdwn(address, ACCOUNT), facts=facts)


def unreadable_answer(context: RenderContext) -> Explanation:
    """Explain an answer that is not WeChat's, or has another form than documented."""
    return Explanation(
        context.say("WeChat’s answer could not be read"),
        context.say("It came without the account list (`kf_list`)."),
        context.say("try again; if it stays, check WECHAT_API_URL and the proxy."),
        facts=(context.say("no errcode"),),
    )


def _silence(error: TransportError, context: RenderContext) -> Explanation:
    """Explain a missing response, or one that did not come from the API."""
    if error.status:
        fact = f"HTTP {error.status}"
    else:
        fact = explain_attempts("time-out" if error.timed_out else "no connection", error.attempts, context)
    if error.proxy:
        return Explanation(
            context.say("The proxy on the way to WeChat failed"),
            context.say("WeChat itself was not reached; your accounts are not affected."),
            context.say("try again; if it stays, check WECHAT_PROXY_URL and the proxy’s own page."),
            facts=(context.say("no errcode"), context.say("{fact}, proxy", fact=fact)),
        )
    if error.status:
        case = unreadable_answer(context)
    else:
        case = Explanation(
            context.say("WeChat did not answer within 10 s"),
            context.say("Its servers or the way there are slow; your accounts are not affected."),
            context.say("try again in a minute."),
        )
    return replace(case, facts=(context.say("no errcode"), fact))


def explain_attempts(cause: str, number: int, context: RenderContext) -> str:
    """Write `time-out after 3 attempts`; `cause` may also be "no connection" or "proxy"."""
    match cause:
        case "time-out":
            return context.count("time-out after {number} attempt", "time-out after {number} attempts", number)
        case "proxy":
            return context.count("proxy after {number} attempt", "proxy after {number} attempts", number)
    return context.count("no connection after {number} attempt", "no connection after {number} attempts", number)


def explain_clock_skew(skew: str, context: RenderContext) -> Explanation:
    """Explain a clock that differs from WeChat's by `skew`, a span in words; "" when it is not known."""
    if skew:
        why = context.say("It differs from WeChat’s by {span}, so reminders come too early or too late.", span=skew)
    else:
        why = context.say("It differs from WeChat’s, so reminders come too early or too late.")
    return Explanation(
        context.say("This server’s clock is wrong"),
        why,
        context.say("set the clock (NTP)."),
        past=context.say("The clock was wrong"),
        facts=(context.say("off by {span}", span=skew),) if skew else (),
    )


def _explain_other(errcode: int, errmsg: str, context: RenderContext) -> Explanation:
    if clean(errmsg, ERRMSG):
        why = context.say("WeChat says: “{words}”.", words=mrkdwn(errmsg, ERRMSG))
    else:
        why = context.say("WeChat does not say more.")
    if errcode not in ADVICE:
        return Explanation(
            context.say("WeChat answered with an unknown error"),
            why,
            context.say("try again; if it stays, give errcode and rid to WeChat's support."),
        )
    known = ADVICE[errcode]
    is_name = known.text.startswith(("WeChat", "AppID"))  # which keeps its capital after "Next: "
    step = context.say(known.text)
    step = step if is_name else context.uncapitalized(step)
    title, past = context.say("WeChat refused the request"), ""
    if known.next is Next.WAIT:
        title, past = context.say("WeChat asks to wait"), context.say("WeChat asked to wait")
    return Explanation(title, why, step, place=known.place, past=past)
