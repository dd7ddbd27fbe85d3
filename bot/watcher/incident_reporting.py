"""Queue the notices of incidents. Of several accounts with one cause, the notice of the first reports all."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.alerting.incident_groups import refused_address
from bot.alerting.incidents import Incident
from bot.outbox.incident_messages import is_new, is_reported, notice, reply
from bot.outbox.messages import COMMON, NewMessage
from bot.recorder import Recorder
from bot.store import incident_rows
from bot.store.database import Tx


async def queue_notice(tx: Tx, recorder: Recorder, before: Incident | None, after: Incident | None) -> None:
    """Queue the notice of a new incident, or the reply that reports its change."""
    if after is None or after == before:
        return
    if is_new(before, after):
        await recorder.enqueue(tx, [notice(after)], [], tx.now)
    elif is_reported(before, after):
        await recorder.enqueue(tx, [reply(after, tx.now)], [], tx.now)


@dataclass(frozen=True, slots=True)
class CommonNotices:
    """Notices about several accounts, which appear in the channel of one of them."""

    recorder: Recorder
    channel_id: str

    def rows(self, tx: Tx) -> Tx:
        """Return the transaction for the rows of the account that posts them."""
        return tx.of(self.recorder.appid, self.channel_id)

    async def queue(self, tx: Tx, message: NewMessage) -> None:
        message = replace(message, payload={**message.payload, COMMON: True})
        await self.recorder.enqueue(self.rows(tx), [message], [], tx.now)


async def queue_shared_notice(
    tx: Tx, recorder: Recorder, common: CommonNotices, before: Incident | None, after: Incident | None
) -> None:
    """Queue the notice or the reply of one of several accounts, unless a notice of others reports it."""
    if after is None or after == before:
        return
    now, is_of_address = tx.now, bool(refused_address(after))
    if not is_new(before, after):
        if is_reported(before, after) and not is_of_address and not (before and refused_address(before)):
            await recorder.enqueue(tx, [reply(after, now, await incident_rows.notice_of(tx, after))], [], now)
        return
    if notice_id := await incident_rows.notice_to_join(tx, after, now):
        await incident_rows.join(tx, after, notice_id)
        if not is_of_address:  # its next step is the same for all accounts
            await recorder.enqueue(tx, [reply(after, now, notice_id)], [], now)
    elif is_of_address:
        await common.queue(tx, notice(after))
    else:
        await recorder.enqueue(tx, [notice(after)], [], now)
