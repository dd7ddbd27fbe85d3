"""Parse the text of one setting. A ValueError describes a valid text, in words that follow the variable's name."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from datetime import time, timedelta
from enum import StrEnum
from ipaddress import IPv6Address
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

from bot.language import Language
from bot.runtime.logs import Format
from bot.settings import postgres_url
from bot.settings.postgres_url import ESCAPES
from wechat_kf.envelope import AES_KEY
from wechat_kf.service_protocol import check_url, is_loopback

QUEUE_WITHOUT_POSTGRESQL = (
    "is procrastinate, which needs PostgreSQL",
    "Set DATABASE_URL to a PostgreSQL database, or remove QUEUE_BACKEND.",
)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_URL = 2000  # characters; httpx refuses some 65,000
LONGEST_LEAD = timedelta(days=366)  # dates far from today overflow
ROTATES = "is a token of an app whose tokens rotate: it expires after 12 hours, and the bot does not renew it"
ROTATION_REMEDY = (
    "Create the Slack app again from the manifest, which keeps token rotation off (Slack cannot switch it off "
    "again), and set the new app's token."
)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
HOURS = re.compile(r"([0-9]{1,2}:[0-9]{2})[-‐‒–—−~〜]([0-9]{1,2}:[0-9]{2})")  # with any dash that may be typed
MENTION = re.compile(r"<(?:!subteam\^|@)([A-Z0-9]+)(?:\|[^<>]*)?>")  # a mention as Slack writes it
IDS = 'user group (S0123456789) or of a person (U0123456789, W0123456789): Slack\'s menus have it as "Copy ID"'
MEMBER_ID = re.compile(r"[SUW][A-Z0-9]{2,}")
# Zone names to refuse: the machine's own, placeholders, and second copies, of which right/ counts leap seconds.
NO_ZONES = {"localtime", "posixrules", "Factory", "posix", "right"}


class QueueKind(StrEnum):
    """What distributes polls between processes."""

    ROWS = "rows"  # the store alone
    PROCRASTINATE = "procrastinate"


def queue_kind(text: str) -> QueueKind:
    try:
        return QueueKind(text.lower())
    except ValueError:
        raise ValueError("must be rows or procrastinate") from None


def word(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be plain characters without blanks")
    return text


def prefixed(prefix: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.startswith("xoxe"):
            raise ValueError(ROTATES, ROTATION_REMEDY)
        if not text.startswith(prefix):
            raise ValueError(f"must start with {prefix}")
        return word(text)

    return parse


def channel_id(text: str) -> str:
    if not re.fullmatch(r"[CGD][A-Z0-9]{2,}", text):
        raise ValueError("must be a channel ID such as C0123456789 (channel details, last line), not a name")
    return sys.intern(text)  # thousands of accounts may have the same one


def switch(text: str) -> bool:
    try:
        return {"on": True, "off": False}[text.lower()]
    except KeyError:
        raise ValueError("must be on or off") from None


def at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise ValueError(f"must be a whole number of seconds, {least} or more, of nine digits at most")
        return int(text)

    return parse


def between(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("must be a port number")
    return int(text)


def level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return text.upper()


def log_format(text: str) -> Format:
    match text.lower():
        case "text":
            return "text"
        case "json":
            return "json"
    raise ValueError("must be text or json")


def language(text: str) -> Language:
    try:
        return Language(text.lower())
    except ValueError:
        raise ValueError("must be en (English) or zh (Chinese)") from None


def leads(text: str) -> tuple[timedelta, ...]:
    found = set()
    for part in text.split(","):
        lead = _duration(part.strip())
        if lead is None:
            raise ValueError(f"must be like 24h,6h,1h (units s, m, h, d; at most {LONGEST_LEAD.days}d)")
        found.add(lead)
    return tuple(sorted(found, reverse=True))


def interval(text: str) -> int:
    """Return the seconds of `5m`, or of a number without a unit."""
    found = _duration(f"{text}s") or _duration(text)
    if found is None:
        raise ValueError(f"must be like 5m or 300 (units s, m, h, d; s without one; at most {LONGEST_LEAD.days}d)")
    return int(found.total_seconds())


def _duration(text: str) -> timedelta | None:
    match = re.fullmatch(r"([1-9][0-9]{0,7})([smhd])", text.lower())
    found = timedelta(**{UNITS[match[2]]: int(match[1])}) if match else None
    return None if found is None or found > LONGEST_LEAD else found


def zone(text: str) -> ZoneInfo:
    try:
        found = ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a folder
        found = None
    if found is None or text.split("/")[0] in NO_ZONES:
        raise ValueError("must be an IANA time zone such as Asia/Shanghai or Europe/Berlin")
    return found


def hours(text: str) -> tuple[time, time]:
    plain = "".join(unicodedata.normalize("NFKC", text).split())  # a full-width colon is a colon
    match = HOURS.fullmatch(plain)
    if match is None:
        raise ValueError("must be like 22:00-08:00")
    begins, ends = _clock(match[1]), _clock(match[2])
    if begins == ends:
        raise ValueError("must begin and end at different times, like 22:00-08:00")
    return begins, ends


def _clock(text: str) -> time:
    hour, minute = map(int, text.split(":"))
    if (hour, minute) == (24, 0):
        return time(0)
    if hour > 23 or minute > 59:
        raise ValueError("must hold times from 00:00 to 24:00, like 22:00-08:00")
    return time(hour, minute)


def mention(text: str) -> str:
    """Convert an ID, bare or in a mention as Slack writes it, to the mrkdwn of a mention."""
    member_id = _member_id(text)
    if not member_id:
        raise ValueError(f"must be the ID of one {IDS}. Names, @channel and @here are not taken")
    return f"<!subteam^{member_id}>" if member_id.startswith("S") else f"<@{member_id}>"


def member_ids(text: str) -> tuple[str, ...]:
    """Return the IDs of users and user groups in their order, without duplicates."""
    ids = [_member_id(part.strip()) for part in text.split(",")]
    if not all(ids):
        raise ValueError(f"must be IDs with commas between them, each of a {IDS}. Names are not taken")
    return tuple(dict.fromkeys(ids))


def _member_id(text: str) -> str:
    """Return the ID of a user or a user group, bare or from a mention as Slack writes it; "" for any other text."""
    mentioned = MENTION.fullmatch(text)
    found = mentioned[1] if mentioned else text
    # A digit distinguishes an ID from a name in capitals. A mention may contain an old ID without digits.
    return found if MEMBER_ID.fullmatch(found) and (mentioned or any(map(str.isdigit, found))) else ""


def url(text: str) -> str:
    return _http(text, with_query=False)


def url_with_query(text: str) -> str:
    return _http(text, with_query=True)


def token_service_url(text: str) -> str:
    """Return the URL of a token service, with `{appid}` in it."""
    if len(text) > LONGEST_URL:
        raise ValueError(f"must be a URL of {LONGEST_URL} characters at most")
    check_url(text)
    return word(text)


def public_url(text: str) -> str:
    """Return the address of this deployment, as people and WeChat reach it, without a slash at its end."""
    address = _http(text, with_query=False).rstrip("/")
    parts = urlsplit(address)
    if parts.path or (parts.scheme == "http" and not is_loopback(parts.hostname or "")):
        raise ValueError("must be https:// and a host, without a path, such as https://kf.example.com")
    return address


def aes_keys(text: str) -> tuple[str, ...]:
    """Return the key of WeChat's pushes, and the previous one if there is one after a comma."""
    keys = tuple(part.strip() for part in text.split(","))
    if len(keys) > 2 or not all(map(AES_KEY.fullmatch, keys)):
        raise ValueError(
            "must be the 43 letters and digits of the EncodingAESKey, and after a comma those of the previous one"
        )
    return keys


