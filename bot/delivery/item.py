"""Outbox items: a message row with everything that its rendering needs."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.alerting.episode import Episode
from bot.alerting.incident_groups import IncidentGroup
from bot.alerting.incidents import Incident
from bot.blocks.channel.account_groups import render_of_several
from bot.blocks.channel.episode_text import needs_user
from bot.blocks.channel.notifications import render, text_only
from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.delivery.failing_messages import FailingMessages
from bot.delivery.placeholders import with_placeholders
from bot.operations.operation import OperationKind
from bot.outbox.messages import URGENT, MessageKind, OutboxRow
from bot.ports import Message
from bot.runtime.logs import LogEvent, fault_words
from bot.store import episodes, incident_rows, interface_refusals, outbox, tenants
from bot.store.database import Tx
from bot.store.isolation import is_row_fault
from bot.store.published import CHANNEL_KINDS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A message row with the episodes or the incidents that it shows, and its parent message."""

    row: OutboxRow
    episodes: tuple[Episode, ...] = ()
    incidents: IncidentGroup | None = None
    parent: OutboxRow | None = None
    appids: Mapping[str, str] = field(default_factory=dict)  # by episode id, if it is about several accounts
    titles: Mapping[str, str] = field(default_factory=dict)  # of these accounts, by AppID
    may_invite: bool = True  # False: WeChat does not grant invitations, so that the alert offers none

    @property
    def incident(self) -> Incident | None:
        """Return an incident that lasts, if it shows one, else one that is over."""
        return self.incidents.incident if self.incidents else None

    @property
    def is_urgent(self) -> bool:
        """Return whether it is posted again rather than lost, if its outcome stays unknown."""
        return self.row.base_priority <= URGENT

    @property
    def is_final(self) -> bool:
        """Return whether nothing that it shows will change again."""
        if self.row.kind is MessageKind.INCIDENT:
            return self.incident is None or self.incident.resolved_at is not None
        return all(episode.final for episode in self.episodes)

    def render(
        self,
        context: RenderContext,
        faults: FailingMessages | None = None,
        *,
        accounts: Mapping[str, NamedAccount],
        posting: bool = False,
    ) -> Message:
        """Render the row from the present state of its episodes. Only if `posting`, it may mention users.

        Args:
            accounts: by AppID, those that post to the channel.
        """
        row, operations = self.row, context.operations and self.may_invite
        mention = self._mention(accounts) if row.of_several else context.mention
        context = replace(context, operations=operations, mention=mention)

        def rendered(shown: Sequence[Episode]) -> Message:
            if row.of_several:
                around = (self.appids, self._named(accounts, context), context)
                return render_of_several(row.kind, row.payload, shown, *around, message_id=row.id, posting=posting)
            return render(
                row.kind,
                row.payload,
                shown,
                self.incident,
                context,
                group=self.incidents,
                message_id=row.id,
                posting=posting,
            )

        message = with_placeholders(rendered, self.episodes, row.id, faults)
        return text_only(message, context.mention) if row.text_only else message

    def _named(self, accounts: Mapping[str, NamedAccount], context: RenderContext) -> Mapping[str, NamedAccount]:
        """Return the accounts that the message is about. Those that have left the channel keep their names."""
        titles = self.titles.items()
        left = {appid: NamedAccount(TenantLabel(appid, title), context) for appid, title in titles}
        return left | {appid: accounts[appid] for appid in set(self.appids.values()) if appid in accounts}

    def _mention(self, accounts: Mapping[str, NamedAccount]) -> str:
        """Return the mentions of the accounts for which a person must act."""
        about = ((accounts.get(self.appids.get(one.id, "")), one) for one in self.episodes)
        due = (account.context.mention for account, one in about if account and needs_user(one, account.context))
        return " ".join(filter(None, dict.fromkeys(due)))


class UnreadableError(Exception):
    """No episode of a message can be read."""


async def load_items(tx: Tx, found: Sequence[OutboxRow], faults: FailingMessages | None = None) -> list[OutboxItem]:
    """Load the episodes, incidents and parents of these rows.

    Args:
        faults: takes the rows that cannot be loaded, and the others are returned; without it they raise.
    """
    try:
        return await _load(tx, found)
    except Exception as exc:
        if faults is None or not is_row_fault(exc):
            raise
    sound = []
    for row in found:
        try:
            async with tx.savepoint():
                sound += await _load(tx, [row])
        except Exception as exc:
            if not is_row_fault(exc):
                raise
            if faults.is_new(exc, row.id):
                log.error(LogEvent("message cannot be updated", message=row.id, error=fault_words(exc)))
            if row.error != fault_words(exc):
                await outbox.update(tx, row.id, error=fault_words(exc))
    return sound


async def _load(tx: Tx, found: Sequence[OutboxRow]) -> list[OutboxItem]:
    several = [episode_id for row in found if row.of_several for episode_id in row.episode_ids]
    appids = await episodes.appids_of(tx, several) if several else {}
    titles = await tenants.titles(tx, set(appids.values())) if appids else {}
    wanted, of_any = [one for row in found for one in row.episode_ids], bool(several)
    by_id = await episodes.get_many(tx, wanted, of_any=of_any)
    followed = await episodes.followed_by(tx, by_id, of_any=of_any)
    may_invite = not (by_id and await interface_refusals.current(tx, OperationKind.INVITE))

    def shown(row: OutboxRow) -> Mapping[str, Episode]:
        # A new invitation has an alert of its own, so only a message in the channel follows it: a first post that
        # comes late would report the same.
        return by_id | followed if row.ts and row.kind in CHANNEL_KINDS else by_id

    return [
        OutboxItem(
            row,
            episodes=_readable(tx, row, shown(row)),
            incidents=await incident_rows.group(tx, row.id) if row.kind is MessageKind.INCIDENT else None,
            parent=await outbox.get(tx, row.parent_id) if row.parent_id else None,
            appids={one: appids[one] for one in row.episode_ids if one in appids} if row.of_several else {},
            titles=titles,
            may_invite=may_invite,
        )
        for row in found
    ]


def _readable(tx: Tx, row: OutboxRow, by_id: Mapping[str, Episode]) -> tuple[Episode, ...]:
    """Return the episodes of a row that can be read.

    Raises:
        UnreadableError: it has episodes, and none can be read. The message must not appear out of date.
    """
    readable = tuple(by_id[one] for one in row.episode_ids if one in by_id)
    if not readable and any(one in tx.unreadable for one in row.episode_ids):
        raise UnreadableError
    return readable


def content_hash(message: Message) -> str:
    """Return a hash by which two renderings can be compared."""
    content = json.dumps([message.text, list(message.blocks)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def outcome_label(outcome: object) -> str:
    """Return the name of an outcome's class in snake case, for logs and metrics: `retry_later`, `not_found`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(outcome).__name__).lower()


def log_fields(outcome: object) -> dict[str, str | None]:
    """Return an outcome as fields of a log event."""
    return {"outcome": outcome_label(outcome), "error": getattr(outcome, "error", None)}
