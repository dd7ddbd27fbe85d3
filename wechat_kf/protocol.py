"""The wire protocol, sans-I/O: build requests, parse responses. No network, no clock, no retries."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

from wechat_kf.errors import APIError, ResponseError, api_error
from wechat_kf.models import Invitation, KfAccount, KfList, OnlineKf

KF_LIST = "/cgi-bin/customservice/getkflist"
ONLINE_KF_LIST = "/cgi-bin/customservice/getonlinekflist"
TOKEN = "/cgi-bin/stable_token"  # noqa: S105  a path

MAX_ROWS = 1000  # an account has 100 seats at most
MAX_DIGITS = 400  # of a number
MAX_ERRCODE = 1 << 31
MAX_QUOTED = 40  # characters of a value that cannot be read
LAST_SECOND = 253_402_300_799  # of the year 9999, where `datetime` ends
MAX_ERRMSG = 1000  # characters; WeChat's own stay below 300
MIN_SECRET = 6  # characters, as WeChat IDs have at least; to mask anything shorter would garble a text

Answer = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """One call. Its repr is safe to log, its fields are not: WeChat takes the token in the query."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)  # strings that no text about this call may contain

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class WeChatResponse:
    """A parsed answer, with its time by WeChat's clock."""

    answer: Answer
    served_at: datetime | None = None  # aware, UTC


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new access token and its lifetime."""

    access_token: str = field(repr=False)
    expires_in: int  # seconds


def get(path: str, access_token: str) -> Request:
    """Build a GET of a business interface. An `authorizer_access_token` is sent the same way."""
    return Request("GET", path, {"access_token": access_token}, secrets=(access_token,))


def stable_token(appid: str, secret: str) -> Request:
    """Build a request for the token in normal mode: the same one for every process until shortly before its end.

    A forced mode is not offered: it would invalidate the token of every other process.
    """
    payload = {"grant_type": "client_credential", "appid": appid, "secret": secret, "force_refresh": False}
    # Raw UTF-8: parts of the API refuse \u escapes (40033).
    body = json.dumps(payload, ensure_ascii=False).encode()
    return Request("POST", TOKEN, body=body, secrets=(secret,))


def parse_response(body: bytes, *, date: str = "", secrets: Iterable[str] = ()) -> WeChatResponse:
    """Parse a body as `parse_body` does, with the same errors, and the `Date` header.

    Without a readable header, `served_at` is None.
    """
    return WeChatResponse(parse_body(body, secrets=secrets), http_date(date))


def parse_body(body: bytes, *, secrets: Iterable[str] = ()) -> Answer:
    """Parse an answer of any Content-Type. Numbers become text, exactly as written.

    Accept a BOM, raw control characters inside strings, and broken UTF-8. Errors quote the body with `secrets`
    masked.

    Raises:
        APIError: the `errcode` is not zero; the subclass depends on it.
        ResponseError: the body is not a JSON object, or `errcode` is not a number.
    """
    text = body.decode("utf-8-sig", errors="replace")
    try:
        # As text, 2001 and "2001" are equal, and no number is too long to parse.
        answer = json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ResponseError(f"no JSON object, {len(body)} bytes: {_excerpt(text, secrets)}")
    # Refusals come with HTTP 200 too; only a non-zero errcode distinguishes them from lists.
    errcode = text_of(answer.get("errcode")) or "0"
    number = number_of(errcode)
    if number is None or abs(number) >= MAX_ERRCODE:
        raise ResponseError(f"errcode is no number: {_excerpt(errcode, secrets)}")
    if number != 0:
        raise _refusal(number, redact(text_of(answer.get("errmsg")), secrets)[:MAX_ERRMSG])
    return answer


def parse_kf_list(answer: Answer, *, served_at: datetime | None = None) -> KfList:
    """Parse the accounts of a `getkflist` answer, in its order. `served_at` is passed on unchanged.

    A malformed row does not invalidate the list: missing fields are empty, new values are kept verbatim, and rows
    that are not objects are counted.

    Raises:
        ResponseError: the answer has no `kf_list`, or one of more than `MAX_ROWS`. The example on the vendor's page
            has none: it shows `kf_online_list`, which belongs to getonlinekflist.

    https://developers.weixin.qq.com/doc/service/en/api/customer/servicermanage/api_getkflist
    """
    listed = rows_of(answer, "kf_list")
    rows = [row for row in listed if isinstance(row, dict)]
    accounts = tuple(map(_account, rows))
    deadlines = ((account.key, _unreadable_deadline(row)) for account, row in zip(accounts, rows, strict=True))
    return KfList(
        accounts,
        unreadable=len(listed) - len(rows),
        served_at=served_at,
        unreadable_deadlines=tuple((key, text) for key, text in deadlines if text),
    )


def parse_online_kf_list(answer: Answer) -> tuple[OnlineKf, ...]:
    """Parse the accounts of a `getonlinekflist` answer, in its order. Skip rows that are not objects.

    Raises:
        ResponseError: the answer has no `kf_online_list`.
    """
    return tuple(_online(row) for row in rows_of(answer, "kf_online_list") if isinstance(row, dict))


def parse_token(answer: Answer) -> IssuedToken:
    """Parse a new token.

    Raises:
        ResponseError: `access_token` or `expires_in` is missing or malformed. The error does not quote the answer.
    """
    access_token = text_of(answer.get("access_token"))
    expires_in = number_of(text_of(answer.get("expires_in")))
    if not access_token or expires_in is None:
        raise ResponseError("the answer holds no access_token with its expires_in")
    return IssuedToken(access_token, expires_in)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask `secrets`, and everything that looks like a credential, in foreign text."""
    for secret in secrets:
        if len(secret) >= MIN_SECRET:
            text = text.replace(secret, "…")
    return _CREDENTIAL.sub(r"\1…", text)


