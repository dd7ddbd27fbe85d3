"""The API: check requests as documented, and answer them. No I/O, no clock."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from wechat_kf import protocol
from wechat_kf.simulator import writes
from wechat_kf.simulator.account_type import AccountType
from wechat_kf.simulator.allow_list import AllowList
from wechat_kf.simulator.faults import Fault, FaultMode, Faults, RequestFault
from wechat_kf.simulator.issuer import Issuer
from wechat_kf.simulator.list_lag import ListLag
from wechat_kf.simulator.refusals import ErrcodeRefusal, errmsg
from wechat_kf.simulator.seats import Seats
from wechat_kf.writes import ADD, DELETE, PATHS, UPDATE

METHODS = {
    protocol.TOKEN: "POST",
    protocol.KF_LIST: "GET",
    protocol.ONLINE_KF_LIST: "GET",
    **dict.fromkeys(PATHS, "POST"),
}
OK: Mapping[str, object] = {"errcode": 0, "errmsg": "ok"}
UNCHANGED: Mapping[str, object] = {"errcode": 0, "errmsg": "in a normal state"}
MASK = "•••"
LOGGED = 1000  # calls; a demo may run for days


@dataclass(frozen=True, slots=True)
class Call:
    """An entry of the request log. Credentials are masked, and bodies are left out."""

    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    status: int | None  # None: the connection broke
    errcode: int = 0


class Simulator(Seats):
    """One account behind the API: its seats, its tokens, and the faults of its requests."""

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
        super().__init__(status_lag=status_lag)
        self.appid = appid
        self._secret = secret
        self.suffix = suffix
        self.account_type = account_type
        self.allow_list = allow_list
        self.over_limit = over_limit
        self.invitation_life = invitation_life
        self.enabled = True  # the customer service feature in the console
        self.tokens = Issuer(appid, life=token_life)
        self.log: deque[Call] = deque(maxlen=LOGGED)
        self._faults = Faults()
        self._list_lag = ListLag()
        self._calls = 0

    @property
    def allow_list(self) -> AllowList | None:
        """Return the addresses and ranges that may call; None for all."""
        return self._allow_list

    @allow_list.setter
    def allow_list(self, entries: Iterable[str] | None) -> None:
        self._allow_list = None if entries is None else AllowList(entries)

    def inject(self, *faults: Fault) -> None:
        """Queue faults with `times`, one per request, in order; switch on those without."""
        self._faults.inject(*faults)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def next_request_fault(self, path: str) -> RequestFault:
        """Take the faults of the next request on `path`, for an adapter that applies their delays and headers."""
        return self._faults.next_request_fault(path)

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        now: datetime,
        client_ip: str = "203.0.113.7",
        *,
        fault: RequestFault | None = None,
    ) -> tuple[int, bytes]:
        """Answer one request with an HTTP status and a body. Without `fault`, take the next faults.

        Raises:
            ConnectionResetError: a fault breaks the connection after the request was carried out.
            ConnectionError: a fault prevents that anything is carried out.
        """
        self._calls += 1
        fault = self.next_request_fault(path) if fault is None else fault
        if fault.down:
            self._note(now, method, path, query, None)
            raise ConnectionError("the simulated API is down")
        if path not in METHODS:
            self._note(now, method, path, query, 404)
            return 404, b"404 page not found"
        errcode = 0
        try:
            if fault.errcode is not None:
                raise ErrcodeRefusal(fault.errcode)
            answer = self._answer(method, path, query, body, now, client_ip, fault)
        except ErrcodeRefusal as refused:
            errcode = refused.errcode
            # Three groups of eight hex digits, of which the first is the time, as in WeChat's.
            rid = f"{int(now.timestamp()):08x}-{self._calls:08x}-{len(self.appid):08x}"
            answer = {"errcode": errcode, "errmsg": errmsg(errcode, client_ip=client_ip, rid=rid)}
        if FaultMode.ANSWER_LOST in fault.kinds:
            self._note(now, method, path, query, None, errcode)
            raise ConnectionResetError("the answer of the simulated API is lost")
        status, raw = fault.corrupt(200, _encode(answer))
        self._note(now, method, path, query, status, errcode)
        return status, raw

    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        now: datetime,
        client_ip: str,
        fault: RequestFault,
    ) -> Mapping[str, object]:
        if method != METHODS[path]:
            raise ErrcodeRefusal(43001 if METHODS[path] == "GET" else 43002)
        if path == protocol.TOKEN:
            return self._stable_token(_decode(body), now, client_ip)
        self.tokens.check(query.get("access_token", ""), now)
        self._check_address(client_ip)
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
        self._write(seats, path, _decode(body), now)
        self._list_lag.hide(before, fault.hidden_reads)
        return UNCHANGED if seats.seats == before.seats else OK

    def _write(self, seats: Seats, path: str, data: Mapping[str, object], now: datetime) -> None:
        if path == ADD:
            writes.add(seats, data, suffix=self.suffix)
        elif path == UPDATE:
            writes.update(seats, data)
        elif path == DELETE:
            writes.delete(seats, data)
        else:
            expires_at = now + self.invitation_life
            writes.invite(seats, data, now, expires_at=expires_at, over_limit=self.over_limit)

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
        self._check_address(client_ip)
        issued = self.tokens.forced(now) if data.get("force_refresh") is True else self.tokens.normal(now)
        return {"access_token": issued.token, "expires_in": int((issued.expires_at - now).total_seconds())}

    def _check_address(self, client_ip: str) -> None:
        # At every call, not only when a token is requested: the list may change while a token is valid.
        if self._allow_list is not None and client_ip not in self._allow_list:
            raise ErrcodeRefusal(40164)

    def _note(
        self,
        now: datetime,
        method: str,
        path: str,
        query: Mapping[str, str],
        status: int | None,
        errcode: int = 0,
    ) -> None:
        masked = {name: MASK if "token" in name or "secret" in name else text for name, text in query.items()}
        self.log.append(Call(now, method, path, masked, status, errcode))


def _encode(answer: Mapping[str, object]) -> bytes:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    # WeChat writes http:\/\/ in its lists, but not in its refusals.
    return (text if "errcode" in answer else text.replace("/", "\\/")).encode()


def _decode(body: bytes) -> Mapping[str, object]:
    if not body:
        raise ErrcodeRefusal(44002)
    if b"\\u" in body:
        raise ErrcodeRefusal(40033)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ErrcodeRefusal(47001)
    return data
