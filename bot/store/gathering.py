"""What two waiting messages would both tell: a gathered root shows its members as they are when it goes out.

Whichever is written down second links the other, in one transaction; which of them tells it is decided when its
turn comes. Attempts are counted, not times compared: the clocks of two machines may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from bot.outbox import LAST, Dead, Draft, Shape, Status
from bot.store import Tx, queue
from bot.store.queue import Row, row_of
from bot.store.tables import message

GATHERED = (Shape.DIGEST, Shape.FIRST_RUN, Shape.QUIET)
LINK = "gathered"  # in the facts of a message: the root that shows its news, too, and how often that was tried


async def link(tx: Tx, drafts: Sequence[Draft], tellers: Mapping[str, str]) -> None:
    """Link what calls people to the gathered roots that wait with it.

    Args:
        tellers: by draft id, the row that it became.
    """
    for draft in drafts:
        teller = tellers[draft.id]
        if draft.shape in GATHERED:
            root = await queue.get(tx, teller)
            for row in await _waiting(tx, sa.or_(message.c.shape == Shape.PROBLEM, message.c.broadcast), draft):
                if root and row.root_id != root.id:
                    await _link(tx, row, root)
        elif draft.shape is Shape.PROBLEM or draft.broadcast:
            caller = await queue.get(tx, teller)
            for one in await _waiting(tx, message.c.shape.in_(GATHERED), draft):
                if caller and one.id != draft.root_id:
                    await _link(tx, caller, one)


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
        await queue.finish(tx, row, status=Status.PENDING, broadcast=False, rank=LAST, facts=facts)


async def _waiting(tx: Tx, kind: sa.ColumnElement[bool], draft: Draft) -> list[Row]:
    """The messages of a kind that wait, or are under way, and tell of the same."""
    waits = message.c.status.in_((Status.PENDING, Status.SENDING))
    found = await tx.run(sa.select(message).where(message.c.appid == tx.appid, waits, kind))
    rows = [row_of(one) for one in found.mappings()]
    return [row for row in rows if not set(draft.members).isdisjoint(row.members)]


async def _link(tx: Tx, row: Row, root: Row) -> None:
    facts = {**row.facts, LINK: {"root": root.id, "posts": root.posts}}
    await tx.run(sa.update(message).where(message.c.id == row.id).values(facts=facts))
