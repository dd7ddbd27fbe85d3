"""Check that accounts can be changed from Slack: operators, a store, and the right at WeChat. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.blocks.answers.diagnosis import ENGLISH
from bot.blocks.times import span
from bot.doctor.findings import Finding, Report, Unset, unknown, well, wrong
from bot.doctor.running import StoreOf
from bot.doctor.shared_findings import grouped
from bot.runtime.tasks import with_timeout
from bot.settings.values import Settings
from bot.store import interface_refusals
from bot.store.database import Store
from bot.store.inspection import is_absent
from bot.store.interface_refusals import InterfaceRefusal
from bot.store.store_errors import StoreError
from bot.tenants.tenant import Tenant

CHECK = "operations"
SECONDS = 8.0
OFF = well(CHECK, "off: KF_OPERATORS is not set, so no account can be changed from Slack")
WITHOUT_A_STORE = wrong(
    CHECK,
    "KF_OPERATORS is set, but ALERTS is off: without a store there is no audit log, and no account can be changed",
    "Set ALERTS=on, or leave KF_OPERATORS out.",
)


async def examine(store_of: StoreOf, settings: Settings, tenants: Sequence[Tenant], unset: Unset) -> Report:
    """Report whether changes of accounts are offered. `bot.doctor.store` reports problems of the store itself."""
    if not tenants:
        return Report((unknown(CHECK, "not checked: there is no account yet, or the accounts have mistakes"),))
    if why := unset.why_not(CHECK, "KF_OPERATORS", "ALERTS"):
        return Report((why,))
    if not settings.kf_operators:
        return Report((OFF,))
    if not settings.alerts:
        return Report((WITHOUT_A_STORE,))
    if unset.why_not(CHECK, "DATABASE_URL", "WECHAT_APPID"):
        return Report(())
    if is_absent(settings.database_url):
        return Report((well(CHECK, "on"),))
    return await with_timeout(_granted(store_of(tenants[0].appid, ""), tenants), SECONDS)


async def _granted(store: Store, tenants: Sequence[Tenant]) -> Report:
    try:
        async with store.begin() as tx:
            refusals, now = await interface_refusals.of_all(tx), tx.now
    except StoreError:  # it has no table yet, or cannot be read
        return Report((well(CHECK, "on"),))
    found = [(tenant, [_finding(refusals.get(tenant.appid), now)]) for tenant in tenants]
    return Report(tuple(grouped(found) if len(found) > 1 else found[0][1]))


def _finding(refusal: InterfaceRefusal | None, now: datetime) -> Finding:
    if refusal is None:
        return well(CHECK, "on: WeChat has refused none lately")
    age = span(now - refusal.at, ENGLISH)
    return wrong(
        CHECK,
        f"WeChat refused {refusal.family} {age} ago: the Official Account lacks the permission (errcode 48001)",
        "Check in the WeChat console that the account has passed verification: WeChat grants these interfaces only "
        "then. /kf still offers to try it, and a success clears this.",
    )
