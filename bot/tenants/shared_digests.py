"""Digests of the settings that all processes on one store must share, the accounts of the file among them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from bot.settings.values import Settings
from bot.store.tenants import STORED
from bot.tenants.loading import FIELDS
from bot.tenants.tenant import Tenant

OWN = (*FIELDS.values(), "quiet")  # the settings that an account may have for itself


def shared_digests(settings: Settings, tenants: Sequence[Tenant]) -> Mapping[str, str]:
    """Return, by variable, a digest of its value. That of the file covers every account of it, in any order."""
    variable = "KF_ACCOUNTS_FILE" if settings.accounts_file else "KF_ACCOUNTS" if settings.accounts_toml else ""
    if not variable:
        return settings.shared_digests
    of_file = (one for one in tenants if one.origin not in STORED)
    accounts = sorted((_values(one, settings) for one in of_file), key=lambda values: values[0])
    return {**settings.shared_digests, variable: hashlib.sha256(repr(accounts).encode()).hexdigest()[:12]}


def _values(tenant: Tenant, settings: Settings) -> tuple[str, ...]:
    """Return what the file defines of an account. A value of the deployment has a digest of its own."""
    own: dict[str, Any] = {name: getattr(tenant.settings, name) for name in OWN} | {"wechat_secret": tenant.secret}
    differing = {name: value for name, value in own.items() if value != getattr(settings, name)}
    return (tenant.appid, tenant.slug, tenant.name, repr(sorted(tenant.labels)), repr(differing))
