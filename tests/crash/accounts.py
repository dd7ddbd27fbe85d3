"""The Official Accounts of a crash run: one, or three in two channels with equal people, accounts and deadlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.fleets import ACCOUNTS, AT_HARBOUR, AT_ORCHID, HARBOUR, KIOSK, ORCHID, SECRETS

PEOPLE = {f"U0OP{letter}": f"op{letter.lower()}" for letter in "ABCDEF"}  # operators


@dataclass(frozen=True, slots=True)
class CrashAccount:
    """One Official Account. With several, texts begin with its name, and commands have its handle."""

    appid: str
    secret: str
    channel: str
    name: str = ""
    handle: str = ""
    operators: Mapping[str, str] = field(default_factory=lambda: PEOPLE)  # names by ID, of people who operate here

    @property
    def prefix(self) -> str:
        return f"{self.name} · " if self.name else ""


def _operators(letters: str) -> Mapping[str, str]:
    return {user: name for user, name in PEOPLE.items() if user[-1] in letters}


ALONE = (CrashAccount("wx0123456789abcdef", "app-secret", "C0ALERTS"),)
THREE = (
    CrashAccount(HARBOUR, SECRETS[HARBOUR], AT_HARBOUR, "Harbour Tea", "harbour", _operators("AB")),
    CrashAccount(KIOSK, SECRETS[KIOSK], AT_HARBOUR, "Night Kiosk", "kiosk", _operators("CD")),
    CrashAccount(ORCHID, SECRETS[ORCHID], AT_ORCHID, "兰花", "orchid", _operators("EF")),
)


def settings_of(accounts: Sequence[CrashAccount]) -> dict[str, str]:
    """Return the variables that describe the accounts to a bot. Alerts are in English, which the oracle reads."""
    first = accounts[0]
    common = {"SLACK_ALERT_CHANNEL": first.channel}
    if not first.handle:
        return common | {"WECHAT_APPID": first.appid, "WECHAT_SECRET": first.secret}
    secrets = {f"{account.handle.upper()}_SECRET": account.secret for account in accounts}
    return common | secrets | {"KF_ACCOUNTS": ACCOUNTS.replace('language = "zh"\n', "")}
