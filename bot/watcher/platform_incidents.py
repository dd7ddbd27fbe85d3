"""Report each fault that all accounts of a third-party platform share by one notice, and edit it when it ends."""

from __future__ import annotations

from bot.alerting.incidents import Incident
from bot.alerting.platform_faults import on_check
from bot.outbox.incident_messages import is_new, is_reported, notice, reply
from bot.store import platform_health, tenants
from bot.store.database import Store, Tx
from bot.tenant_states import POLLED
from bot.watcher.incident_reporting import CommonNotices


class PlatformIncidents:
    """Checks the stored faults of a platform, and queues the notice about them."""

    def __init__(self, appid: str, notices: CommonNotices) -> None:
        """Keep what incidents need. `appid` is that of the platform."""
        self._appid = appid
        self._notices = notices

    async def check(self, store: Store) -> None:
        """Open, change or end the incident, if the health of the platform has changed."""
        async with store.begin() as tx:
            health = await platform_health.load(tx, self._appid)
            if on_check(health, self._appid, tx.now) == health.incident:
                return
        async with store.begin() as tx:  # again, with the row locked
            health = await platform_health.load(tx, self._appid, lock=True)
            after = on_check(health, self._appid, tx.now)
            if after:
                await self._record(tx, health.incident, after)

    async def _record(self, tx: Tx, before: Incident | None, after: Incident) -> None:
        numbers = await tenants.count(tx, platform_appid=self._appid)
        payload = {"accounts": sum(numbers[state] for state in POLLED)}
        await platform_health.record(self._notices.rows(tx), self._appid, before, after)
        if is_new(before, after):
            await self._notices.queue(tx, notice(after, payload))
        elif is_reported(before, after):
            await self._notices.queue(tx, reply(after, tx.now, payload=payload))
