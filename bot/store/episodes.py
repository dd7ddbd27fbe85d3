"""Episode rows, and the events that were emitted of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.alerting.deadlines import next_timer
from bot.alerting.episode import (
    AlertEvent,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    Episode,
    EpisodeState,
    Operated,
    OperationStage,
    UserAction,
    with_successor,
)
from bot.operations.account_history import PastEpisode
from bot.outbox.messages import MessageKind, MessageStatus, Parent
from bot.store import outbox, published
from bot.store.database import Tx, UnreadableRow
from bot.store.sanitizing import sanitize_key, sanitize_text
from bot.store.tables import Moment, emitted_event, episode, message, poll_state

INVITATION = "invitation"
_one = episode.alias("one")
_OPEN = tuple(state for state in EpisodeState if not state.closed)
_CONVERTED = ("events", "state", "acked", "snoozed", "operated", "replaced_at")
_COPIED = tuple(name for name in Episode.__slots__ if name not in _CONVERTED)


async def latest(tx: Tx, keys: Iterable[str]) -> list[Episode]:
    """Return the newest episodes of these accounts, and all open ones: their accounts may be gone."""
    return await _read(tx, _LATEST, keys=list(keys))


def _select_ids(*where: sa.ColumnElement[bool]) -> sa.Select[tuple[str]]:
    mine = _one.c.appid == sa.bindparam("appid")
    return sa.select(_one.c.id).where(mine, _one.c.kind == INVITATION, *where)


def _select_episodes(ids: sa.SelectBase | sa.BindParameter[str]) -> sa.Select[Any]:
    return sa.select(episode).where(episode.c.id.in_(ids))


def parents_of(ids: Sequence[str] | sa.BindParameter[str]) -> sa.Select[tuple[str]]:
    """Select the parent messages that show these episodes, themselves or by a reply in their thread."""
    carrier = message.alias("teller")
    return (
        sa.select(sa.func.coalesce(carrier.c.parent_id, carrier.c.id))
        .join(emitted_event, emitted_event.c.message_id == carrier.c.id)
        .where(emitted_event.c.episode_id.in_(ids))
    )


# The statements of each poll, of each answer and of each pass over the queue are built once.
_IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_WITH_IDS = _select_episodes(_IDS)
_EVENTS = sa.select(emitted_event).where(emitted_event.c.episode_id.in_(_IDS)).order_by(emitted_event.c.at)
# Two queries with an index each: as one condition, SQLite would scan every account that ever existed.
_LATEST = _select_episodes(
    _select_ids(_one.c.is_latest, _one.c.account_key.in_(sa.bindparam("keys", expanding=True))).union(
        _select_ids(_one.c.is_latest, _one.c.state.in_(_OPEN))
    )
)
_OWNED = _select_episodes(
    _select_ids(
        _one.c.is_latest,
        _one.c.state.in_(_OPEN),
        sa.or_(_one.c.acked.is_not(None), _one.c.snoozed.is_not(None)),
    )
)
# Not queried as pairs, for which SQLite uses no index.
_PREVIOUS = _select_episodes(
    _select_ids(
        sa.not_(_one.c.is_latest),
        _one.c.account_key.in_(sa.bindparam("keys", expanding=True)),
        _one.c.invite_wx.in_(sa.bindparam("users", expanding=True)),
    )
)
_WITH_DUE_TIMERS = _select_episodes(
    _select_ids(_one.c.is_latest, _one.c.next_timer_at <= sa.bindparam("now", type_=Moment()))
)
_UPDATE = sa.update(episode).where(episode.c.id == sa.bindparam("saved_id"))
_FORGET_DIGEST = (
    sa.update(poll_state).where(poll_state.c.appid == sa.bindparam("of_appid")).values(rows_digest=None)
)
_PREDECESSORS = sa.select(episode.c.id).where(episode.c.successor_id.in_(_IDS))
_REOPEN = published.reopening(parents_of(_IDS))
_REQUEUE = outbox.requeuing(sa.select(emitted_event.c.message_id).where(emitted_event.c.episode_id.in_(_IDS)))
_parent = message.alias("root")
_PARENTS = (
    sa.select(emitted_event.c.episode_id, _parent.c.id, _parent.c.kind, _parent.c.is_deleted)
    .join(message, message.c.id == emitted_event.c.message_id)
    .join(_parent, _parent.c.id == sa.func.coalesce(message.c.parent_id, message.c.id))
    .where(emitted_event.c.episode_id.in_(_IDS), _parent.c.status != MessageStatus.DEAD)
    # Later rows overwrite earlier ones, so the own alert must come last.
    .order_by(sa.case((_parent.c.kind == MessageKind.ALERT, 1), else_=0), _parent.c.created_at)
)


async def previous(tx: Tx, pairs: Sequence[tuple[str, str]]) -> list[Episode]:
    """Return the earlier episodes of these pairs of account key and `invite_wx`."""
    if not pairs:
        return []
    keys, users = (list(dict.fromkeys(parts)) for parts in zip(*pairs, strict=True))
    found = await _read(tx, _PREVIOUS, keys=keys, users=users)
    return [one for one in found if (one.account_key, one.invite_wx) in pairs]


async def with_due_timers(tx: Tx, now: datetime) -> list[Episode]:
    """Return the episodes whose timer is due."""
    return await _read(tx, _WITH_DUE_TIMERS, now=now)


async def snoozed(tx: Tx) -> list[Episode]:
    """Return the snoozed invitations, by the end of the snooze."""
    is_snoozed = sa.and_(_one.c.is_latest, _one.c.state == EpisodeState.WAITING, _one.c.snoozed.is_not(None))
    found = await _read(tx, _select_episodes(_select_ids(is_snoozed)))
    return sorted(found, key=lambda one: (one.snoozed and one.snoozed.until) or one.first_seen)


async def owned(tx: Tx) -> list[Episode]:
    """Return the newest episodes, open or with a problem, that a user acknowledged or snoozed."""
    return await _read(tx, _OWNED)


async def of_account(tx: Tx, account_key: str, limit: int) -> list[PastEpisode]:
    """Return the invitations of an account, newest first, at most `limit`."""
    ids = (
        _select_ids(_one.c.account_key == sanitize_key(account_key))
        .order_by(_one.c.first_seen.desc(), _one.c.id)
        .limit(limit)
    )
    found = {one.id: one for one in await _read(tx, _select_episodes(ids))}
    reported: dict[str, dict[AlertKind, datetime]] = {}
    if found:
        for row in await tx.run(_EVENTS, {"ids": list(found)}):
            if row.episode_id in found:
                reported.setdefault(row.episode_id, {}).setdefault(AlertKind(row.kind), row.at)
    newest = sorted(found.values(), key=lambda one: (one.first_seen, one.id), reverse=True)
    return [PastEpisode(one, reported.get(one.id, {})) for one in newest]


async def record_emitted(tx: Tx, carriers: Mapping[tuple[str, AlertEvent], str | None], now: datetime) -> None:
    """Record emitted events, and the message of each; None if that message is not edited any more."""
    for (episode_id, event), message_id in carriers.items():
        await tx.run(sa.insert(emitted_event), _emitted(episode_id, event, message_id, now))


async def get_many(tx: Tx, ids: Iterable[str], *, of_any: bool = False) -> dict[str, Episode]:
    """Return by id those of the episodes that are of the account, or `of_any` account."""
    wanted = list(dict.fromkeys(ids))
    found = await _read(tx, _WITH_IDS, of_any=of_any, ids=wanted) if wanted else ()
    return {one.id: one for one in found}


async def appids_of(tx: Tx, ids: Iterable[str]) -> dict[str, str]:
    """Return by id the AppIDs of episodes, of whichever account."""
    found = sa.select(episode.c.id, episode.c.appid).where(episode.c.id.in_(_IDS), episode.c.kind == INVITATION)
    return {row.id: row.appid for row in await tx.run(found, {"ids": list(dict.fromkeys(ids))})}


async def followed_by(tx: Tx, episodes: Mapping[str, Episode], *, of_any: bool = False) -> dict[str, Episode]:
    """Return those of the episodes that were replaced, as a message shows them, by id."""
    known = dict(episodes)
    replaced = {one.id: one for one in episodes.values() if one.state is EpisodeState.REPLACED and one.successor_id}
    newest = replaced
    while wanted := {one.successor_id for one in newest.values()} - known.keys():
        newest = await get_many(tx, wanted, of_any=of_any)
        known |= newest
        newest = {one.id: one for one in newest.values() if one.state is EpisodeState.REPLACED and one.successor_id}
    return {
        one.id: with_successor(one, last) for one in replaced.values() if (last := _last(one, known)) is not one
    }


def _last(episode: Episode, known: Mapping[str, Episode]) -> Episode:
    """Follow the successors of an episode to the newest that is known."""
    passed = {episode.id}
    while episode.state is EpisodeState.REPLACED and episode.successor_id in known.keys() - passed:
        episode = known[episode.successor_id]
        passed.add(episode.id)
    return episode


async def _predecessors(tx: Tx, ids: Collection[str]) -> list[str]:
    """Return the ids of the episodes that these replaced, and of those before them."""
    found, newest = list[str](), set(ids)
    while newest:
        before = await tx.run(_PREDECESSORS, {"ids": list(newest)})
        newest = {row.id for row in before} - {*found, *ids}
        found += newest
    return found


async def _read(tx: Tx, query: sa.Select[Any], *, of_any: bool = False, **parameters: object) -> list[Episode]:
    """Read the episodes that a query finds, with their events. `tx.unreadable` gets the unreadable ones."""
    rows = (await tx.run(query, {"appid": tx.appid, **parameters})).mappings()
    # Not in the query: SQLite would use the index of the account instead of the ids.
    found = {row["id"]: row for row in rows if row["kind"] == INVITATION and (of_any or row["appid"] == tx.appid)}
    events: dict[str, list[sa.RowMapping]] = {}
    if found:
        for row in (await tx.run(_EVENTS, {"ids": list(found)})).mappings():
            events.setdefault(row["episode_id"], []).append(row)
    episodes = []
    for row in found.values():
        try:
            episodes.append(_episode(row, events.get(row["id"], ())))
        except Exception as exc:  # from a newer release, or damaged: read the others
            tx.unreadable[row["id"]] = UnreadableRow(row["account_key"], exc)
    return episodes


def _episode(row: sa.RowMapping, emitted: Sequence[sa.RowMapping]) -> Episode:
    events = (
        AlertEvent(AlertKind(one["kind"]), timedelta(seconds=one["lead_seconds"]), Disposition(one["disposition"]))
        for one in emitted
    )
    return Episode(
        **{name: row[name] for name in _COPIED},
        state=EpisodeState(row["state"]),
        acked=user_action(row["acked"]),
        snoozed=user_action(row["snoozed"]),
        operated=_operated(row["operated"]),
        events=tuple(events),
    )


async def parents(tx: Tx, ids: Iterable[str]) -> dict[str, Parent]:
    """Return, by episode id, the parent message that shows it: its own alert, or the newest group message."""
    wanted = list(ids)
    if not wanted:
        return {}
    return {
        row.episode_id: Parent(id=row.id, kind=MessageKind(row.kind), is_deleted=row.is_deleted)
        for row in await tx.run(_PARENTS, {"ids": wanted})
    }


async def save(
    tx: Tx,
    changes: Sequence[Change],
    carriers: Mapping[tuple[str, AlertEvent], str],
    policy: AlertPolicy,
    now: datetime,
) -> None:
    """Save the new states of episodes, and their emitted events.

    Args:
        carriers: by (episode id, event), the id of the message that reports it.

    Raises:
        sqlalchemy.exc.IntegrityError: one of the events was emitted before; no event is reported twice.
    """
    if not changes:
        return  # as after most first polls
    # The list with this digest fitted the old states.
    await tx.run(_FORGET_DIGEST, {"of_appid": tx.appid})
    for change in changes:
        after = change.after
        values: dict[str, Any] = {name: getattr(after, name) for name in _COPIED}
        values |= {"state": after.state, "next_timer_at": next_timer(after, policy)}
        values |= {"acked": _detail(after.acked), "snoozed": _detail(after.snoozed)}
        values["operated"] = _operated_json(after.operated)
        if change.before is None:
            await tx.run(sa.insert(episode), {**values, "appid": tx.appid, "kind": INVITATION})
        else:
            await tx.run(_UPDATE, {**values, "saved_id": after.id})
        for event in change.new_events:
            await tx.run(sa.insert(emitted_event), _emitted(after.id, event, carriers.get((after.id, event)), now))
    updated = [change.after.id for change in changes if change.before is not None]
    if not updated:
        return
    reopened = [one.after.id for one in changes if one.before and one.before.closed and not one.after.closed]
    await tx.run(_REOPEN, {"ids": [*updated, *await _predecessors(tx, reopened)]})
    # A message dropped as obsolete may be true again. If not, it is dropped again when it is claimed.
    await tx.run(_REQUEUE, {"ids": updated})


def _emitted(episode_id: str, event: AlertEvent, message_id: str | None, now: datetime) -> dict[str, object]:
    return {
        "episode_id": episode_id,
        "kind": event.kind,
        "lead_seconds": int(event.lead.total_seconds()),
        "disposition": event.disposition,
        "at": now,
        "message_id": message_id,
    }


def _detail(action: UserAction | None) -> dict[str, Any] | None:
    if action is None:
        return None
    until = action.until.timestamp() if action.until else None
    user = {"user": sanitize_text(action.user_id), "name": sanitize_text(action.name), "batch": action.batch}
    return {**user, "at": action.at.timestamp(), "until": until}


def user_action(detail: Mapping[str, Any] | None) -> UserAction | None:
    """Read an acknowledgement or a snooze as `save` stores it."""
    if detail is None:
        return None
    until = datetime.fromtimestamp(detail["until"], UTC) if detail["until"] else None
    at = datetime.fromtimestamp(detail["at"], UTC)
    return UserAction(detail["user"], detail["name"], at, until, detail["batch"])


def _operated_json(operated: Operated | None) -> dict[str, Any] | None:
    if operated is None:
        return None
    return {
        "id": operated.operation_id,
        "kind": operated.kind,
        "user": sanitize_text(operated.user_id),
        "name": sanitize_text(operated.name),
        "at": operated.at.timestamp(),
        "invite_wx": sanitize_text(operated.invite_wx),
        "stage": operated.stage,
    }


def _operated(stored: Mapping[str, Any] | None) -> Operated | None:
    if stored is None:
        return None
    return Operated(
        stored["id"],
        stored["kind"],
        stored["user"],
        stored["name"],
        datetime.fromtimestamp(stored["at"], UTC),
        stored["invite_wx"],
        OperationStage(stored["stage"]),
    )
