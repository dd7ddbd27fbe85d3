"""Explanations of the trouble of a third-party platform, which all its accounts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.alerting.incidents import ErrorDetails
from bot.alerting.platform_faults import NO_TICKET, RIVAL
from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation
from bot.hosting import FIXED_ADDRESS
from bot.text import ACCOUNT, ERRMSG, clean, mrkdwn

DOCTOR = "`python -m bot doctor`"


def explain_platform(fault: ErrorDetails, context: RenderContext) -> Explanation:
    """Explain a fault of the platform, with what it means for its accounts."""
    if fault.kind in (NO_TICKET, RIVAL):
        return (_no_ticket if fault.kind == NO_TICKET else _rival)(context)
    if fault.errcode == 61004:
        case = _address(fault.address, context)
    else:
        case = _BY_CODE.get(fault.errcode or 0, _other)(context)
    if case.why == "":
        case = replace(case, why=_words(fault, context))
    rid = [f"rid {mrkdwn(fault.rid, ACCOUNT)}"] if fault.rid else []
    facts = (f"errcode {fault.errcode}", *rid) if fault.errcode is not None else ()
    return replace(case, copy=mrkdwn(fault.address, ACCOUNT), facts=facts)


def _no_ticket(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat sends the platform no tickets"),
        context.say(
            "It pushes one every 10 minutes, and the last has not come for half an hour. A ticket works for 12 "
            "hours; after that, no account of the platform can be read."
        ),
        context.say(
            "see that WeChat reaches PLATFORM_URL: {command} checks it. The bot asks WeChat once an hour to push "
            "again.",
            command=DOCTOR,
        ),
        past=context.say("WeChat sent the platform no tickets"),
    )


def _refused_ticket(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat refuses the platform’s ticket"),
        context.say("Accounts are read with the tokens that they have, for two hours at most."),
        context.say(
            "nothing yet: the next ticket comes within 10 minutes. If none comes, {command} shows why.",
            command=DOCTOR,
        ),
        past=context.say("WeChat refused the platform’s ticket"),
    )


def _rival(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("Another system renews the platform’s token"),
        context.say(
            "WeChat has refused it twice within an hour before its end. Each new token ends the one before, so "
            "both systems fail from time to time; the bot renews it every 6 minutes at most."
        ),
        context.say(
            "let only one system renew it: stop the other one, or let the bot take its tokens from that system "
            "(TOKEN_SERVICE_URL)."
        ),
        past=context.say("Another system renewed the platform’s token"),
    )


def _address(address: str, context: RenderContext) -> Explanation:
    host = context.hosted_by
    first = ""
    if host:  # the next process may not have this address
        first = context.say(
            "first give this server a fixed outgoing address: on {platform} {how}.",
            platform=host,
            how=context.say(FIXED_ADDRESS[host]),
        )
    add = (
        context.say(
            "add the address below to the IP list of the platform on WeChat’s Open Platform, and publish it."
        )
        if address
        else context.say(
            "add this server’s address to the IP list of the platform on WeChat’s Open Platform, and publish it."
        )
    )
    return Explanation(
        context.say("WeChat refused this server’s address for the platform"),
        context.say("Until it is on the platform’s IP list, no account of the platform can be read."),
        context.paragraph(first, context.capitalized(add) if first else add),
    )


def _unknown_platform(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat does not know the platform"),
        context.say("No account of the platform can be read."),
        context.say("put the AppID of the third-party platform into PLATFORM_APPID, and restart."),
        past=context.say("WeChat did not know the platform"),
    )


def _secret(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat refused the AppSecret of the platform"),
        context.say("Accounts are read with the tokens that they have, for two hours at most."),
        context.say(
            "put the AppSecret of the platform on WeChat’s Open Platform into PLATFORM_SECRET, and restart."
        ),
    )


def _quota(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("Today’s renewals of the platform’s tokens are used up"),
        context.say("Accounts are read with the tokens that they have, for two hours at most."),
        context.say(
            "nothing yet: renewals go on after midnight in Shanghai. If it returns, raise POLL_IDLE_SECONDS above "
            "two hours, or find the other system that renews them."
        ),
        past=context.say("The renewals of the platform’s tokens were used up"),
    )


def _token(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat refuses the platform’s token"),
        context.say("A new token was refused as well."),
        context.say("nothing yet. If it lasts for an hour, check whether another system renews this token."),
        past=context.say("WeChat refused the platform’s token"),
    )


def _bug(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("The bot made a call with the wrong token"),
        "",
        context.say("report this as a bug, with errcode and rid."),
    )


def _unpublished(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("The platform is not published"),
        context.say("Only accounts on its test list can authorise it."),
        context.say("publish it on WeChat’s Open Platform, or add the account to the test list."),
        past=context.say("The platform was not published"),
    )


def _other(context: RenderContext) -> Explanation:
    return Explanation(
        context.say("WeChat refused a call of the platform"),
        "",
        context.say("try again; if it stays, give errcode and rid to WeChat's support."),
    )


def _words(fault: ErrorDetails, context: RenderContext) -> str:
    if clean(fault.errmsg, ERRMSG):
        return context.say("WeChat says: “{words}”.", words=mrkdwn(fault.errmsg, ERRMSG))
    return context.say("WeChat does not say more.")


_BY_CODE: Mapping[int, Callable[[RenderContext], Explanation]] = {
    **dict.fromkeys((61005, 61006), _refused_ticket),
    **dict.fromkeys((61000, 61001, 61011, 40013), _unknown_platform),
    **dict.fromkeys((40125, 41004), _secret),
    **dict.fromkeys((40001, 40014, 42001), _token),
    **dict.fromkeys((61014, 61015), _bug),
    45009: _quota,
    61028: _unpublished,
}
