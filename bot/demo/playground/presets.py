"""Whole Official Accounts to start from, one or several. They replace what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.demo.playground.installations import (
    APPID,
    BAKERY,
    HARBOUR,
    KIOSK,
    LANTERN,
    ORCHID,
    TEA_SHOP,
    THREE_BRANDS,
    TWO_SHOPS,
    Installation,
)
from wechat_kf.simulator import Simulator, World

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NAMES = (
    *("Anna", "小波", "Chen", "王芳", "Eve", "林晓", "Fan", "夜班一号", "Grace", "陈师傅", "Hugo", "Momo"),
    *("Ines", "午班", "Jia", "Kim", "Luo", "周末客服", "Mia", "Noor", "Otto", "Pan", "秋秋", "Rui"),
)
HOSTILE = (
    "<!channel> *sale*",
    "<img src=x onerror=alert(1)>",
    "</script>＜b＞",
    ":tada: :fire:",
    "_kf_ ~gone~ `rm`",
    "\u202eevil.exe",
    "<@U0MEI> & <#C0CARE>",
    "a&amp;b &lt;",
    "客服\u0000\u0007八",
    "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
    "",
    "W" * 60,
    "<https://e.example|ok>",
    "'; DROP TABLE told;--",
)


Fill = Callable[[Simulator, datetime], None]  # puts accounts into an empty Official Account


@dataclass(frozen=True, slots=True)
class Preset:
    """A state of all Official Accounts of an installation. `fills` are by AppID."""

    label: str
    fills: Mapping[str, Fill]
    installation: Installation = TEA_SHOP


def _tea(wechat: Simulator, now: datetime) -> None:
    wechat.add_account(_key(wechat, "anna"), "Anna", kf_wx="anna_example")
    _invited(wechat, "bo", "小波", now + 41 * MINUTE)
    _invited(wechat, "chen", "Chen", now + 3 * DAY)
    _invited(wechat, "dee", "Dee", now + 30 * HOUR)
    wechat.add_account(_key(wechat, "eve"), "Eve")


def _monday(wechat: Simulator, now: datetime) -> None:
    """Forty accounts, of which something is wrong with every fifth."""
    for number in range(40):
        prefix, nick = f"kf{number:02}", _nick(number)
        match number % 10:
            case 0:
                _invited(wechat, prefix, nick, now + (20 + number) * MINUTE)
            case 3:
                _invited(wechat, prefix, nick, now + (2 + number / 10) * DAY)
            case 5 if number > 10:
                _invited(wechat, prefix, nick, now + 2 * DAY)
                wechat.reject(_key(wechat, prefix))
            case 7:
                wechat.add_account(_key(wechat, prefix), nick)
            case 8 if number > 20:
                _invited(wechat, prefix, nick, now - number * HOUR)
            case _:
                wechat.add_account(_key(wechat, prefix), nick, kf_wx=f"{prefix}_example")


def _hundred(wechat: Simulator, now: datetime) -> None:
    """Add as many accounts as WeChat allows, most of them in use."""
    for number in range(100):
        prefix, nick = f"kf{number:03}", f"{_nick(number)} {number:02}"
        if number % 12 == 5:
            _invited(wechat, prefix, nick, now + number * HOUR)
        else:
            wechat.add_account(_key(wechat, prefix), nick, kf_wx=f"{prefix}_example")


def _hostile(wechat: Simulator, now: datetime) -> None:
    """Names that want to be markup, mentions, code, or too long."""
    for number, nick in enumerate(HOSTILE):
        prefix = f"odd{number:02}"
        _invited(wechat, prefix, nick, now + (number - 1) * HOUR)
        if number % 3 == 0:
            wechat.reject(_key(wechat, prefix))


def _harbour(wechat: Simulator, now: datetime) -> None:
    wechat.add_account(_key(wechat, "anna"), "Anna", kf_wx="anna_example")
    _invited(wechat, "bo", "Bo", now + 41 * MINUTE)
    _invited(wechat, "chen", "Chen", now + 3 * DAY)
    wechat.add_account(_key(wechat, "eve"), "Eve")


def _kiosk(wechat: Simulator, now: datetime) -> None:
    """Add, among others, a person of the same name as in another brand."""
    wechat.add_account(_key(wechat, "kim"), "Kim", kf_wx="kim_example")
    _invited(wechat, "chen", "Chen", now + 2 * DAY)
    _invited(wechat, "grace", "Grace", now + 5 * DAY)
    wechat.reject(_key(wechat, "grace"))


def _orchid(wechat: Simulator, now: datetime) -> None:
    wechat.add_account(_key(wechat, "lin"), "林晓", kf_wx="lin_example")
    _invited(wechat, "fang", "王芳", now + 50 * MINUTE)
    _invited(wechat, "qiu", "秋秋", now + 30 * HOUR)


def _bakery(wechat: Simulator, now: datetime) -> None:
    wechat.add_account(_key(wechat, "mia"), "Mia", kf_wx="mia_example")
    _invited(wechat, "rui", "Rui", now + 45 * MINUTE)


def _lantern(wechat: Simulator, now: datetime) -> None:
    _invited(wechat, "jia", "Jia", now + 2 * DAY)
    wechat.reject(_key(wechat, "jia"))


PRESETS: Mapping[str, Preset] = {
    "tea": Preset("A small tea shop", {APPID: _tea}),
    "monday": Preset("A busy Monday", {APPID: _monday}),
    "hundred": Preset("100 accounts", {APPID: _hundred}),
    "hostile": Preset("Hostile names", {APPID: _hostile}),
    "brands": Preset("Three brands", {HARBOUR: _harbour, KIOSK: _kiosk, ORCHID: _orchid}, THREE_BRANDS),
    "platform": Preset("A platform", {HARBOUR: _harbour, BAKERY: _bakery, LANTERN: _lantern}, TWO_SHOPS),
}


def apply(preset: Preset, wechat: World, now: datetime) -> None:
    """Replace the accounts in each Official Account of a preset."""
    for appid, fill in preset.fills.items():
        account = wechat[appid]
        for seat in account.seats:
            account.remove(seat.key)
        fill(account, now)


def _key(wechat: Simulator, prefix: str) -> str:
    return f"{prefix}@{wechat.suffix}"


def _nick(number: int) -> str:
    return NAMES[number % len(NAMES)]


def _invited(wechat: Simulator, prefix: str, nick: str, deadline: datetime) -> None:
    wechat.add_account(_key(wechat, prefix), nick)
    wechat.invite(_key(wechat, prefix), f"{prefix}_example", deadline)
