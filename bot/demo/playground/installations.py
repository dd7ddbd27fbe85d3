"""Installations of the bot: the Official Accounts that it watches, and the channels of the workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.language import Language

CARE, ALERTS = "C0CARE", "C0ALERTS"
AT_HARBOUR, AT_ORCHID = "C0HARBOUR", "C0ORCHID"
CHANNELS: Mapping[str, str] = {CARE: "care", ALERTS: "kf-alerts", AT_HARBOUR: "harbour", AT_ORCHID: "orchid"}

APPID, SECRET = "wx-playground", "playground-secret"
HARBOUR, KIOSK, ORCHID = "wx1111111111111111", "wx2222222222222222", "wx3333333333333333"


@dataclass(frozen=True, slots=True)
class OfficialAccount:
    """One Official Account. That of the environment has no handle, and texts do not name it."""

    appid: str
    secret: str
    suffix: str  # of its customer-service accounts, after the @
    alerts: str  # ID of the channel
    handle: str = ""
    name: str = ""
    language: Language | None = None  # None: that of the channel's setting


@dataclass(frozen=True, slots=True)
class Installation:
    """What one bot watches: a single account of the environment, or those of a file."""

    accounts: Sequence[OfficialAccount]

    @property
    def alert_channels(self) -> list[str]:
        return [*dict.fromkeys(account.alerts for account in self.accounts)]

    @property
    def channels(self) -> list[str]:
        """Return the IDs of the channels in which people work."""
        return [CARE, *self.alert_channels]

    @property
    def settings(self) -> dict[str, str]:
        """Return the variables of the bot that describe its accounts."""
        first = self.accounts[0]
        common = {"SLACK_ALERT_CHANNEL": first.alerts}
        if not first.handle:
            return common | {"WECHAT_APPID": first.appid, "WECHAT_SECRET": first.secret}
        secrets = {_secret_name(account): account.secret for account in self.accounts}
        return common | secrets | {"KF_ACCOUNTS": "\n\n".join(map(_table, self.accounts))}


def _table(account: OfficialAccount) -> str:
    """Write the table of an account, as in a file of accounts."""
    values = {
        "handle": account.handle,
        "appid": account.appid,
        "secret": f"env:{_secret_name(account)}",
        "name": account.name,
        "channel": account.alerts,
        **({"language": account.language} if account.language else {}),
    }
    return "\n".join(["[[account]]", *(f'{key} = "{value}"' for key, value in values.items())])


def _secret_name(account: OfficialAccount) -> str:
    return f"{account.handle.upper()}_SECRET"


TEA_SHOP = Installation([OfficialAccount(APPID, SECRET, "harbour_tea", ALERTS)])
THREE_BRANDS = Installation(
    [
        OfficialAccount(HARBOUR, "secret-of-harbour", "harbour_tea", AT_HARBOUR, "harbour", "Harbour Tea"),
        OfficialAccount(KIOSK, "secret-of-kiosk", "night_kiosk", AT_HARBOUR, "kiosk", "Night Kiosk"),
        OfficialAccount(ORCHID, "secret-of-orchid", "orchid_hua", AT_ORCHID, "orchid", "兰花", Language.CHINESE),
    ]
)
EVERY_ACCOUNT = (*TEA_SHOP.accounts, *THREE_BRANDS.accounts)
