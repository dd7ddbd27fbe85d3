"""The calls of a third-party platform, sans-I/O: build their requests, parse their answers.

Owners of accounts authorise the platform to act for them; each account is an *authorizer* then. Business interfaces
take its `authorizer_access_token` as they take any access token.

https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from wechat_kf.errors import APIError, KfError, ResponseError
from wechat_kf.protocol import Answer, IssuedToken, Request, moment_of, number_of, parse_token, rows_of, text_of

START_PUSH = "/cgi-bin/component/api_start_push_ticket"
COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"  # noqa: S105  a path
PRE_AUTH_CODE = "/cgi-bin/component/api_create_preauthcode"
QUERY_AUTH = "/cgi-bin/component/api_query_auth"
AUTHORIZER_TOKEN = "/cgi-bin/component/api_authorizer_token"  # noqa: S105  a path
AUTHORIZER_LIST = "/cgi-bin/component/api_get_authorizer_list"
AUTHORIZER_INFO = "/cgi-bin/component/api_get_authorizer_info"
QUOTA = "/cgi-bin/openapi/quota/get"

# Its newest name is `access_token`; the older one is what all clients send.
CREDENTIAL = "component_access_token"
MOST_LISTED = 500  # authorizers in one answer
OFFICIAL, MINI = "official", "mini"  # kinds of accounts

# Errcodes about the platform itself, whichever call they answer: every account has them.
PLATFORM_CODES = frozenset({61000, 61001, 61004, 61005, 61006, 61011, 61014, 61015, 61028})
# Those about a token, an AppID, an AppSecret or a quota, when they answer a call with the platform's own.
OWN_CALL_CODES = PLATFORM_CODES | {40001, 40013, 40014, 40125, 41004, 42001, 45009, 45011}


@dataclass(frozen=True, slots=True)
class PreAuthCode:
    """A code for one authorisation by an owner."""

    code: str = field(repr=False)
    expires_in: int  # seconds


@dataclass(frozen=True, slots=True)
class RenewedToken(IssuedToken):
    """A new access token of the platform or of an account, its lifetime, and the refresh token for the next one."""

    refresh_token: str = field(default="", repr=False)  # "": the present one stays in force, or there is none


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an owner has granted, and the first tokens, which an account without rights to interfaces lacks."""

    appid: str
    sets: frozenset[int]  # the permission sets
    refresh_token: str = field(default="", repr=False)
    token: IssuedToken | None = None


@dataclass(frozen=True, slots=True)
class ListedAuthorizer:
    """One row of the list of accounts that authorise the platform."""

    appid: str
    refresh_token: str = field(default="", repr=False)  # "": the authorisation code was never exchanged
    authorized_at: datetime | None = None  # aware, UTC


@dataclass(frozen=True, slots=True)
class AuthorizerPage:
    """A part of that list."""

    authorizers: tuple[ListedAuthorizer, ...]
    rows: int  # of the answer, also those without an AppID: the next offset is so much higher
    total: int  # of the whole list


@dataclass(frozen=True, slots=True)
class AuthorizerInfo:
    """An account that authorises the platform. Its names may be empty."""

    name: str
    alias: str  # its WeChat ID, as its owner has set it
    kind: str  # OFFICIAL or MINI
    status: int | None  # `account_status`: 1 normal, 14 closed, 16 banned, 18 warned, 19 frozen
    sets: frozenset[int]
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Quota:
    """The calls of one interface today. None: the answer does not have the number."""

    daily_limit: int | None
    used: int | None
    remain: int | None


def concerns_platform(error: KfError) -> bool:
    """Return whether the whole platform has this problem, and not the account whose call has failed."""
    return error.of_platform or (isinstance(error, APIError) and error.errcode in PLATFORM_CODES)


def start_push(appid: str, secret: str) -> Request:
    """Build the request that starts WeChat's pushes of tickets again, if they have stopped."""
    # Not `component_appsecret`, as in the next call.
    return _post(START_PUSH, {"component_appid": appid, "component_secret": secret}, secret)


def component_token(appid: str, secret: str, ticket: str) -> Request:
    """Build the request for a token of the platform, which ends the one before after five minutes."""
    fields = {"component_appid": appid, "component_appsecret": secret, "component_verify_ticket": ticket}
    return _post(COMPONENT_TOKEN, fields, secret, ticket)


def pre_auth_code(appid: str, access_token: str) -> Request:
    """Build the request for the code of an owner's link."""
    return _post(PRE_AUTH_CODE, {"component_appid": appid}, access_token=access_token)


def query_auth(appid: str, code: str, access_token: str) -> Request:
    """Build the request that exchanges an authorisation code, which WeChat answers once."""
    fields = {"component_appid": appid, "authorization_code": code}
    return _post(QUERY_AUTH, fields, code, access_token=access_token)


def authorizer_token(appid: str, authorizer: str, refresh_token: str, access_token: str) -> Request:
    """Build the request for an access token of an account."""
    fields = {
        "component_appid": appid,
        "authorizer_appid": authorizer,
        "authorizer_refresh_token": refresh_token,
    }
    return _post(AUTHORIZER_TOKEN, fields, refresh_token, access_token=access_token)


def authorizer_list(appid: str, offset: int, access_token: str) -> Request:
    """Build the request for `MOST_LISTED` accounts that authorise the platform, from an offset on."""
    fields = {"component_appid": appid, "offset": offset, "count": MOST_LISTED}
    return _post(AUTHORIZER_LIST, fields, access_token=access_token)


