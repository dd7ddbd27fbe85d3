"""What two waiting messages would both tell: a gathered root shows its members as they are when it goes out.

Whichever is written down second links the other, in one transaction; which of them tells it is decided when its
turn comes. Attempts are counted, not times compared: the clocks of two machines may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.outbox import LAST, Dead, Draft, OutboxRow, Shape, Status
from bot.store import Tx, queue
from bot.store.queue import rows_of
from bot.store.tables import message

GATHERED = (Shape.DIGEST, Shape.FIRST_RUN, Shape.QUIET)
LINK = "gathered"  # in the facts of a message: the root that shows its news, too, and how often that was tried
WAITS = "waits"  # in the facts of a message: how often it has waited to hear what became of such a root
PAUSE = timedelta(seconds=5)  # before it asks again: what is only put off does not hurry the delivery
PATIENCE, LEASES = timedelta(minutes=1), 3  # the longer is how long it waits at the most
CALLS = sa.or_(message.c.shape == Shape.PROBLEM, message.c.broadcast)


async def link(tx: Tx, drafts: Sequence[Draft], tellers: Mapping[str, str]) -> None:
    """Link what calls people to the gathered roots that wait with it.

    Args:
        tellers: by draft id, the row that it became.
    """
    for draft in drafts:
        teller = tellers[draft.id]
        if draft.shape in GATHERED:
            root = await queue.get(tx, teller)
            for row in await waiting(tx, CALLS, draft.members):
                if root and row.root_id != root.id:
                    await link_to(tx, row, root.id, root.posts)
        elif draft.shape is Shape.PROBLEM or draft.broadcast:
            caller = await queue.get(tx, teller)
            for one in await waiting(tx, message.c.shape.in_(GATHERED), draft.members):
                if caller and one.id != draft.root_id:
                    await link_to(tx, caller, one.id, one.posts)


async def shown_elsewhere(tx: Tx, row: OutboxRow, *, at_night: bool) -> bool:
    """Whether another root shows what this one would tell: it waits, or it went out after this was written."""
    link = row.facts.get(LINK)
    root = await queue.get(tx, link["root"], lock=True) if link else None
    if link is None or root is None:
        return False
    if root.status is Status.PENDING:
        return not root.is_suspect and _may_be_told(row, root, at_night)
    return root.status is not Status.DEAD and root.posts > link["posts"]


def _may_be_told(row: OutboxRow, root: OutboxRow, at_night: bool) -> bool:
    """Whether a root that waits is told as soon: what may be told at night does not wait for the morning."""
    return not at_night or root.breakthrough or not row.breakthrough


async def leave(tx: Tx, row: OutboxRow, now: datetime) -> None:
    """Let the other tell it, as urgently as this one would. A line still goes into its thread, calling nobody."""
    root = await queue.get(tx, row.facts[LINK]["root"])
    events = list(row.events)
    if root and root.status in (Status.PENDING, Status.SENDING):
        rank = root.rank - root.own_rank + min(root.own_rank, row.own_rank)
        await queue.change(tx, root.id, rank=rank)
    if root and root.status is Status.PENDING:
        marks = list(dict.fromkeys([*root.events, *events]))
        await queue.change(tx, root.id, events=marks, not_before=now)
        events = [] if row.root_id else events  # one mark stands in one message
    untried = {"posts": row.posts - 1, "events": events}
    if row.root_id is None:
        await queue.finish(tx, row, status=Status.DEAD, reason=Dead.TOLD, **untried)
    else:
        facts = {name: value for name, value in row.facts.items() if name not in (LINK, "call")}
        await queue.finish(tx, row, status=Status.PENDING, broadcast=False, rank=LAST, facts=facts, **untried)


async def give_back(tx: Tx, root_id: str) -> None:
    """Queue again what was left to a root that is given up."""
    left = sa.and_(message.c.status == Status.DEAD, message.c.reason == Dead.TOLD)
    found = await tx.run(sa.select(message).where(message.c.appid == tx.appid, left))
    for row in rows_of(tx, found.mappings()):
        if row.facts.get(LINK, {}).get("root") == root_id:
            await queue.change(tx, row.id, status=Status.PENDING, reason=None)
            await give_back(tx, row.id)  # it had taken up others itself


async def should_wait(tx: Tx, row: OutboxRow, *, at_night: bool) -> bool:
    """Whether a gathered root tells of the same, and may or may not have arrived.

    If it did not, it is sent again, and shows its members as they are by then: what was told meanwhile, too. And
    the root of quiet hours, when its turn comes, takes up a digest that waits with it.
    """
    if row.shape not in (Shape.PROBLEM, Shape.DIGEST, Shape.QUIET) and not row.broadcast:
        return False
    waited = row.facts.get(WAITS, 0) * PAUSE  # not by the clock: nothing is looked up while no process runs
    return any(
        root.id not in (row.id, row.root_id) and _is_ahead(row, root, at_night) and waited < _patience(root)
        for root in await waiting(tx, message.c.shape.in_(GATHERED), row.members)
    )


def _is_ahead(row: OutboxRow, root: OutboxRow, at_night: bool) -> bool:
    if root.status is Status.SENDING:
        return True
    if root.shape is not Shape.QUIET or row.shape is not Shape.DIGEST:
        return False
    return not (root.is_suspect or row.is_suspect) and _may_be_told(row, root, at_night)


def _patience(root: OutboxRow) -> timedelta:
    """Both looks are over by then, unless Slack does not let us look."""
    if root.started_at is None or root.lookable_from is None:
        return PATIENCE
    return max(PATIENCE, LEASES * (root.lookable_from - root.started_at))


async def wait(tx: Tx, row: OutboxRow, now: datetime) -> None:
    """Put it off until more may be known of the other."""
    facts = {**row.facts, WAITS: row.facts.get(WAITS, 0) + 1}
    await queue.put_back(tx, row, now + PAUSE, "another may have told it", facts=facts)


async def waiting(tx: Tx, kind: sa.ColumnElement[bool], members: Sequence[str]) -> list[OutboxRow]:
    """The messages of a kind that wait, or are under way, and tell of any of these."""
    waits = message.c.status.in_((Status.PENDING, Status.SENDING))
    found = await tx.run(sa.select(message).where(message.c.appid == tx.appid, waits, kind))
    rows = rows_of(tx, found.mappings())
    return [row for row in rows if not set(members).isdisjoint(row.members)]


async def link_to(tx: Tx, row: OutboxRow, root_id: str, posts: int) -> None:
    """Note the root that shows its news, too, if it is tried more often than so."""
    await queue.change(tx, row.id, facts={**row.facts, LINK: {"root": root_id, "posts": posts}})
