"""Addresses and answers of a central token service, sans-I/O."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from wechat_kf.errors import ResponseError

NAME = "token service"  # in errors, which do not contain its address
APPID = "{appid}"  # in the address, replaced by the account's AppID
HTML = "a page of HTML instead of a token"
# Letters, digits and punctuation of a bearer token (RFC 6750). WeChat's tokens have more than a hundred of them; a
# minimum distinguishes a token from a word such as "unauthorized".
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,1024}")
_SECONDS = re.compile(r"([0-9]{1,9})(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class ServedToken:
    """A token as the service returned it."""

    access_token: str = field(repr=False)
    expires_in: int | None = None  # seconds, if the service names them


def check_url(url: str) -> None:
    """Check the address of a token service, which receives the authorization and returns tokens.

    Raises:
        ValueError: in words that follow the name of what contains the address, without a part of it.
    """
    try:
        parsed = httpx.URL(url)  # the same parser as that of the request
    except (httpx.InvalidURL, ValueError):
        parsed = httpx.URL("")
    is_safe = parsed.scheme == "https" or (parsed.scheme == "http" and is_loopback(parsed.host))
    if not parsed.host or not is_safe:
        raise ValueError("must be a URL with https:// and a host; http:// is for an address of this machine only")
    if APPID not in url or "{" in parsed.host or parsed.fragment:
        raise ValueError(f"must contain {APPID} in its path or query, for the AppID, and no #")
    if parsed.userinfo:
        raise ValueError("must not contain a user or a password: the Authorization header is set separately")


def address(url: str, appid: str) -> httpx.URL:
    """Put an AppID into the address of a token service.

    Raises:
        ValueError: as in `check_url`.
    """
    check_url(url)
    return httpx.URL(url.replace(APPID, quote(appid, safe="")))


def with_refused(url: httpx.URL) -> httpx.URL:
    """Add `refused=1`, which reports that WeChat refused the last token, behind the query as it is."""
    return url.copy_with(query=b"&".join(filter(None, [url.query, b"refused=1"])))


def parse_answer(body: bytes) -> ServedToken:
    """Parse an answer of any Content-Type: a JSON object, or a token alone on one line.

    An `expires_in` that is not a number of seconds is ignored. Errors do not quote the body.

    Raises:
        ResponseError: it contains no token.
    """
    text = body.decode("utf-8-sig", errors="replace").strip()
    if _TOKEN.fullmatch(text):
        return ServedToken(text)
    if text.startswith("<"):
        raise ResponseError(f"{NAME}: {HTML}")
    try:
        answer = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        answer = None
    outer = answer if isinstance(answer, dict) else {}
    for holder in (outer, outer.get("data")):
        if isinstance(holder, dict):
            token = holder.get("access_token") or holder.get("token")
            if isinstance(token, str) and _TOKEN.fullmatch(token):
                return ServedToken(token, _seconds(holder.get("expires_in")))
    raise ResponseError(f"{NAME}: no token in an answer of {len(body)} bytes")


def _seconds(value: object) -> int | None:
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or its address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
