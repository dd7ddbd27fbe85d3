"""The boards behind `fixtures/messages/home-*.json`: accounts, owners, status and person of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.accounts import Snapshot
from bot.actions import HomeList
from bot.alerting.episode import EpisodeState, UserAction
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.blocks.channel.incident_notices import explain_old_states
from bot.blocks.context import RenderContext
from bot.blocks.home import notices
from bot.blocks.home.board import board, unavailable
from bot.blocks.home.home_view import HomeUser
from bot.health.facts import HealthFacts
from bot.operations.operation import Availability
from bot.ports import View
from bot.status import OperationsStatus, Status
from tests.accounts import account
from tests.conftest import NOW
from tests.episodes import episode
from tests.samples import CHEN, CONTEXT, DUE, EVE, FORTY, HUNDRED, LEADS, NO_DEADLINE, NOON, patient, reading
from wechat_kf import KfAccount, TransportError

MINUTE = timedelta(minutes=1)
LIN_AND_LEADS = ("U0LIN", "S0LEADS")
STATUS = Status(
    "1.4.0",
    HealthFacts(NOW, polled_at=NOW, started_at=NOW - timedelta(days=1)),
    store="PostgreSQL",
    processes=2,
    channel="C0CARE",
    leads=LEADS,
    operations=OperationsStatus(Availability.ON, LIN_AND_LEADS),
)
VIEWER, OPERATOR = HomeUser("U0LIN"), HomeUser("U0LIN", is_operator=True)
BY_LIN = UserAction("U0LIN", "lin", NOW - 25 * MINUTE)
SEATS = [account(f"anna{number}", kf_nick=f"Anna {number}", kf_wx="anna_wx") for number in range(9)] + [
    account(f"kf{2020 + number}", kf_nick=f"Seat {2000 + number}", kf_wx=f"wx_person_{number:02}")
    for number in range(80)
]
CROWD = (*SEATS, *DUE, EVE, NOON, *patient(4))
DOWN = TransportError("GET /cgi-bin/customservice/getkflist: ReadTimeout", attempts=3, timed_out=True)


def owned(snapshot: Snapshot, *seats: KfAccount, by: UserAction = BY_LIN) -> Snapshot:
    """Return a read in which a person has acknowledged these invitations."""
    episodes = [
        episode(
            EpisodeState.REJECTED,
            account_key=seat.key,
            invite_wx=seat.invitation.invite_wx if seat.invitation else "",
            expires_at=seat.invitation.expires_at if seat.invitation else None,
            acked=by,
        )
        for seat in seats
    ]
    return snapshot.with_owners(episodes, CONTEXT.policy)


def due(context: RenderContext) -> View:
    return board(owned(reading(*FORTY), CHEN), STATUS, OPERATOR, HomeList(), context)


def calm(context: RenderContext) -> View:
    return board(owned(reading(*HUNDRED), NO_DEADLINE), STATUS, VIEWER, HomeList(), context)


def hundred(context: RenderContext) -> View:
    return board(owned(reading(*CROWD), CHEN), STATUS, OPERATOR, HomeList("all", 2), context)


def down(context: RenderContext) -> View:
    """Return the board of the last good read, twenty minutes old."""
    incident = Incident("1", Cause.SOURCE_DOWN, NOW, ErrorDetails.of(DOWN))
    status = replace(STATUS, facts=replace(STATUS.facts, incident=incident))
    last = replace(owned(reading(*FORTY), CHEN), at=NOW - 20 * MINUTE)
    why = explain_old_states(DOWN, context)
    return unavailable(why, last, status, VIEWER, HomeList(), NOW, context)


def empty(context: RenderContext) -> View:
    return board(reading(), STATUS, OPERATOR, HomeList(), context)


def wait(context: RenderContext) -> View:
    return notices.reading(HomeList(), context)


def refused(context: RenderContext) -> View:
    return notices.refused(LIN_AND_LEADS, VIEWER, HomeList(), context)


BOARDS = {
    "home-due": due,
    "home-calm": calm,
    "home-100": hundred,
    "home-down": down,
    "home-empty": empty,
    "home-reading": wait,
    "home-refused": refused,
}
