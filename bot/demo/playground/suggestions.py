"""What the composer offers after a slash, in English and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.demo.playground.installations import Installation
from bot.manifest import manifest

STATES = ("expiring", "rejected", "expired", "waiting", "idle", "bound")
NOTHING = "what needs attention"  # the hint for the command alone

# The hints for the words of the usage hint and for the states; the page translates them.
HINTS: Mapping[str, str] = {
    "list": "every account",
    "find": "search by name or WeChat ID",
    "show": "one account in full",
    "invite": "invite a person",
    "add": "add an account",
    "rename": "change the name",
    "delete": "delete an account",
    "history": "who did what",
    "status": "how the bot itself is",
    "help": "what it can do",
    **{state: f"accounts that are {state}" for state in STATES},
}
CHINESE: Mapping[str, str] = {
    "list": "列表",
    "expiring": "即将过期",
    "rejected": "已拒绝",
    "expired": "已过期",
    "waiting": "待确认",
    "idle": "未绑定",
    "bound": "已绑定",
    "find": "查找",
    "show": "查看",
    "invite": "邀请",
    "add": "添加",
    "rename": "改名",
    "delete": "删除",
    "history": "操作记录",
    "status": "状态",
    "help": "帮助",
}

# With several Official Accounts.
ABOUT_ALL: Sequence[Mapping[str, str]] = (
    {"text": "/kf accounts", "chinese": "/kf 公众号", "argument": "", "hint": "all Official Accounts, worst first"},
    {
        "text": "/kf all rejected",
        "chinese": "/kf 全部公众号 已拒绝",
        "argument": "",
        "hint": "the rejected of all Official Accounts",
    },
)


def usage() -> tuple[str, list[dict[str, str]]]:
    """Return the usage hint of the manifest, and the words that can follow the command.

    Each suggestion has a `text`, the same in `chinese`, the name of its `argument` or "", and a `hint`.
    """
    found = re.search(r'usage_hint: "\[(.*)\]"', manifest("http", None))
    words = found[1].split("|") if found else []
    return f"[{'|'.join(words)}]", [
        {"text": "/kf", "chinese": "/kf", "argument": "", "hint": NOTHING},
        *_suggestions(words),
    ]


def of_accounts(installation: Installation) -> list[dict[str, str]]:
    """Return the suggestions for several Official Accounts; none for a single one."""
    named = [account for account in installation.accounts if account.handle]
    if not named:
        return []
    about_one = [
        {"text": f"/kf @{one.handle} ", "chinese": f"/kf @{one.handle} ", "argument": "", "hint": one.name}
        for one in named
    ]
    return [*map(dict, ABOUT_ALL), *about_one]


def _suggestions(words: Sequence[str]) -> list[dict[str, str]]:
    offered = []
    for word in words:
        command, _, argument = word.partition(" ")
        for one in STATES if word == "STATE" else (command,):
            blank = " " if argument else ""
            offered.append(
                {
                    "text": f"/kf {one}{blank}",
                    "chinese": f"/kf {CHINESE.get(one, one)}{blank}",
                    "argument": argument,
                    "hint": HINTS.get(one, ""),
                }
            )
    return offered
