"""Every documented errcode, with the next step. Data only: the classes are in `errors`."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Next(Enum):
    """The caller's next step after a refusal."""

    GIVE_UP = "the same call fails again"
    RENEW = "ask again, once, with another token"
    WAIT = "ask again later"
    TOMORROW = "stop until the quota is renewed"
    SETUP = "a person must act first"


class Place(Enum):
    """A page of WeChat on which an operator acts; the value is its address."""

    CONSOLE = "https://mp.weixin.qq.com"
    DEVELOPER_PLATFORM = "https://developers.weixin.qq.com/platform/"


class Advice(NamedTuple):
    """The caller's next step, and in `text` the operator's, which may need a page of WeChat."""

    next: Next
    text: str
    place: Place | None = None


_ADVICE: dict[Next, dict[tuple[int, ...], str]] = {
    Next.RENEW: {
        (40001, 40014, 42001): "WeChat refused the access token and the one after it. Wait ten minutes. If it "
        "stays, check whether another system renews this account's token (let it use stable_token as well), "
        "then whether AppID and AppSecret belong together. Both are on WeChat's developer platform (the account, "
        "basic information, development keys).",
    },
    Next.WAIT: {
        (-1,): "WeChat is busy. Wait some seconds and try again, a few times at most.",
        (45011,): "Too many calls in a minute. Wait a minute.",
        (45047,): "Too many messages to one customer. Wait until they answer.",
        (61005, 61006): "The platform's ticket is out of date. A new one comes every 10 minutes, if the event "
        "URL answers `success` within 5 seconds: check that it does.",
        (61450,): "WeChat reports a system error. Wait some seconds and try again. A test account always "
        "answers so: it has no customer service.",
        (65408,): "This person is invited already. Wait for the answer or the deadline.",
        (65411,): "The seat has an open invitation. Wait for the answer or the deadline.",
    },
    Next.TOMORROW: {
        (45009,): "The daily quota is spent; every system of this account shares it. Wait until tomorrow. If "
        "it returns, ask less often, find the other caller (quota/get), or have a person reset the quota: "
        "10 times a month at most.",
    },
    Next.SETUP: {
        (40013,): "Check the AppID: stray spaces, upper and lower case, another account's.",
        (40125,): "Enter the AppSecret anew. It was reset, or belongs to another account. It is on WeChat's "
        "developer platform (the account, basic information, development keys).",
        (40164,): "Add the refused address to the API IP allow-list of this very account on WeChat's developer "
        "platform (the account, basic information, development information). It takes some minutes to work.",
        (40243,): "The AppSecret is frozen. Thaw it on WeChat's developer platform and wait 10 minutes.",
        (48001,): "This account may not use the interface. Check in the WeChat console that the account has "
        "passed verification and that customer service is on. With the token of a third-party platform, the "
        "owner must have granted one of the permission sets 1, 6, 19 or 100-101.",
        (48004,): "The interface is banned for this account. Read the notice in the WeChat console.",
        (50002,): "The account is restricted, blocked or closed. See the WeChat console.",
        (50004,): "The account may not obtain tokens. See the notice in the WeChat console.",
        (50007,): "The account is frozen. See the notice in the WeChat console.",
        (61000, 61001, 61011): "This AppID is not that of a third-party platform, or does not belong to the token. "
        "Check the platform's AppID and AppSecret.",
        (61003,): "The owner has not authorised this third-party platform. Have them authorise it again.",
        (61004,): "Add the refused address to the IP list of the third-party platform, and publish that.",
        (61002, 61007, 61016, 61017): "The owner has not granted the interface to the third-party platform. Have "
        "them authorise it again with one of the permission sets 1, 6, 19 or 100-101; an Official Account must "
        "also have passed verification.",
        (61009, 61010): "The authorisation code has been used or has expired. Have the owner authorise the "
        "third-party platform again, by a new link.",
        (61023,): "The refresh token is invalid: the owner has withdrawn the authorisation, or authorised again. "
        "If the list of accounts has no newer token, have the owner authorise the third-party platform again.",
        (61024,): "This is the AppID of a third-party platform, which gets its tokens in another way. Set it as "
        "the platform's AppID, not as an account's.",
        (61028,): "The third-party platform is not published, so only accounts on its test list can authorise it. "
        "Add the account to this list, or publish the platform.",
        (65400,): "Customer service is off, or was switched on minutes ago. Switch it on in the WeChat "
        "console, wait some minutes, try again.",
        (65402,): "Nobody is bound to this seat. Invite someone.",
        (65410,): "This person holds too many seats. They must leave one, or choose another person.",
        (65415,): "The seat is not online. The person must log in to the web client.",
        (89501, 89502, 89503, 89504, 89505): "WeChat has asked the account's administrator to consent to this "
        "server's address. Have them consent, or put the address on the API IP allow-list on WeChat's developer "
        "platform (the account, basic information, development information); then try again.",
        (89506,): "The administrator refused this server's address repeatedly: nothing helps for 24 hours, "
        "except to put the address on the API IP allow-list on WeChat's developer platform (the account, basic "
        "information, development information).",
        (89507,): "The administrator refused this server's address: nothing helps for an hour, except to put "
        "the address on the API IP allow-list on WeChat's developer platform (the account, basic information, "
        "development information).",
    },
    Next.GIVE_UP: {
        (40002,): "The grant_type is wrong. Report it as a bug.",
        (40003,): "The OpenID belongs to nobody who follows this account.",
        (40005, 40009, 61457): "Use a smaller picture, as JPG.",
        (40033,): "The body held \\u escapes where WeChat wants UTF-8. Report it as a bug.",
        (40097, 61451): "The call has wrong parameters, or is not for this kind of account. Report it as a bug.",
        (40132, 65409): "Check the spelling of the WeChat ID: the person's own, no phone number, no nickname.",
        (41001,): "The access token was missing from the call. Report it as a bug.",
        (41002,): "The AppID was missing from the call. Check the settings.",
        (41004,): "The AppSecret was missing from the call. Check the settings.",
        (41005,): "The upload held no file in the field `media`. Report it as a bug.",
        (43001, 43002, 43003): "The call used the wrong HTTP method or no HTTPS. Report it as a bug.",
        (43004,): "The receiver does not follow this account.",
        (44002, 47001): "The body of the call was empty or no JSON. Report it as a bug.",
        (48006,): "The quota resets of this month are used up. Wait for the next month.",
        (61014, 61015): "The call had the platform's token instead of the account's, or the other way round. "
        "Report it as a bug.",
        (61452, 65401): "There is no such account. Check the part after the @; a seat that was added by WeChat "
        "ID may have no kf_account.",
        (61453, 65406): "This kf_account exists already. Choose other characters before the @.",
        (61454, 61455, 65404): "Choose up to 10 letters, digits or underscores before the @, and put the "
        "Official Account's WeChat ID after it.",
        (61456, 65405): "The account has as many seats as it may. Delete those that nobody uses.",
        (65403,): "Choose a nickname of up to 16 characters.",
        (65407,): "This person has a seat of this account already. Nothing to do, or choose another person.",
        (65412,): "The seat is bound. To give it to someone else, delete it and add it again.",
        (65413,): "The customer has no open conversation.",
        (65414,): "Another seat serves this customer.",
        (65416,): "The query for records is invalid. Report it as a bug.",
        (65417,): "The query for records spans more than 24 hours. Ask for less.",
        (76001,): "WeChat does not know this rid: it keeps them for 7 days.",
        (76002,): "This is not a rid. Copy it again from the error.",
        (76003,): "The rid or the path belongs to another account, or the path is malformed.",
        (76021,): "WeChat does not know this path. It begins with / and names no host.",
        (76022,): "This kind of token does not own the interface.",
    },
}

# The AppSecret and the API IP allow-list of 公众号 and 服务号 have left the console for the developer platform.
_ON_DEVELOPER_PLATFORM = {40001, 40014, 42001, 40125, 40164, 40243, *range(89501, 89508)}
# The console of an account has nothing of a third-party platform.
_OF_PLATFORM = range(61000, 61029)


def _place(errcode: int, next_: Next) -> Place | None:
    if errcode in _ON_DEVELOPER_PLATFORM:
        return Place.DEVELOPER_PLATFORM
    return Place.CONSOLE if next_ is Next.SETUP and errcode not in _OF_PLATFORM else None


ADVICE: dict[int, Advice] = {
    errcode: Advice(next_, text, _place(errcode, next_))
    for next_, texts in _ADVICE.items()
    for errcodes, text in texts.items()
    for errcode in errcodes
}
UNKNOWN = Advice(Next.GIVE_UP, "Try again. If it stays, give errcode and rid to WeChat's support.")


def advice(errcode: int) -> Advice:
    """Return the advice for `errcode`, or general advice for an undocumented code."""
    return ADVICE.get(errcode, UNKNOWN)
