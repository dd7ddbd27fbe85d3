"""A message row with all that its rendering needs, and whether it still has something to say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.blocks.channel import Look, render, text_only
from bot.episodes import Episode
from bot.outages import Incident
from bot.outbox import ROWS, URGENT, Dead, Shape, Status, still_true
from bot.ports import Message
from bot.store import Tx, memory, queue, rows
from bot.store.queue import Row


@dataclass(frozen=True, slots=True)
class Subject:
    """A row with all that its rendering needs."""

    row: Row
    members: tuple[Episode, ...] = ()
    incident: Incident | None = None
    root: Row | None = None

    @property
    def still_true(self) -> bool:
        if self.row.shape is Shape.HEALTH:
            return self.incident is not None and self.incident.over_at is None
        if self.row.shape is Shape.NAMES and self.root and len(self.root.members) <= ROWS:
            return False  # the digest itself shows them all
        return still_true(self.row.shape, self.row.facts, self.members)

    @property
    def told_by_root(self) -> bool:
        """The root went out after this line was written: it has shown the news itself."""
        if (
            self.row.shape not in (Shape.LINE, Shape.NOTE)
            or self.root is None
            or self.root.status is not Status.SENT
        ):
            return False
        return self.root.posts > int(self.row.facts.get("root_posts", self.root.posts))

    @property
    def urgent(self) -> bool:
        """Whether it is repeated rather than lost."""
        return self.row.own_rank <= URGENT

    @property
    def final(self) -> bool:
        """Nothing that it shows will change again."""
        if self.row.shape is Shape.HEALTH:
            return self.incident is None or self.incident.over_at is not None
        return all(member.state.closed for member in self.members)

    def view(self, look: Look) -> Message:
        """Render the row as its members stand, for an edit. It mentions nobody."""
        return self._render(look, pinging=False)

    def post(self, look: Look) -> Message:
        """Render the row as its members stand, for posting. It may call somebody."""
        return self._render(look, pinging=True)

    def _render(self, look: Look, *, pinging: bool) -> Message:
        row = self.row
        message = render(
            row.shape, row.facts, self.members, self.incident, look, message_id=row.id, pinging=pinging
        )
        return text_only(message, look.mention) if row.text_only else message


async def subjects(tx: Tx, found: Sequence[Row]) -> list[Subject]:
    """Look up what the rows are about."""
    members = await rows.with_ids(tx, [member for row in found for member in row.members])
    return [
        Subject(
            row,
            members=tuple(members[member] for member in row.members if member in members),
            incident=await memory.incident(tx, row.id) if row.shape is Shape.HEALTH else None,
            root=await queue.get(tx, row.root_id) if row.root_id else None,
        )
        for row in found
    ]


async def lose_root(tx: Tx, row: Row) -> None:
    """The thread of a line is gone: what calls people goes to the channel by itself, the rest has no place."""
    if row.broadcast:
        await queue.as_root(tx, row)
    else:
        await queue.dead(tx, row, Dead.UNTRUE)


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
