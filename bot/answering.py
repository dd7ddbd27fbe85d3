"""Choose what answers people in Slack: the handler of the only account, or the router of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bot.fleet import Fleet
from bot.interaction_wiring import InteractionServices, make_interactions, with_administration
from bot.runtime.recently_used import RecentlyUsed
from bot.slack.listeners import Interactions
from bot.tenant_router import TenantRouter
from bot.tenants.loading import DefinedAccounts


class Answering(NamedTuple):
    """What answers people, and the handlers of each account, which also loops use."""

    interactions: Interactions
    by_account: RecentlyUsed[InteractionServices]  # by AppID


def make_answering(
    fleet: Fleet, defined: DefinedAccounts | None, wake: Callable[[], None], notice_after: float
) -> Answering:
    """Build what answers people about the Official Accounts of a process.

    Args:
        defined: the accounts of the environment and the file; with them administrators may change others.
        wake: starts the next step of each loop of this process at once.
        notice_after: seconds after which a read of WeChat is announced to the user.
    """
    interactions, by_account = _about_accounts(fleet, wake, notice_after)
    if defined and (store := fleet.shared.store):
        tenants = [*fleet.tenants.values()]
        interactions = with_administration(interactions, fleet.shared, tenants, defined, store)
    return Answering(interactions, by_account)


def _about_accounts(fleet: Fleet, wake: Callable[[], None], notice_after: float) -> Answering:
    if fleet.first.label is None:  # the account of the environment alone
        only = make_interactions(fleet.first, fleet.shared.views, wake, notice_after)
        return Answering(only.handler, RecentlyUsed(lambda _: only, most=1))
    router = TenantRouter(fleet, wake, notice_after)
    if fleet.tenants:
        return Answering(router, router.interactions)
    from bot.interactions.no_accounts import NoAccounts  # only a platform needs it

    return Answering(NoAccounts(fleet.shared.readers, fleet.first.context), router.interactions)
