"""The API of one account: check requests as documented, and answer them. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from wechat_kf import protocol
from wechat_kf.simulator import seat_writes
from wechat_kf.simulator.account_type import AccountType
from wechat_kf.simulator.endpoint import Endpoint, decode
from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.faults import FaultMode, RequestFault
from wechat_kf.simulator.issuer import Issuer
from wechat_kf.simulator.list_lag import ListLag
from wechat_kf.simulator.seats import Seats
from wechat_kf.writes import ADD, DELETE, PATHS, UPDATE

OK: Mapping[str, object] = {"errcode": 0, "errmsg": "ok"}
UNCHANGED: Mapping[str, object] = {"errcode": 0, "errmsg": "in a normal state"}


class DelegatedAccess(Protocol):
    """A platform that calls the API on behalf of accounts."""

    def admits(self, appid: str, token: str, path: str, now: datetime, client_ip: str) -> bool:
        """Return whether the platform was issued this token for the account, and may make the call.

        Raises:
            ErrcodeRefusal: it was, and may not.
        """


class Simulator(Endpoint, Seats):
    """One account behind the API: its seats, its tokens, and the faults of its requests."""

    METHODS: ClassVar[Mapping[str, str]] = {
        protocol.TOKEN: "POST",
        protocol.KF_LIST: "GET",
        protocol.ONLINE_KF_LIST: "GET",
        **dict.fromkeys(PATHS, "POST"),
    }

    def __init__(
        self,
        appid: str,
        secret: str,
        *,
        suffix: str = "harbour_tea",
        account_type: AccountType = AccountType.VERIFIED,
        allow_list: Iterable[str] | None = None,
        over_limit: Collection[str] = (),
        token_life: timedelta = timedelta(hours=2),
        invitation_life: timedelta = timedelta(hours=24),
        status_lag: timedelta = timedelta(0),
    ) -> None:
        """Create an account without seats.

        Args:
            suffix: the account's WeChat ID.
            allow_list: the addresses and ranges that may call; None for all.
            over_limit: WeChat IDs that are bound to too many seats elsewhere.
            invitation_life: an assumption, since the real value is not documented.
        """
        Endpoint.__init__(self, appid, allow_list=allow_list)
        Seats.__init__(self, status_lag=status_lag)
        self._secret = secret
        self.suffix = suffix
        self.account_type = account_type
        self.over_limit = over_limit
        self.invitation_life = invitation_life
        self.enabled = True  # the customer service feature in the console
        self.tokens = Issuer(appid, life=token_life)
        self.delegated: DelegatedAccess | None = None
        self._list_lag = ListLag()

    def _answer(
        self,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        now: datetime,
        client_ip: str,
        fault: RequestFault,
    ) -> Mapping[str, object]:
        if path == protocol.TOKEN:
            return self._stable_token(decode(body), now, client_ip)
        self._check_token(path, query.get("access_token", ""), now, client_ip)
        if not self.account_type.may_call(path):
            raise ErrcodeRefusal(48001)
        if not self.enabled:
            raise ErrcodeRefusal(65400)
        match path:
            case protocol.KF_LIST:
                return {"kf_list": self._list_lag.next_read(self).rows(now)}
            case protocol.ONLINE_KF_LIST:
                return {"kf_online_list": self.online_rows()}
        before = self.copy_seats()
        seats = self.copy_seats() if FaultMode.NOT_DONE in fault.kinds else self
        self._write(seats, path, decode(body), now)
        self._list_lag.hide(before, fault.hidden_reads)
        return UNCHANGED if seats.seats == before.seats else OK

    def _check_token(self, path: str, token: str, now: datetime, client_ip: str) -> None:
        if self.delegated is not None and self.delegated.admits(self.appid, token, path, now, client_ip):
            return
        self.tokens.check(token, now)
        # At every call, not only when a token is requested: the list may change while a token is valid.
        self.check_address(client_ip, 40164)

    def _write(self, seats: Seats, path: str, data: Mapping[str, object], now: datetime) -> None:
        if path == ADD:
            seat_writes.add(seats, data, suffix=self.suffix)
        elif path == UPDATE:
            seat_writes.update(seats, data)
        elif path == DELETE:
            seat_writes.delete(seats, data)
        else:
            expires_at = now + self.invitation_life
            seat_writes.invite(seats, data, now, expires_at=expires_at, over_limit=self.over_limit)

    def _stable_token(self, data: Mapping[str, object], now: datetime, client_ip: str) -> Mapping[str, object]:
        if data.get("grant_type") != "client_credential":
            raise ErrcodeRefusal(40002)
        if not data.get("appid"):
            raise ErrcodeRefusal(41002)
        if not data.get("secret"):
            raise ErrcodeRefusal(41004)
        if data["appid"] != self.appid:
            raise ErrcodeRefusal(40013)
        if data["secret"] != self._secret:
            raise ErrcodeRefusal(40125)
        self.check_address(client_ip, 40164)
        issued = self.tokens.forced(now) if data.get("force_refresh") is True else self.tokens.normal(now)
        return {"access_token": issued.token, "expires_in": int((issued.expires_at - now).total_seconds())}
