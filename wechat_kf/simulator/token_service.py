"""A central token service in front of simulated accounts: it hands out their tokens. No I/O, no clock."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.faults import HTML_PAGE
from wechat_kf.simulator.issuer import RENEWED_BEFORE, Issued, Issuer

PATH = "/token"  # before the AppID; alone, the AppID is in the query
ASKED = 1000  # requests in the log
HANGS = 3600.0  # seconds


class TokenShape(StrEnum):
    """The forms of an answer with a token."""

    WECHAT = "wechat"  # {"access_token": …, "expires_in": …}, as WeChat's own
    TOKEN = "token"  # noqa: S105  {"token": …}
    DATA = "data"  # {"code": 0, "data": {"access_token": …, "expires_in": …}}
    TEXT = "text"  # the token alone


class ServiceFault(StrEnum):
    """The faults of the service, each of which lasts until it is cleared."""

    HTML = "html"  # the page of a sign-in, HTTP 200
    REDIRECT = "redirect"  # to the address with a slash behind it
    UNAVAILABLE = "unavailable"  # HTTP 503
    BAD_GATEWAY = "bad_gateway"  # HTTP 502, with a page of HTML
    HANG = "hang"  # no answer for an hour
    SAME = "same"  # the token as before, also when it is reported as refused


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """An entry of the request log."""

    appid: str
    refused: bool
    status: int


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """An answer for an adapter to send."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class TokenService:
    """A service at `/token/APPID` and `/token?appid=APPID`, strict about requests.

    Each token is cached until shortly before its end, so one that WeChat has invalidated is handed out until a
    caller reports it with `refused=1`.
    """

    def __init__(self, issuers: Mapping[str, Issuer], *, authorization: str = "") -> None:
        """Create a service for accounts, by AppID: `{appid: simulator.tokens}`.

        `authorization` is the required value of that header; "" if there must be none.
        """
        self.issuers = dict(issuers)
        self.authorization = authorization
        self.shape = TokenShape.WECHAT
        self.fault: ServiceFault | None = None
        self.log: deque[TokenRequest] = deque(maxlen=ASKED)
        self._issued: dict[str, Issued] = {}

    @property
    def seconds(self) -> float:
        """Return the delay before an answer, for the adapter to apply."""
        return HANGS if self.fault is ServiceFault.HANG else 0

    def answer(
        self, method: str, path: str, query: Mapping[str, str], authorization: str, now: datetime
    ) -> ServiceAnswer:
        """Answer one request. `authorization` is its header; "" without one."""
        appid = path.removeprefix(f"{PATH}/") if path != PATH else query.get("appid", "")
        answer = self._faulty(path) or _rejection(method, query)
        if answer is None and authorization != self.authorization:
            answer = _refusal(403 if authorization else 401, "authorization")
        if answer is None and appid not in self.issuers:
            answer = _refusal(404, "unknown account")
        refused = "refused" in query
        answer = answer or self._token(appid, refused, now)
        self.log.append(TokenRequest(appid, refused, answer.status))
        return answer

    def _faulty(self, path: str) -> ServiceAnswer | None:
        match self.fault:
            case ServiceFault.HTML:
                return _page(200)
            case ServiceFault.BAD_GATEWAY:
                return _page(502)
            case ServiceFault.UNAVAILABLE:
                return _refusal(503, "unavailable")
            case ServiceFault.REDIRECT:
                return ServiceAnswer(302, b"", {"Location": f"{path}/"})
        return None

    def _token(self, appid: str, refused: bool, now: datetime) -> ServiceAnswer:
        try:
            issued = self._current(appid, refused and self.fault is not ServiceFault.SAME, now)
        except ErrcodeRefusal as refusal:  # renewed too often
            return _refusal(503, f"errcode {refusal.errcode}")
        return self._shaped(issued, now)

    def _current(self, appid: str, renew: bool, now: datetime) -> Issued:
        issuer, kept = self.issuers[appid], self._issued.get(appid)
        if renew:
            self._issued[appid] = issuer.forced(now)
        elif kept is None or now >= kept.expires_at - RENEWED_BEFORE:
            self._issued[appid] = issuer.normal(now)
        return self._issued[appid]

    def _shaped(self, issued: Issued, now: datetime) -> ServiceAnswer:
        life = int((issued.expires_at - now).total_seconds())
        match self.shape:
            case TokenShape.TEXT:
                return ServiceAnswer(200, f"{issued.token}\n".encode(), {"Content-Type": "text/plain"})
            case TokenShape.TOKEN:
                return _json(200, {"token": issued.token})
            case TokenShape.DATA:
                return _json(200, {"code": 0, "data": {"access_token": issued.token, "expires_in": life}})
        return _json(200, {"access_token": issued.token, "expires_in": life})


def _rejection(method: str, query: Mapping[str, str]) -> ServiceAnswer | None:
    if method != "GET":
        return _refusal(405, "GET only")
    if not set(query) <= {"appid", "refused"} or query.get("refused", "1") != "1":
        return _refusal(400, "unknown parameter")
    return None


def _json(status: int, content: Mapping[str, object]) -> ServiceAnswer:
    return ServiceAnswer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _refusal(status: int, error: str) -> ServiceAnswer:
    return _json(status, {"error": error})


def _page(status: int) -> ServiceAnswer:
    return ServiceAnswer(status, HTML_PAGE, {"Content-Type": "text/html"})