_CREDENTIAL = re.compile(r"((?:token|secret)=)[^\s&\"'<>]+|[A-Za-z0-9_-]{32,}", re.IGNORECASE)
_QUOTED = re.compile(r'(:\s*")[^"]*')  # the value of a JSON key, even if cut off
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_TAIL = re.compile(r"\b(?:hint: *\[[^\]]*\]|rid: *(?P<rid>[\w-]*))[\s,]*\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"invalid ip ([^\s,]+)|requestIP: ?([^\s,]+)", re.IGNORECASE)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _excerpt(text: str, secrets: Iterable[str]) -> str:
    """Quote the beginning of an unreadable body: enough to distinguish an HTML page from a truncated list."""
    return repr(_QUERY.sub("?…", _QUOTED.sub(r"\1…", redact(text, secrets)))[:60])


def _refusal(errcode: int, errmsg: str) -> APIError:
    rid = None
    # The tails are "… rid: x", "…, rid: x", "… hint: [x]", or two of them.
    while tail := _TAIL.search(errmsg):
        rid = rid or tail["rid"] or None
        errmsg = errmsg[: tail.start()].rstrip(" ,\t\r\n")
    return api_error(errcode, errmsg, rid=rid, address=_address(errmsg))


def _address(errmsg: str) -> str | None:
    """Return the address that WeChat refuses, in the form of an allow-list entry."""
    if (match := _ADDRESS.search(errmsg)) is None:
        return None
    try:
        address = ipaddress.ip_address(match[1] or match[2])
    except ValueError:
        return None
    # ::ffff:203.0.113.7 is 203.0.113.7 mapped to IPv6, and the allow-list takes IPv4.
    return str(getattr(address, "ipv4_mapped", None) or address)


def rows_of(answer: Answer, name: str) -> list[object]:
    """Return a list of the answer.

    Raises:
        ResponseError: there is no such list, or it has more than `MAX_ROWS` rows. Only names of fields are quoted.
    """
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise ResponseError(f"the answer has no {name}, but {', '.join(map(repr, answer))[:60] or 'nothing'}")
    if len(rows) > MAX_ROWS:
        raise ResponseError(f"{name} has {len(rows)} rows")
    return rows


def _account(row: Answer) -> KfAccount:
    return KfAccount(
        kf_account=text_of(row.get("kf_account")),
        kf_nick=text_of(row.get("kf_nick")),
        kf_id=text_of(row.get("kf_id")),
        kf_headimgurl=text_of(row.get("kf_headimgurl")),
        kf_wx=text_of(row.get("kf_wx")) or None,
        kf_openid=text_of(row.get("kf_openid")) or None,
        invitation=_invitation(row),
    )


def _invitation(row: Answer) -> Invitation | None:
    invite_wx, status = text_of(row.get("invite_wx")), text_of(row.get("invite_status"))
    expires_at = moment_of(text_of(row.get("invite_expire_time")))
    return Invitation(invite_wx, status, expires_at) if invite_wx or status or expires_at else None


def _online(row: Answer) -> OnlineKf:
    return OnlineKf(
        kf_account=text_of(row.get("kf_account")),
        kf_id=text_of(row.get("kf_id")),
        status=number_of(text_of(row.get("status"))),
        accepted_case=number_of(text_of(row.get("accepted_case"))),
        kf_openid=text_of(row.get("kf_openid")) or None,
    )


def text_of(value: object) -> str:
    """Return a text unchanged; "" for null, false, empty or missing values; JSON for nested ones."""
    if not value:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""
    # JSON can contain half a character (\ud83d), which cannot be stored, encoded or printed.
    return text if text.isprintable() else _LONE_SURROGATE.sub("\ufffd", text)


def number_of(text: str) -> int | None:
    """Parse a whole number, also one written as a float (`1700000000.0`); return None for anything else."""
    try:
        number = Decimal(text if len(text) <= MAX_DIGITS else "")
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() > MAX_DIGITS or number != number.to_integral_value():
        return None
    return int(number)


def http_date(text: str) -> datetime | None:
    """Parse `Mon, 23 Nov 2026 01:12:00 GMT`, or an older form, as an aware UTC datetime; else return None."""
    try:
        moment = parsedate_to_datetime(text)
        # The older forms have no zone, and "-0000" counts as none: in HTTP both mean UTC.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def moment_of(text: str) -> datetime | None:
    """Convert Unix seconds or milliseconds to an aware UTC datetime; return None for 0 and for anything else.

    A number too large for seconds before the year 10000 is taken as milliseconds.
    """
    number = number_of(text) or 0
    seconds = number // 1000 if number > LAST_SECOND else number
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds <= LAST_SECOND else None


def _unreadable_deadline(row: Answer) -> str:
    """Return the text, truncated, of a deadline that cannot be parsed, else ""."""
    text = text_of(row.get("invite_expire_time"))
    return "" if moment_of(text) or number_of(text or "0") == 0 else text[:MAX_QUOTED]
