"""All accounts of an installation, watched or not, and which of them a command may change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.store.tenants import STORED
from bot.tenants.tenant import Tenant
from bot.text import fold

PAUSED = "paused"  # by a person


@dataclass(frozen=True, slots=True)
class Paused:
    """An account of the store that is not watched. Its settings have no secret."""

    tenant: Tenant
    why: str  # PAUSED, or a sentence without its full stop
    remedy: str = ""  # a sentence; "" where `accounts set` corrects it


@dataclass(frozen=True, slots=True)
class Installation:
    """The accounts that are watched, and those of the store that are not."""

    watched: Sequence[Tenant]
    paused: Sequence[Paused] = ()

    @property
    def all(self) -> list[Tenant]:
        return [*self.watched, *(one.tenant for one in self.paused)]

    def is_paused(self, tenant: Tenant) -> bool:
        """Return whether a person has paused an account."""
        return any(one.tenant.appid == tenant.appid and one.why == PAUSED for one in self.paused)

    def is_last(self, tenant: Tenant) -> bool:
        """Return whether nothing is watched without this account."""
        return [one.appid for one in self.watched] == [tenant.appid]


def find(tenants: Iterable[Tenant], word: str) -> Tenant | None:
    """Return the account with a handle, with or without `@`, or with an AppID; None if there is none."""
    handle = word.removeprefix("@").removeprefix("＠")
    return next((one for one in tenants if fold(handle) == fold(one.slug) or handle == one.appid), None)


def is_changeable(tenant: Tenant) -> bool:
    """Return whether commands may change an account: those of the environment and of the file are changed there."""
    return tenant.origin in STORED
