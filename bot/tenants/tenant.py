"""A tenant: one Official Account with the settings that hold for it; and the rules of its short name. Pure.

Settings and texts call them *account* and *handle*; in code these are a customer-service account and its button.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from pathlib import PurePath

from bot.requests import is_command_word
from bot.settings.values import Settings
from bot.store.tenants import COMMAND, PLATFORM
from bot.tenant_states import TenantState

LONGEST_SLUG = 32  # characters
MOST_HANDLES = 5  # that a text names
RESERVED = ("accounts", "all", "in")  # words of the commands for several accounts


class TenantOrigin(StrEnum):
    """Where an account is defined."""

    ENVIRONMENT = "environment"
    FILE = "file"
    COMMAND = COMMAND  # a row of the store
    PLATFORM = PLATFORM  # a row of the store, since its owner has authorised the third-party platform


@dataclass(frozen=True, slots=True)
class Tenant:
    """An Official Account, Mini Program or Mini Game, which commands call `@slug`.

    `settings` are those of the deployment with the account's own values in place: code for one account works with
    `tenant.settings`. Accounts with the same values share them, so that thousands take little memory: AppID and
    AppSecret are here, by default those of the settings. `secret` is empty if a token service supplies the tokens.
    """

    slug: str
    name: str  # as its operator wrote it, for blocks to clean; "" without one
    labels: tuple[str, ...]
    origin: TenantOrigin
    settings: Settings
    source: str = "secret"  # of its access tokens, a `table_keys.Source`
    state: TenantState = TenantState.ACTIVE  # one that is not polled is here to answer, and to post what is left
    appid: str = ""
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.appid:
            object.__setattr__(self, "appid", self.settings.wechat_appid)
            object.__setattr__(self, "secret", self.settings.wechat_secret)

    @property
    def file(self) -> str:
        """Return what people call the file of accounts that defines it; "" if it is defined elsewhere."""
        if self.origin is not TenantOrigin.FILE:
            return ""
        return PurePath(self.settings.accounts_file).name or "KF_ACCOUNTS"

    @property
    def title(self) -> str:
        """Return what texts call the account."""
        return self.name or f"@{self.slug}"


def handles(tenants: Sequence[Tenant]) -> str:
    """Write `@a, @b and 3 more`."""
    named = ", ".join(f"@{tenant.slug}" for tenant in tenants[:MOST_HANDLES])
    more = len(tenants) - MOST_HANDLES
    return f"{named} and {more} more" if more > 0 else named


def of_environment(settings: Settings) -> Tenant:
    """Return the account of the environment as the only one."""
    return Tenant(default_slug(settings.wechat_appid), "", (), TenantOrigin.ENVIRONMENT, settings)


def no_account(settings: Settings) -> Tenant:
    """Return what stands in for an account until the first owner has authorised the platform. It has no AppID."""
    return Tenant("platform", "", (), TenantOrigin.PLATFORM, replace(settings, wechat_appid=""), "platform")


def parse_slug(text: str) -> str:
    """Normalise a slug: case and width do not matter.

    Raises:
        ValueError: what it must be, in words that follow the name of the setting.
    """
    slug = _folded(text)
    if not re.fullmatch(rf"[\w-]{{1,{LONGEST_SLUG}}}", slug) or not slug[0].isalpha():
        raise ValueError(f"must be 1 to {LONGEST_SLUG} letters, digits, - and _, and begin with a letter")
    if slug in RESERVED or is_command_word(slug):
        raise ValueError("must not be a word of the command /kf")
    return slug


def default_slug(appid: str, taken: Collection[str] = ()) -> str:
    """Return `wx` and the last six characters of an AppID, with `-2` or a higher number if that is taken."""
    return free_slug("wx" + re.sub(r"[^\w-]", "", _folded(appid))[-6:], taken)


def free_slug(slug: str, taken: Collection[str]) -> str:
    """Return a slug, with `-2` or a higher number if it is taken."""
    numbered = (f"{slug[: LONGEST_SLUG - 6]}-{number}" for number in count(2))
    return slug if slug not in taken else next(one for one in numbered if one not in taken)


def _folded(text: str) -> str:
    # Case folding takes some letters apart, and the second normalisation composes them again.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
