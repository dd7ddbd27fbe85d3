"""Build what a process does for the third-party platform: its endpoint, its pages and its periodic work."""

from __future__ import annotations

import logging
from functools import partial

from bot.blocks.channel.platform_notices import account_added
from bot.blocks.context import RenderContext
from bot.delivery.item import log_fields
from bot.fleet import Fleet
from bot.platform.duties import EVERY, PlatformDuties
from bot.platform.owner_visits import OwnerVisits
from bot.platform.pushes import Pushes
from bot.platform.services import PlatformServices
from bot.platform.withdrawal_notice import withdrawal
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import PeriodicTask
from bot.sealing import StoreKeys
from bot.store.authorizer_rows import Authorizer
from bot.store.database import Store, Tx
from bot.store.store_errors import waiting_for
from bot.tenant_states import POLLED
from bot.web.platform_endpoint import PlatformHandlers
from bot.wiring import SharedServices

log = logging.getLogger(__name__)

POST_SECONDS = 10.0  # for a message to one person


def platform_task(fleet: Fleet, platform: PlatformServices, store: Store) -> PeriodicTask:
    """Build the periodic work of a process for the platform."""

    async def announce(tx: Tx, account: Authorizer) -> bool:
        if account.appid not in fleet.tenants:
            return False
        if recorder := fleet.accounts[account.appid].recorder:
            channel_id = fleet.tenants[account.appid].settings.slack_alert_channel
            await recorder.enqueue(tx.of(account.appid, channel_id), [withdrawal(account, tx.now)], [], tx.now)
        return True

    step = PlatformDuties(platform, announce).step
    return PeriodicTask("platform", step, EVERY, waiting_for=waiting_for, ready=lambda: store.migrated)


def platform_handlers(shared: SharedServices, platform: PlatformServices, task: PeriodicTask) -> PlatformHandlers:
    """Build what answers WeChat's pushes and the browsers of owners.

    Args:
        task: takes its next step at once when a push or an owner has left something to do.
    """
    settings = shared.settings
    keys = StoreKeys(settings.store_keys)
    visits = OwnerVisits(platform, shared.tasks, task.wake, partial(_inform, shared))
    count = partial(shared.metrics.count, "push")
    pushes = Pushes(platform.store, platform.stored, keys, platform.appid, wake=task.wake, count=count)
    return PlatformHandlers(
        take=pushes.take,
        start=visits.start,
        authorized=visits.authorized,
        count=count,
    )


async def _inform(shared: SharedServices, user_id: str, account: Authorizer) -> None:
    """Inform the person who asked for a link that the account is there."""
    context = await shared.readers.context(user_id, RenderContext.from_settings(shared.settings))
    message = account_added(account.name, account.slug, context, is_watched=account.state in POLLED)
    metadata = {"event_type": "kf_account_added", "event_payload": {"appid": account.appid}}
    outcome = await shared.channel_of(user_id).post(message, metadata=metadata, within=POST_SECONDS)
    log.info(LogEvent("account added", account=account.slug, **log_fields(outcome)))
