"""Findings about the settings themselves, with the place where each value can be copied."""

from __future__ import annotations

from collections.abc import Sequence

from bot.doctor.findings import Finding, well, wrong
from bot.settings.reader import InvalidSetting
from bot.settings.values import PROXIES

PROXY = (
    "Copy the whole URL anew from the page of the proxy or its add-on: http://USER:PASSWORD@HOST:PORT. SOCKS is "
    "not supported."
)
OF_PLATFORM = "Copy the {} of the third-party platform from WeChat's Open Platform: see docs/platform.md."
WHERE = {
    "SLACK_BOT_TOKEN": "Slack app settings, OAuth & Permissions: install the app, then copy the Bot "
    "User OAuth Token.",
    "SLACK_SIGNING_SECRET": "Slack app settings, Basic Information, App Credentials: copy the Signing Secret. "
    "For Socket Mode set SLACK_APP_TOKEN instead.",
    "SLACK_APP_TOKEN": "Slack app settings, Basic Information, App-Level Tokens: make one with the scope "
    "connections:write, and copy it.",
    "SLACK_ALERT_CHANNEL": "Copy the channel's ID from the last line of its details; or set ALERTS=off.",
    "WECHAT_APPID": "Copy it from WeChat's developer platform (the account, basic information).",
    "WECHAT_SECRET": "Copy the AppSecret from WeChat's developer platform (the account, basic information, "
    "development keys). WeChat shows it once: reset it there when nobody kept it.",
    "DATABASE_URL": "Correct it, or copy it from the page of the database; or leave it out, where the disk lasts.",
    "STORE_KEYS": "`python -m bot keys new` prints a key: give it to every process.",
    "PLATFORM_APPID": OF_PLATFORM.format("AppID"),
    "PLATFORM_SECRET": OF_PLATFORM.format("AppSecret"),
    "PLATFORM_TOKEN": OF_PLATFORM.format("message token"),
    "PLATFORM_AES_KEY": OF_PLATFORM.format("message key (EncodingAESKey)"),
    "PLATFORM_URL": "Set it to the public https:// address of the `web` process, without a path.",
    **dict.fromkeys(PROXIES, PROXY),
}


def findings(problems: Sequence[InvalidSetting]) -> list[Finding]:
    """Return a finding for each missing or malformed variable, or one that all are set."""
    found = [
        wrong(
            "settings",
            f"{problem.name} {problem.why or 'is not set'}",
            problem.remedy
            or WHERE.get(problem.name, f"Correct {problem.name}, or leave it out: then its default holds."),
        )
        for problem in problems
    ]
    return found or [well("settings", "complete")]
