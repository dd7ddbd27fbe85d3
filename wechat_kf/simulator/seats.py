"""The seats of one account, with the actions of people in the console and the app. No rules of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(slots=True)
class Seat:
    """One seat as WeChat stores it. Empty text and 0 stand for missing values."""

    kf_account: str
    kf_nick: str
    kf_id: int
    kf_headimgurl: str = ""
    kf_openid: str = ""
    kf_wx: str = ""
    invite_wx: str = ""
    invite_expire_time: int = 0  # Unix seconds
    invite_status: str = ""
    status: int = 0  # 0 offline, 1 logged in to the web client
    accepted_case: int = 0

    @property
    def key(self) -> str:
        return self.kf_account or self.kf_openid or str(self.kf_id)


class Seats:
    """All seats, in the order in which they were added.

    WeChat marks an expired invitation late: `waiting` becomes `expired` only `status_lag` after the deadline.
    Methods raise KeyError for an unknown key, and ValueError if the seat has no invitation.
    """

    def __init__(self, *, status_lag: timedelta = timedelta(0)) -> None:
        self.status_lag = status_lag
        self._seats: list[Seat] = []
        self._last_kf_id = 2000

    @property
    def seats(self) -> tuple[Seat, ...]:
        return tuple(self._seats)

    def copy_seats(self) -> Seats:
        """Return a copy that later changes do not affect."""
        copy = Seats(status_lag=self.status_lag)
        copy._seats = [replace(seat) for seat in self._seats]
        copy._last_kf_id = self._last_kf_id
        return copy

    def seat(self, key: str) -> Seat:
        """Return the seat with this `Seat.key`."""
        for seat in self._seats:
            if seat.key == key:
                return seat
        raise KeyError(key)

    def add_account(
        self, kf_account: str, kf_nick: str, *, kf_wx: str = "", kf_openid: str = "", kf_headimgurl: str = ""
    ) -> Seat:
        """Add a seat, bound at once if `kf_wx` is given."""
        self._last_kf_id += 1
        seat = Seat(kf_account, kf_nick, self._last_kf_id, kf_headimgurl, kf_openid, kf_wx)
        self._seats.append(seat)
        return seat

    def rename(self, key: str, kf_nick: str) -> None:
        self.seat(key).kf_nick = kf_nick

    def invite(self, key: str, invite_wx: str, expires_at: datetime | None) -> None:
        """Send an invitation; without `expires_at` the row has no deadline."""
        seat = self.seat(key)
        seat.invite_wx = invite_wx
        seat.invite_expire_time = int(expires_at.timestamp()) if expires_at else 0
        seat.invite_status = "waiting"

    def accept(self, key: str) -> None:
        """Bind the invited person, and remove the invitation from the row."""
        seat = self._invited(key)
        seat.kf_wx = seat.invite_wx
        seat.invite_wx, seat.invite_expire_time, seat.invite_status = "", 0, ""

    def reject(self, key: str) -> None:
        self._invited(key).invite_status = "rejected"

    def expire(self, key: str) -> None:
        """Mark the invitation as expired, regardless of its deadline."""
        self._invited(key).invite_status = "expired"

    def relabel(self, key: str, invite_status: str) -> None:
        """Set the status of the invitation to any word, as a later version of the API may."""
        self._invited(key).invite_status = invite_status

    def withdraw(self, key: str) -> None:
        """Remove the invitation from the seat, without a trace."""
        seat = self._invited(key)
        seat.invite_wx, seat.invite_expire_time, seat.invite_status = "", 0, ""

    def unbind(self, key: str) -> None:
        self.seat(key).kf_wx = ""

    def remove(self, key: str) -> None:
        self._seats.remove(self.seat(key))

    def set_online(self, key: str, status: int = 1, *, accepted_case: int = 0) -> None:
        """Log the seat in to the web client, or out with status 0."""
        seat = self.seat(key)
        seat.status, seat.accepted_case = status, accepted_case

    def is_waiting(self, seat: Seat, now: datetime) -> bool:
        """Return whether the seat has an open invitation."""
        return seat.invite_status == "waiting" and (
            not seat.invite_expire_time or now.timestamp() < seat.invite_expire_time
        )

    def rows(self, now: datetime) -> list[Mapping[str, object]]:
        """Return the `kf_list` as of `now`."""
        return [self._row(seat, now) for seat in self._seats]

    def online_rows(self) -> list[Mapping[str, object]]:
        """Return the `kf_online_list`: only seats that are logged in."""
        return [
            {
                "kf_account": seat.kf_account,
                "status": seat.status,
                "kf_id": seat.kf_id,
                "accepted_case": seat.accepted_case,
                **({"kf_openid": seat.kf_openid} if seat.kf_openid else {}),
            }
            for seat in self._seats
            if seat.status
        ]

    def _row(self, seat: Seat, now: datetime) -> Mapping[str, object]:
        row: dict[str, object] = {
            "kf_account": seat.kf_account,
            "kf_headimgurl": seat.kf_headimgurl,
            "kf_id": seat.kf_id,
            "kf_nick": seat.kf_nick,
        }
        lapsed = seat.invite_status == "waiting" and not self.is_waiting(seat, now - self.status_lag)
        rest = (
            {"kf_wx": seat.kf_wx, "kf_openid": seat.kf_openid}
            if seat.kf_wx
            else {
                "invite_wx": seat.invite_wx,
                "invite_expire_time": seat.invite_expire_time,
                "invite_status": "expired" if lapsed else seat.invite_status,
                "kf_openid": seat.kf_openid,
            }
        )
        return row | {name: value for name, value in rest.items() if value}

    def _invited(self, key: str) -> Seat:
        seat = self.seat(key)
        if not seat.invite_wx:
            raise ValueError(f"nobody is invited to {key}")
        return seat
