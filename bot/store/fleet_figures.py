"""Figures and open invitations of several Official Accounts: a query for all, not one an account.

The AppIDs are the keys of `expiring_until`: for each, the latest deadline that counts as expiring by its policy. A
transaction of any account serves, because `tx.appid` is not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus, EpisodeState, UserAction
from bot.alerting.incidents import GOOD_POLLS, Incident
from bot.fleet_overview import InvitationPage, OpenInvitation, TenantFigures
from bot.store import incident_rows
from bot.store.conditions import among
from bot.store.database import Tx
from bot.store.episodes import INVITATION, user_action
from bot.store.tables import Moment, Notes, episode, poll_state

_OPEN = tuple(state for state in EpisodeState if not state.closed)


async def figures(tx: Tx, expiring_until: Mapping[str, datetime], now: datetime) -> dict[str, TenantFigures]:
    """Return the figures of these Official Accounts, by AppID."""
    counted = await _count(tx, expiring_until, now)
    known = await tx.run(_POLLED.where(among(tx, poll_state.c.appid, expiring_until)))
    polled = {row.appid: row for row in known.all()}
    # Good polls in a row have resolved the newest incident.
    suspect = {row.incident for row in polled.values() if row.incident and row.good_polls < GOOD_POLLS}
    incidents = await incident_rows.load_many(tx, suspect)
    return {appid: _figures(polled.get(appid), counted.get(appid, {}), incidents) for appid in expiring_until}


def _figures(
    polled: sa.Row[Any] | None, counted: Mapping[AccountStatus, sa.Row[Any]], incidents: Mapping[str, Incident]
) -> TenantFigures:
    counts = {status: row.number for status, row in counted.items()}
    acknowledged = sum(row.acknowledged for status, row in counted.items() if status in NEEDS_ATTENTION)
    if polled is None:
        return TenantFigures(counts=counts, acknowledged=acknowledged)
    incident = incidents.get(polled.incident) if polled.incident else None
    return TenantFigures(
        polled.accounts,
        polled.last_read_at,
        polled.failing_since if polled.failed_polls else None,
        incident if incident and not incident.resolved_at else None,
        counts,
        acknowledged,
    )


_POLLED = sa.select(
    *(poll_state.c[name] for name in ("appid", "accounts", "last_read_at", "failed_polls", "failing_since")),
    *(poll_state.c[name] for name in ("good_polls", "incident")),
)


async def open_invitations(
    tx: Tx,
    expiring_until: Mapping[str, datetime],
    now: datetime,
    states: Sequence[AccountStatus],
    *,
    number: int = 1,
    size: int = 10,
) -> InvitationPage:
    """Return a page, counted from 1, of the accounts in these states, worst and oldest first.

    A page that does not exist is the last one.
    """
    current = _current(tx, expiring_until, now)
    wanted = current.c.status.in_([*states])
    counting = sa.select(sa.func.count()).select_from(current).where(wanted)
    total = int((await tx.run(counting)).scalar_one())
    number = max(1, min(number, -(-total // size)))
    page = sa.select(current).where(wanted).order_by(*_order(current)).limit(size).offset((number - 1) * size)
    rows = [_invitation(row) for row in await tx.run(page)] if total else []
    read = await tx.run(
        sa.select(
            sa.func.count(poll_state.c.last_read_at).label("number"),
            sa.func.min(poll_state.c.last_read_at).label("oldest"),
        ).where(among(tx, poll_state.c.appid, expiring_until))
    )
    times = read.one()
    return InvitationPage(rows, number, total, times.oldest, never_read=len(expiring_until) - times.number)


async def _count(
    tx: Tx, expiring_until: Mapping[str, datetime], now: datetime
) -> dict[str, dict[AccountStatus, sa.Row[Any]]]:
    """Count the open invitations, and the acknowledged ones among them, by AppID and status."""
    current = _current(tx, expiring_until, now)
    query = sa.select(
        current.c.appid,
        current.c.status,
        sa.func.count().label("number"),
        sa.func.count(current.c.acked).label("acknowledged"),
    ).group_by(current.c.appid, current.c.status)
    counted: dict[str, dict[AccountStatus, sa.Row[Any]]] = {}
    for row in (await tx.run(query)).all():
        counted.setdefault(row.appid, {})[AccountStatus(row.status)] = row
    return counted


def _current(tx: Tx, expiring_until: Mapping[str, datetime], now: datetime) -> sa.Subquery:
    """Select the open invitations of these Official Accounts, with the status that each has now.

    WeChat reports late that a deadline has passed, so the clock decides.
    """
    waits = episode.c.state == EpisodeState.WAITING
    status = sa.case(
        (sa.and_(waits, episode.c.expires_at <= now), AccountStatus.EXPIRED.value),
        (sa.and_(waits, episode.c.expires_at <= _latest(tx, expiring_until)), AccountStatus.EXPIRING.value),
        else_=episode.c.state,
    )
    return (
        sa.select(
            *(episode.c[name] for name in ("id", "appid", "account_key", "kf_account", "kf_nick", "kf_id")),
            *(episode.c[name] for name in ("invite_wx", "expires_at", "state_since")),
            *(sa.type_coerce(episode.c[name], Notes).label(name) for name in ("acked", "snoozed")),
            status.label("status"),
        )
        .where(
            among(tx, episode.c.appid, expiring_until),
            episode.c.kind == INVITATION,
            episode.c.is_latest,
            episode.c.state.in_(_OPEN),
        )
        .subquery()
    )


def _latest(tx: Tx, expiring_until: Mapping[str, datetime]) -> sa.ColumnElement[datetime]:
    """Return the latest deadline of an episode that counts as expiring. Most installations have one for all."""
    appids: dict[datetime, list[str]] = {}
    for appid, until in expiring_until.items():
        appids.setdefault(until, []).append(appid)
    if len(appids) < 2:
        return sa.literal(next(iter(appids), None), Moment)
    return sa.case(
        *((among(tx, episode.c.appid, those), sa.literal(until, Moment)) for until, those in appids.items())
    )


def _order(current: sa.Subquery) -> Sequence[sa.ColumnElement[Any]]:
    """Order by state, then by the nearest deadline, or by the time at which the state was noticed."""
    place = sa.case({state.value: place for place, state in enumerate(AccountStatus)}, value=current.c.status)
    open_still = current.c.status.in_((AccountStatus.EXPIRING, AccountStatus.WAITING))
    when = sa.case((open_still, current.c.expires_at), else_=current.c.state_since)
    return place, when.nulls_last(), current.c.appid, current.c.id


def _invitation(row: sa.Row[Any]) -> OpenInvitation:
    return OpenInvitation(
        **{name: getattr(row, name) for name in OpenInvitation.__slots__ if name not in ("status", "owner")},
        status=AccountStatus(row.status),
        owner=_owner(row.acked) or _owner(row.snoozed),
    )


def _owner(stored: Any) -> UserAction | None:
    """Read the user who acknowledged or snoozed; None if a newer release wrote it, or it is damaged."""
    with suppress(TypeError, ValueError, KeyError, OverflowError, OSError):
        return user_action(stored)
    return None
