"""Whole Official Accounts to start from. They replace what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from wechat_kf.simulator import Simulator

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


@dataclass(frozen=True, slots=True)
class Preset:
    """`fill` puts its accounts into an empty Official Account."""

    label: str
    fill: Callable[[Simulator, datetime], None]


def _tea(wechat: Simulator, now: datetime) -> None:
    wechat.add_account(_key("anna"), "Anna", kf_wx="anna_example")
    _invited(wechat, "bo", "小波", now + 41 * MINUTE)
    _invited(wechat, "chen", "Chen", now + 3 * DAY)
    _invited(wechat, "dee", "Dee", now + 30 * HOUR)
    wechat.add_account(_key("eve"), "Eve")


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
                wechat.reject(_key(prefix))
            case 7:
                wechat.add_account(_key(prefix), nick)
            case 8 if number > 20:
                _invited(wechat, prefix, nick, now - number * HOUR)
            case _:
                wechat.add_account(_key(prefix), nick, kf_wx=f"{prefix}_example")


def _hundred(wechat: Simulator, now: datetime) -> None:
    """Add as many accounts as WeChat allows, most of them in use."""
    for number in range(100):
        prefix, nick = f"kf{number:03}", f"{_nick(number)} {number:02}"
        if number % 12 == 5:
            _invited(wechat, prefix, nick, now + number * HOUR)
        else:
            wechat.add_account(_key(prefix), nick, kf_wx=f"{prefix}_example")


def _hostile(wechat: Simulator, now: datetime) -> None:
    """Names that want to be markup, mentions, code, or too long."""
    for number, nick in enumerate(HOSTILE):
        prefix = f"odd{number:02}"
        _invited(wechat, prefix, nick, now + (number - 1) * HOUR)
        if number % 3 == 0:
            wechat.reject(_key(prefix))


PRESETS: Mapping[str, Preset] = {
    "tea": Preset("A small tea shop", _tea),
    "monday": Preset("A busy Monday", _monday),
    "hundred": Preset("100 accounts", _hundred),
    "hostile": Preset("Hostile names", _hostile),
}


def apply(name: str, wechat: Simulator, now: datetime) -> None:
    """Replace all accounts by those of a preset.

    Raises:
        KeyError: no preset has that name.
    """
    preset = PRESETS[name]
    for seat in wechat.seats:
        wechat.remove(seat.key)
    preset.fill(wechat, now)


def _key(prefix: str) -> str:
    return f"{prefix}@harbour_tea"


def _nick(number: int) -> str:
    return NAMES[number % len(NAMES)]


def _invited(wechat: Simulator, prefix: str, nick: str, deadline: datetime) -> None:
    wechat.add_account(_key(prefix), nick)
    wechat.invite(_key(prefix), f"{prefix}_example", deadline)