def authorizer_info(appid: str, authorizer: str, access_token: str) -> Request:
    """Build the request for the facts about an account."""
    fields = {"component_appid": appid, "authorizer_appid": authorizer}
    return _post(AUTHORIZER_INFO, fields, access_token=access_token)


def quota(path: str, access_token: str) -> Request:
    """Build the request for the quota of an interface. Its token is one that the interface itself takes."""
    # The only one of these calls that is not below `component`, and takes the token under its general name.
    body = json.dumps({"cgi_path": path}).encode()
    return Request("POST", QUOTA, {"access_token": access_token}, body=body, secrets=(access_token,))


def parse_start_push(answer: Answer) -> bool:
    """Return whether the pushes had stopped, and start again by this call."""
    return text_of(answer.get("errmsg")) == "ok"


def parse_component_token(answer: Answer) -> IssuedToken:
    """Parse a new token of the platform.

    Raises:
        ResponseError: as in `protocol.parse_token`.
    """
    return _issued(answer, "component_access_token")


def parse_pre_auth_code(answer: Answer) -> PreAuthCode:
    """Parse the code of an owner's link.

    Raises:
        ResponseError: the code or its lifetime is missing. The error does not quote the answer.
    """
    code, expires_in = text_of(answer.get("pre_auth_code")), number_of(text_of(answer.get("expires_in")))
    if not code or expires_in is None:
        raise ResponseError("the answer holds no pre_auth_code with its expires_in")
    return PreAuthCode(code, expires_in)


def parse_authorization(answer: Answer) -> Authorization:
    """Parse the answer to `query_auth`. Everything but the AppID may be missing: the code is spent, whatever it is.

    Raises:
        ResponseError: it names no account.
    """
    info = _object(answer, "authorization_info")
    appid, token = text_of(info.get("authorizer_appid")), None
    if not appid:
        raise ResponseError("the answer names no account")
    with suppress(ResponseError):
        token = _issued(info, "authorizer_access_token")
    return Authorization(appid, _sets(info), text_of(info.get("authorizer_refresh_token")), token)


def parse_authorizer_token(answer: Answer) -> RenewedToken:
    """Parse a new access token of an account. Without a refresh token, the present one stays in force.

    Raises:
        ResponseError: as in `protocol.parse_token`.
    """
    issued = _issued(answer, "authorizer_access_token")
    refresh_token = text_of(answer.get("authorizer_refresh_token"))
    return RenewedToken(issued.access_token, issued.expires_in, refresh_token)


def parse_authorizer_list(answer: Answer) -> AuthorizerPage:
    """Parse a part of the list. Rows without an AppID are skipped.

    Raises:
        ResponseError: the answer has no list, or not the total.
    """
    rows, total = rows_of(answer, "list"), number_of(text_of(answer.get("total_count")))
    if total is None:
        raise ResponseError("the answer has no total_count")
    listed = [
        ListedAuthorizer(
            text_of(row.get("authorizer_appid")),
            text_of(row.get("refresh_token")),
            moment_of(text_of(row.get("auth_time"))),
        )
        for row in rows
        if isinstance(row, dict)
    ]
    return AuthorizerPage(tuple(one for one in listed if one.appid), len(rows), total)


def parse_authorizer_info(answer: Answer) -> AuthorizerInfo:
    """Parse the facts about an account. Missing fields are empty.

    Raises:
        ResponseError: the answer has no `authorizer_info`.
    """
    info, granted = _object(answer, "authorizer_info"), answer.get("authorization_info")
    granted = granted if isinstance(granted, dict) else {}
    return AuthorizerInfo(
        name=text_of(info.get("nick_name")),
        alias=text_of(info.get("alias")),
        kind=MINI if "MiniProgramInfo" in info else OFFICIAL,
        status=number_of(text_of(info.get("account_status"))),
        sets=_sets(granted),
        refresh_token=text_of(granted.get("authorizer_refresh_token")),
    )


def parse_quota(answer: Answer) -> Quota:
    """Parse the quota of an interface.

    Raises:
        ResponseError: the answer has none.
    """
    found = _object(answer, "quota")
    return Quota(*(number_of(text_of(found.get(name))) for name in ("daily_limit", "used", "remain")))


def _post(path: str, fields: Mapping[str, object], *secrets: str, access_token: str = "") -> Request:
    # Raw UTF-8: parts of the API refuse \u escapes (40033).
    body = json.dumps(fields, ensure_ascii=False).encode()
    query = {CREDENTIAL: access_token} if access_token else {}
    return Request("POST", path, query, body=body, secrets=(*secrets, *query.values()))


def _issued(answer: Answer, name: str) -> IssuedToken:
    return parse_token({**answer, "access_token": answer.get(name)})


def _object(answer: Answer, name: str) -> Answer:
    found = answer.get(name)
    if not isinstance(found, dict):
        raise ResponseError(f"the answer has no {name}")
    return found


def _sets(info: Answer) -> frozenset[int]:
    """Return the numbers of the permission sets."""
    rows = info.get("func_info")
    found = (
        [row.get("funcscope_category") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    )
    numbers = [number_of(text_of(one.get("id"))) for one in found if isinstance(one, dict)]
    return frozenset(number for number in numbers if number is not None)