def authorization(text: str) -> str:
    """Return the value of an `Authorization` header: a scheme, a blank and the credentials, or anything else."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("must be the value of a header, in plain characters, such as Bearer SECRET")
    return text


def proxy_url(text: str) -> str:
    """Return the URL of an HTTP proxy. Accept `host:port` too, as curl does."""
    return url(text if "://" in text else f"http://{text}")


def _http(text: str, *, with_query: bool) -> str:
    parts = _parts(text)
    # A bare # or ? in a password would cut the host short.
    cut = parts.fragment or (parts.query and not with_query)
    if len(text) > LONGEST_URL:
        raise ValueError(f"must be a URL of {LONGEST_URL} characters at most")
    if parts.scheme not in {"http", "https"} or not parts.hostname or cut:
        raise ValueError(f"must be a URL with http:// or https:// and a host; {ESCAPES}")
    return word(text)


def database_url(text: str) -> str:
    """Check the URL of a database. Return it unchanged."""
    if not text.startswith("sqlite:///"):
        postgres_url.check(text)
    elif urlsplit(text).path.lstrip("/") in ("", ":memory:"):
        raise ValueError("must name a file: what is told must outlast the process")
    return text


def _parts(text: str) -> SplitResult:
    """Return the parts of a URL; empty ones if it is malformed."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError on a port that is not a number
        if "[" in parts.netloc and parts.hostname:
            IPv6Address(parts.hostname)  # httpx would raise on another kind of address
    except ValueError:
        return urlsplit("")
    return parts


def passwords(address: str) -> list[str]:
    """Return the passwords in a URL, as written and decoded: a log line may contain either."""
    if address.startswith("postgres"):
        return [*postgres_url.secrets(address)]
    password = urlsplit(address).password or ""
    return [password, unquote(password)]


def credentials(header: str) -> list[str]:
    """Return the secrets in the value of an `Authorization` header: all of it, and what follows the scheme."""
    return [header, header.partition(" ")[2].strip()]


def capabilities(address: str) -> list[str]:
    """Return the secret parts of a URL that grants access to anyone who knows it, as written and decoded."""
    parts = urlsplit(address)
    found = [address, parts.path.rstrip("/"), parts.query]
    return [*found, *map(unquote, found)]
