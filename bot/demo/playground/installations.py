"""Installations of the bot: the accounts that it watches, its platform, and the channels of the workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.language import Language
from wechat_kf.simulator import AccountType, Simulator
from wechat_kf.simulator.component import Profile, ThirdPartyPlatform

CARE, ALERTS = "C0CARE", "C0ALERTS"
AT_HARBOUR, AT_ORCHID = "C0HARBOUR", "C0ORCHID"
CHANNELS: Mapping[str, str] = {CARE: "care", ALERTS: "kf-alerts", AT_HARBOUR: "harbour", AT_ORCHID: "orchid"}

APPID, SECRET = "wx-playground", "playground-secret"
HARBOUR, KIOSK, ORCHID = "wx1111111111111111", "wx2222222222222222", "wx3333333333333333"
BAKERY, LANTERN = "wx4444444444444444", "wx5555555555555555"

PLATFORM: Mapping[str, str] = {
    "PLATFORM_APPID": "wx00000000000000c0",
    "PLATFORM_SECRET": "playground-platform-secret",
    "PLATFORM_TOKEN": "playground_token",
    "PLATFORM_AES_KEY": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "STORE_KEYS": "5e" * 32,
}


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
    owners: Sequence[OfficialAccount] = ()  # who may authorise the bot's platform

    @property
    def consoles(self) -> list[OfficialAccount]:
        """Return the accounts whose consoles the page shows."""
        return [*self.accounts, *self.owners]

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
        common = {"SLACK_ALERT_CHANNEL": first.alerts, **(PLATFORM if self.owners else {})}
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
TWO_SHOPS = Installation(
    [OfficialAccount(HARBOUR, "secret-of-harbour", "harbour_tea", AT_HARBOUR, "harbour", "Harbour Tea")],
    owners=[
        OfficialAccount(BAKERY, "secret-of-bakery", "bakery_hill", AT_HARBOUR, "bakery_hill", "Bakery Hill"),
        OfficialAccount(LANTERN, "secret-of-lantern", "lantern_app", AT_HARBOUR, "lantern_app", "灯笼小程序"),
    ],
)
EVERY_ACCOUNT = (*TEA_SHOP.accounts, *THREE_BRANDS.accounts, *TWO_SHOPS.owners)
MINI_PROGRAMS = {LANTERN}


def simulated(account: OfficialAccount) -> Simulator:
    """Return an account as WeChat has it, without customer-service accounts."""
    account_type = AccountType.MINI_PROGRAM if account.appid in MINI_PROGRAMS else AccountType.VERIFIED
    return Simulator(account.appid, account.secret, suffix=account.suffix, account_type=account_type)


def registered_platform() -> ThirdPartyPlatform:
    """Return the platform as WeChat has it, which knows the accounts by their names."""
    platform = ThirdPartyPlatform(
        PLATFORM["PLATFORM_APPID"],
        PLATFORM["PLATFORM_SECRET"],
        push_token=PLATFORM["PLATFORM_TOKEN"],
        aes_key=PLATFORM["PLATFORM_AES_KEY"],
        start_domain="127.0.0.1",
    )
    platform.profiles = {one.appid: Profile(one.name, alias=one.suffix) for one in TWO_SHOPS.owners}
    return platform
