"""A message row with all that its rendering needs."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.blocks.channel.notifications import render, text_only
from bot.blocks.context import RenderContext
from bot.delivery.faults import Faults
from bot.delivery.stand_ins import with_stand_ins
from bot.episodes import Episode
from bot.logs import Line, fault_words
from bot.outages import Incident
from bot.outbox import URGENT, OutboxRow, Shape
from bot.ports import Message
from bot.store import Tx, memory, queue, rows
from bot.store.isolation import is_row_fault
from bot.store.views import ROOTS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """A row with all that its rendering needs."""

    row: OutboxRow
    members: tuple[Episode, ...] = ()
    incident: Incident | None = None
    root: OutboxRow | None = None

    @property
    def urgent(self) -> bool:
        """Whether it is repeated rather than lost."""
        return self.row.own_rank <= URGENT

    @property
    def final(self) -> bool:
        """Nothing that it shows will change again."""
        if self.row.shape is Shape.HEALTH:
            return self.incident is None or self.incident.over_at is not None
        return all(member.final for member in self.members)

    def render(self, context: RenderContext, faults: Faults | None = None, *, posting: bool = False) -> Message:
        """Render the row from the present state of its members. Only if `posting`, it may mention users."""
        row = self.row

        def rendered(members: Sequence[Episode]) -> Message:
            return render(row.shape, row.facts, members, self.incident, context, message_id=row.id, posting=posting)

        message = with_stand_ins(rendered, self.members, row.id, faults)
        return text_only(message, context.mention) if row.text_only else message


class UnreadableError(Exception):
    """Nothing that a message is about can be read."""


async def subjects(tx: Tx, found: Sequence[OutboxRow], faults: Faults | None = None) -> list[Subject]:
    """Look up what the rows are about.

    Args:
        faults: takes the rows that cannot be looked up, and the others are returned; without it they raise.
    """
    try:
        return await _subjects(tx, found)
    except Exception as exc:
        if faults is None or not is_row_fault(exc):
            raise
    sound = []
    for row in found:
        try:
            async with tx.savepoint():
                sound += await _subjects(tx, [row])
        except Exception as exc:
            if not is_row_fault(exc):
                raise
            if faults.is_new(exc, row.id):
                log.error(Line("message cannot be updated", message=row.id, error=fault_words(exc)))
            if row.error != fault_words(exc):
                await queue.change(tx, row.id, error=fault_words(exc))
    return sound


async def _subjects(tx: Tx, found: Sequence[OutboxRow]) -> list[Subject]:
    members = await rows.with_ids(tx, [member for row in found for member in row.members])
    followed = await rows.followed_by(tx, members)
    return [
        Subject(
            row,
            members=_readable(tx, row, members | (followed if row.shape in ROOTS else {})),
            incident=await memory.incident(tx, row.id) if row.shape is Shape.HEALTH else None,
            root=await queue.get(tx, row.root_id) if row.root_id else None,
        )
        for row in found
    ]


def _readable(tx: Tx, row: OutboxRow, members: Mapping[str, Episode]) -> tuple[Episode, ...]:
    """Return the members of a row that can be read.

    Raises:
        UnreadableError: there are members, and none can be read. The message must not look out of date.
    """
    readable = tuple(members[member] for member in row.members if member in members)
    if not readable and any(member in tx.unreadable for member in row.members):
        raise UnreadableError
    return readable


def digest_of(message: Message) -> str:
    """What tells two renderings apart."""
    content = json.dumps([message.text, list(message.blocks)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def word_of(outcome: object) -> str:
    """An outcome in a word, for the metrics."""
    return type(outcome).__name__.lower()


def brief(outcome: object) -> dict[str, str | None]:
    """An outcome in the fields of a log line."""
    return {"outcome": word_of(outcome), "error": getattr(outcome, "error", None)}
