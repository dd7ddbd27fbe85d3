"""What two waiting messages would both tell: a gathered root shows its members as they are when it goes out.

Whichever is written down second links the other, in one transaction; which of them tells it is decided when its
turn comes. Attempts are counted, not times compared: the clocks of two machines may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.outbox import LAST, Dead, Draft, Shape, Status
from bot.store import Tx, queue
from bot.store.queue import Row, row_of
from bot.store.tables import message, told

GATHERED = (Shape.DIGEST, Shape.FIRST_RUN, Shape.QUIET)
LINK = "gathered"  # in the facts of a message: the root that shows its news, too, and how often that was tried
WAITS = "waits"  # in the facts of a message: how often it has waited to hear what became of such a root
PAUSE = timedelta(seconds=2)  # before it asks again
PATIENCE, LEASES = timedelta(minutes=1), 3  # the longer is how long it waits at the most
_CALLS = sa.or_(message.c.shape == Shape.PROBLEM, message.c.broadcast)


async def link(tx: Tx, drafts: Sequence[Draft], tellers: Mapping[str, str]) -> None:
    """Link what calls people to the gathered roots that wait with it.

    Args:
        tellers: by draft id, the row that it became.
    """
    for draft in drafts:
        teller = tellers[draft.id]
        if draft.shape in GATHERED:
            root = await queue.get(tx, teller)
            for row in await _waiting(tx, _CALLS, draft.members):
                if root and row.root_id != root.id:
                    await _link(tx, row, root.id, root.posts)
        elif draft.shape is Shape.PROBLEM or draft.broadcast:
            caller = await queue.get(tx, teller)
            for one in await _waiting(tx, message.c.shape.in_(GATHERED), draft.members):
                if caller and one.id != draft.root_id:
                    await _link(tx, caller, one.id, one.posts)


async def shown_elsewhere(tx: Tx, row: Row) -> bool:
    """Whether another root shows what this one would tell: it waits, or it went out after this was written."""
    link = row.facts.get(LINK)
    root = await queue.get(tx, link["root"]) if link else None
    if link is None or root is None:
        return False
    if root.status is Status.PENDING:
        return root.breakthrough or not row.breakthrough  # what may be told at night does not wait for the morning
    return root.status is not Status.DEAD and root.posts > link["posts"]


async def leave(tx: Tx, row: Row) -> None:
    """Let the other tell it. A line still belongs into its thread, where it calls nobody."""
    if row.root_id is None:
        await queue.dead(tx, row, Dead.TOLD)
    else:
        facts = {name: value for name, value in row.facts.items() if name not in (LINK, "call")}
        await queue.finish(
            tx, row, status=Status.PENDING, posts=row.posts - 1, broadcast=False, rank=LAST, facts=facts
        )


async def is_open_elsewhere(tx: Tx, row: Row) -> bool:
    """Whether it should wait for a gathered root that tells of the same, and that may or may not have arrived.

    If it did not, it is sent again, and shows its members as they are by then: what was told meanwhile, too.
    """
    if row.shape not in (Shape.PROBLEM, Shape.DIGEST) and not row.broadcast:
        return False
    waited = row.facts.get(WAITS, 0) * PAUSE  # not by the clock: nothing is looked up while no process runs
    return any(
        root.status is Status.SENDING and root.id not in (row.id, row.root_id) and waited < _patience(root)
        for root in await _waiting(tx, message.c.shape.in_(GATHERED), row.members)
    )


async def wait(tx: Tx, row: Row, now: datetime) -> None:
    """Put it off until more may be known of the other."""
    facts = {**row.facts, WAITS: row.facts.get(WAITS, 0) + 1}
    await queue.put_back(tx, row, now + PAUSE, "another may have told it", facts=facts)


def _patience(root: Row) -> timedelta:
    """Both looks are over by then, unless Slack does not let us look."""
    if root.started_at is None or root.lookable_from is None:
        return timedelta(0)
    return max(PATIENCE, LEASES * (root.lookable_from - root.started_at))


async def take_up(tx: Tx, row: Row) -> Row:
    """Let a digest that is about to go out tell what others that wait would tell of the same.

    What waits for the end of quiet hours is told with it: the channel is called anyway.
    """
    if row.shape is not Shape.DIGEST:
        return row
    for other in await _waiting(tx, message.c.shape == Shape.DIGEST, row.members):
        if other.status is Status.PENDING:
            row = await _merge(tx, row, other)
    return row


async def _merge(tx: Tx, row: Row, other: Row) -> Row:
    """Everything that belongs to the other is this one's from now on: members, marks, threads, links."""
    one = replace(
        row,
        members=tuple(dict.fromkeys([*row.members, *other.members])),
        events=tuple(dict.fromkeys([*row.events, *other.events])),
        facts={**other.facts, **row.facts},
        breakthrough=row.breakthrough or other.breakthrough,
    )
    grown = {"members": list(one.members), "events": list(one.events), "facts": one.facts}
    await tx.run(_of(row.id).values(**grown, breakthrough=one.breakthrough))
    await tx.run(_of(other.id).values(status=Status.DEAD, reason=Dead.TOLD))
    await tx.run(sa.update(told).where(told.c.message_id == other.id).values(message_id=row.id))
    before = row.posts - 1  # it has not gone out yet: what waits now, it shows
    for line in map(row_of, (await tx.run(sa.select(message).where(message.c.root_id == other.id))).mappings()):
        facts = {**line.facts, "root_posts": before}
        await tx.run(_of(line.id).values(root_id=row.id, facts=facts))
        if line.shape is Shape.NAMES:
            await _name_once(tx, line, row)
    for caller in await _waiting(tx, _CALLS, one.members):
        if caller.root_id != row.id:
            await _link(tx, caller, row.id, before)
    return one


async def _name_once(tx: Tx, names: Row, row: Row) -> None:
    """The thread of this root names its own members already."""
    left = [member for member in names.members if member not in row.members]
    values = {"members": left} if left else {"status": Status.DEAD, "reason": Dead.TOLD}
    await tx.run(_of(names.id).values(**values))


async def _waiting(tx: Tx, kind: sa.ColumnElement[bool], members: Sequence[str]) -> list[Row]:
    """The messages of a kind that wait, or are under way, and tell of any of these."""
    waits = message.c.status.in_((Status.PENDING, Status.SENDING))
    found = await tx.run(sa.select(message).where(message.c.appid == tx.appid, waits, kind))
    rows = [row_of(one) for one in found.mappings()]
    return [row for row in rows if not set(members).isdisjoint(row.members)]


async def _link(tx: Tx, row: Row, root_id: str, posts: int) -> None:
    await tx.run(_of(row.id).values(facts={**row.facts, LINK: {"root": root_id, "posts": posts}}))


def _of(message_id: str) -> sa.Update:
    return sa.update(message).where(message.c.id == message_id)
