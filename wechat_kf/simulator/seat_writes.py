"""The calls that change seats, with the documented refusals."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime

from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.seats import Seat, Seats

MAX_SEATS = 100
MAX_NICKNAME = 16  # characters
PREFIX = re.compile(r"[A-Za-z0-9_]{1,10}")
WECHAT_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{5,19}")


def add(seats: Seats, data: Mapping[str, object], *, suffix: str) -> None:
    """Add a seat, not yet bound, as kfaccount/add does."""
    kf_account, nickname = _argument(data, "kf_account"), _argument(data, "nickname")
    prefix, _, account = kf_account.partition("@")
    if account != suffix or not PREFIX.fullmatch(prefix):
        raise ErrcodeRefusal(65404)
    _check_nickname(nickname)
    if any(seat.kf_account == kf_account for seat in seats.seats):
        raise ErrcodeRefusal(65406)
    if len(seats.seats) >= MAX_SEATS:
        raise ErrcodeRefusal(65405)
    seats.add_account(kf_account, nickname)


def update(seats: Seats, data: Mapping[str, object]) -> None:
    """Rename a seat, as kfaccount/update does."""
    seat, nickname = _seat(seats, data), _argument(data, "nickname")
    _check_nickname(nickname)
    seats.rename(seat.key, nickname)


def delete(seats: Seats, data: Mapping[str, object]) -> None:
    """Delete a seat with its invitation, as kfaccount/del does."""
    seats.remove(_seat(seats, data).key)


def invite(
    seats: Seats, data: Mapping[str, object], now: datetime, *, expires_at: datetime, over_limit: Collection[str]
) -> None:
    """Invite as kfaccount/inviteworker does: one open invitation per person, and per unbound seat."""
    seat, invite_wx = _seat(seats, data), _argument(data, "invite_wx")
    if seat.kf_wx:
        raise ErrcodeRefusal(65412)
    if seats.is_waiting(seat, now):
        raise ErrcodeRefusal(65411)
    if not WECHAT_ID.fullmatch(invite_wx):
        raise ErrcodeRefusal(65409)
    if any(other.kf_wx == invite_wx for other in seats.seats):
        raise ErrcodeRefusal(65407)
    if any(other.invite_wx == invite_wx and seats.is_waiting(other, now) for other in seats.seats):
        raise ErrcodeRefusal(65408)
    if invite_wx in over_limit:
        raise ErrcodeRefusal(65410)
    seats.invite(seat.key, invite_wx, expires_at)


def _seat(seats: Seats, data: Mapping[str, object]) -> Seat:
    kf_account = _argument(data, "kf_account")
    for seat in seats.seats:
        if kf_account and seat.kf_account == kf_account:
            return seat
    raise ErrcodeRefusal(65401)


def _check_nickname(nickname: str) -> None:
    if not nickname or len(nickname) > MAX_NICKNAME:
        raise ErrcodeRefusal(65403)


def _argument(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise ErrcodeRefusal(40097)
    return value
