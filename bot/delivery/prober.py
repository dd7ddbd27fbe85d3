"""Ask Slack whether its last failure has ended, while no message is waiting that would show it."""

from __future__ import annotations

import logging

from bot.delivery.dependencies import HOLD, DeliveryDependencies
from bot.health.facts import SlackTrouble
from bot.ports import Blocked
from bot.runtime.logs import LogEvent
from bot.store import slack_state

log = logging.getLogger(__name__)


class Prober:
    """Keeps the recorded state of Slack true. It reads the token or the channel, and posts nothing."""

    def __init__(self, dependencies: DeliveryDependencies) -> None:
        self._dependencies = dependencies
        self._rest_until = float("-inf")  # by the stopwatch

    async def check(self, trouble: SlackTrouble) -> None:
        """Ask again, every five minutes, about a failure; the first poll asks by itself about its own."""
        dependencies = self._dependencies
        if trouble.reading or dependencies.stopwatch() < self._rest_until:
            return
        self._rest_until = dependencies.stopwatch() + HOLD.total_seconds()
        found = await dependencies.channel.probe(trouble.error if trouble.refused else "", dependencies.within)
        log.info(LogEvent("Slack asked again", error=found.error if found else None))
        async with dependencies.store.begin() as tx:
            if found is None:
                await slack_state.record_success(tx)
            elif isinstance(found, Blocked):
                await slack_state.record_refusal(tx, found.error, tx.now)
            else:
                await slack_state.record_silence(tx, found.error, tx.now)
