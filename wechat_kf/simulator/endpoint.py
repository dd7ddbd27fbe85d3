"""A simulated part of the API: the faults and the log of its requests, and how it refuses. No I/O, no clock."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from wechat_kf.simulator.allow_list import AllowList
from wechat_kf.simulator.errcodes import ErrcodeRefusal, errmsg
from wechat_kf.simulator.faults import Fault, FaultMode, Faults, RequestFault

MASK = "•••"
LOGGED = 1000  # calls; a demo may run for days
CLIENT_IP = "203.0.113.7"


@dataclass(frozen=True, slots=True)
class Call:
    """An entry of the request log. Credentials are masked, and bodies are left out."""

    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    status: int | None  # None: the connection broke
    errcode: int = 0


class Endpoint(ABC):
    """What answers the requests for one AppID."""

    METHODS: ClassVar[Mapping[str, str]]  # by path

    def __init__(self, appid: str, *, allow_list: Iterable[str] | None = None) -> None:
        self.appid = appid
        self.allow_list = allow_list
        self.log: deque[Call] = deque(maxlen=LOGGED)
        self._faults = Faults()
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
        client_ip: str = CLIENT_IP,
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
        if path not in self.METHODS:
            self._note(now, method, path, query, 404)
            return 404, b"404 page not found"
        errcode = 0
        try:
            if fault.errcode is not None:
                raise ErrcodeRefusal(fault.errcode)
            if method != self.METHODS[path]:
                raise ErrcodeRefusal(43001 if self.METHODS[path] == "GET" else 43002)
            answer = self._answer(path, query, body, now, client_ip, fault)
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

    @abstractmethod
    def _answer(
        self,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        now: datetime,
        client_ip: str,
        fault: RequestFault,
    ) -> Mapping[str, object]:
        """Answer a request on one of `METHODS`.

        Raises:
            ErrcodeRefusal: it is refused.
        """

    def check_address(self, client_ip: str, errcode: int) -> None:
        """Refuse an address that is not on the list with this errcode."""
        if self._allow_list is not None and client_ip not in self._allow_list:
            raise ErrcodeRefusal(errcode)

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


def decode(body: bytes) -> Mapping[str, object]:
    """Parse the body of a request.

    Raises:
        ErrcodeRefusal: it is empty (44002), has \\u escapes (40033), or is not a JSON object in UTF-8 (47001).
    """
    if not body:
        raise ErrcodeRefusal(44002)
    if b"\\u" in body:
        raise ErrcodeRefusal(40033)
    try:
        data = json.loads(body.decode())
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ErrcodeRefusal(47001)
    return data


def _encode(answer: Mapping[str, object]) -> bytes:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    # WeChat writes http:\/\/ in its lists, but not in its refusals.
    return (text if "errcode" in answer else text.replace("/", "\\/")).encode()
