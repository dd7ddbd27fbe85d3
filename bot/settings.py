"""The settings: read once from a mapping, checked together, passed on as a value. Nothing is read from disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self, TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

PROXIES = ("WECHAT_PROXY_URL", "FIXIE_URL", "QUOTAGUARDSTATIC_URL", "QUOTAGUARDSHIELD_URL")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DATABASE = re.compile(r"sqlite:///|postgres(ql(\+psycopg)?)?://")
ESCAPES = "in a password # ? / @ are written %23 %3F %2F %40"
LONGEST_LEAD = timedelta(days=366)  # dates far from today overflow
SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(Exception):
    """What is missing or malformed, all of it, in words for whoever deploys. Quotes no secret."""


@dataclass(frozen=True)
class Settings:
    """Everything that a deployment decides. Secrets, and URLs that may hold one, stay out of the repr."""

    wechat_appid: str
    wechat_secret: str = field(repr=False)
    slack_bot_token: str = field(repr=False)
    slack_signing_secret: str = field(default="", repr=False)
    slack_app_token: str = field(default="", repr=False)
    slack_alert_channel: str = ""
    slack_api_url: str = field(default="https://slack.com/api/", repr=False)
    wechat_api_url: str = field(default="https://api.weixin.qq.com", repr=False)
    wechat_proxy_url: str = field(default="", repr=False)
    database_url: str = field(default="sqlite:///kf.db", repr=False)
    poll_seconds: int = 300
    alerts: bool = True
    alert_leads: tuple[timedelta, ...] = (timedelta(hours=24), timedelta(hours=6), timedelta(hours=1))
    alert_lease_seconds: int = 45
    host: str = "0.0.0.0"  # noqa: S104  a host's router reaches the process from outside
    port: int = 3000
    log_level: str = "INFO"
    on_dyno: bool = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings, largest lead first.

        Raises:
            SettingsError: names every missing or malformed variable at once.
        """
        reader = _Reader(environ)
        alerts = reader.read("ALERTS", True, _switch)
        app_token = reader.read("SLACK_APP_TOKEN", "", _prefixed("xapp-"))
        socket_mode = environ.get("SLACK_APP_TOKEN", "").strip()  # also when malformed: one mistake, one line
        proxy = next((name for name in PROXIES if environ.get(name, "").strip()), PROXIES[0])
        settings = cls(
            wechat_appid=reader.read("WECHAT_APPID", None, _word),
            wechat_secret=reader.read("WECHAT_SECRET", None, _word),
            slack_bot_token=reader.read("SLACK_BOT_TOKEN", None, _prefixed("xoxb-")),
            slack_signing_secret=reader.read("SLACK_SIGNING_SECRET", "" if socket_mode else None, _word),
            slack_app_token=app_token,
            slack_alert_channel=reader.read("SLACK_ALERT_CHANNEL", None if alerts else "", _channel_id),
            slack_api_url=reader.read("SLACK_API_URL", cls.slack_api_url, _url).rstrip("/") + "/",
            wechat_api_url=reader.read("WECHAT_API_URL", cls.wechat_api_url, _url).rstrip("/"),
            wechat_proxy_url=reader.read(proxy, "", _url),
            database_url=reader.read("DATABASE_URL", "sqlite:///kf.db", _database_url),
            poll_seconds=reader.read("POLL_SECONDS", cls.poll_seconds, _at_least(1)),
            alerts=alerts,
            alert_leads=reader.read("ALERT_LEADS", cls.alert_leads, _leads),
            alert_lease_seconds=reader.read("ALERT_LEASE_SECONDS", cls.alert_lease_seconds, _at_least(2)),
            host=reader.read("HOST", cls.host, _word),
            port=reader.read("PORT", cls.port, _port),
            log_level=reader.read("LOG_LEVEL", cls.log_level, _level),
            on_dyno=bool(environ.get("DYNO", "").strip()),
        )
        reader.raise_if_wrong()
        return settings

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string that no log line may hold."""
        secrets = [self.wechat_secret, self.slack_bot_token, self.slack_signing_secret, self.slack_app_token]
        for url in (self.wechat_proxy_url, self.database_url, self.wechat_api_url, self.slack_api_url):
            secrets += _passwords(url)
        return tuple(secret for secret in dict.fromkeys(secrets) if secret)


T = TypeVar("T")


class _Reader:
    """Reads variables one by one and remembers what was wrong with them, to tell it all in one go."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._missing: list[str] = []
        self._malformed: list[str] = []

    def read(self, name: str, default: T | None, parse: Callable[[str], T]) -> T:
        """The parsed value; `default` when unset or blank; a required one has the default None."""
        text = self._environ.get(name, "").strip()
        try:
            if text:
                return parse(text)
            if default is None:
                self._missing.append(name)
        except ValueError as exc:
            self._malformed.append(f"{name} {exc}")
        return default  # type: ignore[return-value]  # None lives only until raise_if_wrong

    def raise_if_wrong(self) -> None:
        lines = [f"not set: {name}" for name in self._missing] + self._malformed
        if lines:
            raise SettingsError("The settings are not complete.\n" + "\n".join(f"  {line}" for line in lines))


def _word(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be plain characters without blanks")
    return text


def _prefixed(prefix: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text.startswith(prefix):
            raise ValueError(f"must start with {prefix}")
        return _word(text)

    return parse


def _channel_id(text: str) -> str:
    if not re.fullmatch(r"[CGD][A-Z0-9]{2,}", text):
        raise ValueError("must be a channel ID such as C0123456789 (channel details, last line), not a name")
    return text


def _switch(text: str) -> bool:
    try:
        return {"on": True, "off": False}[text.lower()]
    except KeyError:
        raise ValueError("must be on or off") from None


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise ValueError(f"must be a whole number of seconds, {least} or more, of nine digits at most")
        return int(text)

    return parse


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("must be a port number")
    return int(text)


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return text.upper()


def _leads(text: str) -> tuple[timedelta, ...]:
    leads = set()
    for part in text.split(","):
        match = re.fullmatch(r"([1-9][0-9]{0,7})([smhd])", part.strip().lower())
        lead = timedelta(**{UNITS[match[2]]: int(match[1])}) if match else None
        if lead is None or lead > LONGEST_LEAD:
            raise ValueError(f"must be like 24h,6h,1h (units s, m, h, d; at most {LONGEST_LEAD.days}d)")
        leads.add(lead)
    return tuple(sorted(leads, reverse=True))


def _url(text: str) -> str:
    parts = _parts(text)
    # A bare # or ? in a password would cut the host short.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"must be a URL with http:// or https:// and a host; {ESCAPES}")
    return _word(text)


def _database_url(text: str) -> str:
    parts = _parts(text)
    if not DATABASE.match(text) or not parts.scheme or (parts.netloc and parts.fragment):
        raise ValueError(f"must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; {ESCAPES}")
    if parts.scheme == "sqlite" and parts.path.lstrip("/") in ("", ":memory:"):
        raise ValueError("must name a file: what is told must outlast the process")
    if not set(parse_qs(parts.query).get("sslmode", ())) <= SSL_MODES:
        raise ValueError(f"has an unknown sslmode; there are {', '.join(sorted(SSL_MODES))}")
    return text


def _parts(text: str) -> SplitResult:
    """The parts of a URL; empty ones when it makes no sense."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises on a port that is no number
    except ValueError:
        return urlsplit("")
    return parts


def _passwords(url: str) -> list[str]:
    """The passwords in a URL, as written and decoded: a log line may hold either."""
    parts = urlsplit(url)
    found = [parts.password or "", *parse_qs(parts.query).get("password", ())]
    return [*found, *map(unquote, found)]
