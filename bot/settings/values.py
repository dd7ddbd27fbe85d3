"""The settings: read once from a mapping, checked together, passed on as a value. Nothing is read from disk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bot.alerting.episode import AlertPolicy
from bot.alerting.quiet_hours import SHANGHAI, QuietHours
from bot.hosting import VARIABLES
from bot.language import Language
from bot.runtime.logs import Format
from bot.sealing import parse_keys
from bot.settings import parsers
from bot.settings.parsers import QueueKind
from bot.settings.proxies import AmbientProxy
from bot.settings.reader import InvalidSetting, SettingsError, VariableReader

__all__ = ["LIST", "PROXIES", "AmbientProxy", "InvalidSetting", "Settings", "SettingsError"]

PROXIES = ("WECHAT_PROXY_URL", "FIXIE_URL", "QUOTAGUARDSTATIC_URL", "QUOTAGUARDSHIELD_URL")

# The variables that `python -m bot list` needs.
LIST = (
    *("WECHAT_APPID", "WECHAT_SECRET", "KF_ACCOUNTS_FILE", "KF_ACCOUNTS", "STORE_KEYS"),
    *("WECHAT_API_URL", *PROXIES, "ALERT_LEADS", "LOG_LEVEL", "LOG_FORMAT"),
)

QUEUE = ("QUEUE_BACKEND", "DATABASE_URL")  # those of `python -m bot queue`
PLATFORM = ("PLATFORM_APPID", "PLATFORM_SECRET", "PLATFORM_TOKEN", "PLATFORM_AES_KEY", "PLATFORM_URL")
# Those of `python -m bot platform`.
OF_PLATFORM = (*PLATFORM, "STORE_KEYS", "DATABASE_URL", "ALERTS", "WECHAT_API_URL", *PROXIES, "LOG_FORMAT")


@dataclass(frozen=True, slots=True)  # each of thousands of accounts has its own
class Settings:
    """The settings of a deployment. Secrets, and URLs that may contain one, stay out of the repr."""

    wechat_appid: str  # "" if all accounts are in the file or in the store
    wechat_secret: str = field(repr=False)
    slack_bot_token: str = field(repr=False)
    slack_signing_secret: str = field(default="", repr=False)
    slack_app_token: str = field(default="", repr=False)
    slack_alert_channel: str = ""
    slack_api_url: str = field(default="https://slack.com/api/", repr=False)
    wechat_api_url: str = field(default="https://api.weixin.qq.com", repr=False)
    wechat_proxy_url: str = field(default="", repr=False)
    token_service_url: str = field(default="", repr=False)  # with `{appid}`
    token_service_auth: str = field(default="", repr=False)
    ambient_proxy: AmbientProxy = field(default_factory=AmbientProxy)  # of all traffic but WeChat's
    database_url: str = field(default="sqlite:///kf.db", repr=False)
    store_keys: tuple[str, ...] = field(default=(), repr=False)  # they seal secrets in the store, the newest first
    platform_appid: str = ""  # of the third-party platform (WeChat's `component_appid`); "" without one
    platform_secret: str = field(default="", repr=False)
    platform_token: str = field(default="", repr=False)  # it signs WeChat's pushes
    platform_aes_keys: tuple[str, ...] = field(default=(), repr=False)  # the present one, and the previous one
    platform_url: str = ""  # the public address of the `web` process, without a path
    poll_seconds: int = 300
    poll_idle_seconds: int = 0  # 0: as `poll_seconds`
    poll_concurrency: int = 0  # 0: see `poll_slots`
    polls_per_second: int = 50
    alerts: bool = True
    alert_leads: tuple[timedelta, ...] = (timedelta(hours=24), timedelta(hours=6), timedelta(hours=1))
    alert_lease_seconds: int = 45
    alert_mention: str = ""  # the on-call user or group, as mrkdwn
    kf_viewers: tuple[str, ...] = ()  # IDs of users and user groups; empty: every user
    kf_operators: tuple[str, ...] = ()  # the same; empty: no user, and no button of an operation
    kf_admins: tuple[str, ...] = ()  # the same: who may add and pause Official Accounts
    language: Language = Language.ENGLISH  # of the channel, and of readers whose language is not known
    timezone: ZoneInfo = SHANGHAI
    quiet: QuietHours | None = None
    queue_backend: QueueKind = QueueKind.ROWS
    heartbeat_url: str = field(default="", repr=False)
    host: str = "0.0.0.0"  # noqa: S104  a host's router reaches the process from outside
    port: int = 3000
    log_level: str = "INFO"
    log_format: Format = "text"
    accounts_file: str = ""  # the path of the file of accounts
    accounts_toml: str = field(default="", repr=False)  # the text of such a file: a mistake may put secrets in it
    hosted_by: str = ""  # the host, if it is one of `hosting.VARIABLES`

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, needed: Collection[str] | None = None) -> Self:
        """Read the settings, largest lead first.

        Args:
            needed: the variables that matter; None for all. The others may be missing, and are placeholders then.

        Raises:
            SettingsError: names every missing or malformed variable at once.
        """
        settings, found = cls.read(environ)
        problems = [problem for problem in found if needed is None or problem.name in needed]
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, tuple[InvalidSetting, ...]]:
        """Return the settings with all problems. A variable with a problem has a placeholder as its value."""
        reader, unset = VariableReader(environ), cls("", "", "")
        alerts = reader.read("ALERTS", True, parsers.switch)
        app_token = reader.read("SLACK_APP_TOKEN", "", parsers.prefixed("xapp-"))
        socket_mode = reader.is_set("SLACK_APP_TOKEN")  # also when malformed, so that one mistake is reported once
        has_file = reader.first_set(("KF_ACCOUNTS_FILE", "KF_ACCOUNTS")) is not None
        has_others = has_file or reader.first_set(("STORE_KEYS", "TOKEN_SERVICE_URL", "PLATFORM_APPID")) is not None
        has_platform = reader.first_set(PLATFORM) is not None
        has_account = reader.first_set(("WECHAT_APPID", "WECHAT_SECRET")) is not None or not has_others
        if reader.is_set("KF_ACCOUNTS_FILE") and reader.is_set("KF_ACCOUNTS"):
            reader.refuse("KF_ACCOUNTS", "is set, and KF_ACCOUNTS_FILE too: only one of them can be used")
        proxy = next(filter(reader.is_set, PROXIES), PROXIES[0])
        zone = reader.read("TIMEZONE", unset.timezone, parsers.zone)
        hours = reader.optional("QUIET_HOURS", parsers.hours)
        breakthrough = reader.read("QUIET_BREAKTHROUGH", False, parsers.switch)
        if breakthrough and not reader.is_set("QUIET_HOURS"):
            reader.refuse("QUIET_BREAKTHROUGH", "is on, but QUIET_HOURS is not set")
        poll_seconds = reader.read("POLL_SECONDS", unset.poll_seconds, parsers.at_least(1))
        idle_seconds = reader.read("POLL_IDLE_SECONDS", 0, parsers.at_least(1))
        if 0 < idle_seconds < poll_seconds:
            reader.refuse("POLL_IDLE_SECONDS", f"is less than POLL_SECONDS, which is {poll_seconds}")
        settings = cls(
            wechat_appid=reader.read("WECHAT_APPID", "", parsers.word, required=has_account),
            wechat_secret=reader.read("WECHAT_SECRET", "", parsers.word, required=has_account),
            slack_bot_token=reader.read("SLACK_BOT_TOKEN", "", parsers.prefixed("xoxb-"), required=True),
            slack_signing_secret=reader.read("SLACK_SIGNING_SECRET", "", parsers.word, required=not socket_mode),
            slack_app_token=app_token,
            slack_alert_channel=reader.read(
                "SLACK_ALERT_CHANNEL", "", parsers.channel_id, required=alerts and not has_others
            ),
            slack_api_url=reader.read("SLACK_API_URL", unset.slack_api_url, parsers.url).rstrip("/") + "/",
            wechat_api_url=reader.read("WECHAT_API_URL", unset.wechat_api_url, parsers.url).rstrip("/"),
            wechat_proxy_url=reader.read(proxy, "", parsers.url),
            token_service_url=reader.read("TOKEN_SERVICE_URL", "", parsers.token_service_url),
            token_service_auth=reader.read("TOKEN_SERVICE_AUTH", "", parsers.authorization),
            ambient_proxy=AmbientProxy.read(environ),
            database_url=reader.read("DATABASE_URL", "sqlite:///kf.db", parsers.database_url),
            store_keys=reader.read("STORE_KEYS", (), parse_keys, required=has_platform),
            platform_appid=reader.read("PLATFORM_APPID", "", parsers.word, required=has_platform),
            platform_secret=reader.read("PLATFORM_SECRET", "", parsers.word, required=has_platform),
            platform_token=reader.read("PLATFORM_TOKEN", "", parsers.word, required=has_platform),
            platform_aes_keys=reader.read("PLATFORM_AES_KEY", (), parsers.aes_keys, required=has_platform),
            platform_url=reader.read("PLATFORM_URL", "", parsers.public_url, required=has_platform),
            poll_seconds=poll_seconds,
            poll_idle_seconds=idle_seconds,
            poll_concurrency=reader.read("POLL_CONCURRENCY", 0, parsers.between(1, 256)),
            polls_per_second=reader.read("POLLS_PER_SECOND", unset.polls_per_second, parsers.between(1, 1000)),
            alerts=alerts,
            alert_leads=reader.read("ALERT_LEADS", unset.alert_leads, parsers.leads),
            alert_lease_seconds=reader.read("ALERT_LEASE_SECONDS", unset.alert_lease_seconds, parsers.at_least(2)),
            alert_mention=reader.read("ALERT_MENTION", "", parsers.mention),
            kf_viewers=reader.read("KF_VIEWERS", (), parsers.member_ids),
            kf_operators=reader.read("KF_OPERATORS", (), parsers.member_ids),
            kf_admins=reader.read("KF_ADMINS", (), parsers.member_ids),
            language=reader.read("KF_LANGUAGE", unset.language, parsers.language),
            timezone=zone,
            quiet=QuietHours(*hours, zone, breakthrough) if hours else None,
            queue_backend=reader.read("QUEUE_BACKEND", unset.queue_backend, parsers.queue_kind),
            heartbeat_url=reader.read("HEARTBEAT_URL", "", parsers.url_with_query),
            host=reader.read("HOST", unset.host, parsers.word),
            port=reader.read("PORT", unset.port, parsers.port),
            log_level=reader.read("LOG_LEVEL", unset.log_level, parsers.level),
            log_format=reader.read("LOG_FORMAT", unset.log_format, parsers.log_format),
            accounts_file=reader.read("KF_ACCOUNTS_FILE", "", str),
            accounts_toml=reader.read("KF_ACCOUNTS", "", str),
            hosted_by=VARIABLES.get(reader.first_set(VARIABLES) or "", ""),
        )
        if settings.queue_backend is not QueueKind.ROWS and settings.database_url.startswith("sqlite"):
            reader.refuse("QUEUE_BACKEND", *parsers.QUEUE_WITHOUT_POSTGRESQL)
        return settings, reader.problems

    @property
    def has_stored_accounts(self) -> bool:
        """Return whether there may be accounts in the store: one needs a key for its secret, or a token service."""
        return self.alerts and bool(self.store_keys or self.token_service_url)

    @property
    def reads_stored_accounts(self) -> bool:
        """Return whether accounts of the store are read: with a file also if none can be watched, to log why."""
        return self.has_stored_accounts or (self.alerts and self.accounts_file != "")

    @property
    def has_platform(self) -> bool:
        """Return whether accounts may authorise the third-party platform, for which the store is needed."""
        return self.alerts and self.platform_appid != ""

    def receives_commands(self, role: str) -> bool:
        """Return whether Slack's commands and clicks arrive at a process of this role."""
        return role == ("worker" if self.slack_app_token else "web")

    def poll_slots(self, *, receives_commands: bool) -> int:
        """Return how many polls a process makes at the same time: with fewer, its commands are answered sooner."""
        return self.poll_concurrency or (16 if receives_commands else 64)

    @property
    def poll_lease(self) -> timedelta:
        """Return how long a poll that a process has claimed is left to it."""
        return timedelta(seconds=self.alert_lease_seconds * 4 / 3)

    @property
    def policy(self) -> AlertPolicy:
        return AlertPolicy(leads=self.alert_leads, quiet=self.quiet)

    @property
    def shared_digests(self) -> Mapping[str, str]:
        """Return, by variable, a digest of the values that all processes on one store must share."""
        values = {
            "SLACK_BOT_TOKEN": self.slack_bot_token,
            "KF_VIEWERS": sorted(self.kf_viewers),
            "SLACK_ALERT_CHANNEL": self.slack_alert_channel,
            "POLL_SECONDS": self.poll_seconds,
            "ALERT_LEADS": self.alert_leads,
            "ALERT_LEASE_SECONDS": self.alert_lease_seconds,
            "ALERT_MENTION": self.alert_mention,
            "KF_OPERATORS": sorted(self.kf_operators),
            "KF_ADMINS": sorted(self.kf_admins),
            "KF_LANGUAGE": self.language.value,
            "TIMEZONE": self.timezone.key,
            "QUIET_HOURS": self.quiet and (str(self.quiet), self.quiet.breakthrough),
        }
        return {name: hashlib.sha256(repr(value).encode()).hexdigest()[:12] for name, value in values.items()}

    @property
    def on_dyno(self) -> bool:
        return self.hosted_by == "Heroku"

    @property
    def hosted_by_without_proxy(self) -> str:
        """Return the host if WeChat is called from its own addresses, which change; else ""."""
        return "" if self.wechat_proxy_url else self.hosted_by

    @property
    def slack_proxy_url(self) -> str:
        """Return the proxy of all Slack traffic, responses to commands included; "" for direct connections."""
        return self.ambient_proxy.of(self.slack_api_url)

    @property
    def token_service_proxy_url(self) -> str:
        """Return the proxy of the token service; "" for direct connections, as to one on this machine."""
        # Without encryption a proxy would see the token and the authorization.
        is_encrypted = urlsplit(self.token_service_url).scheme == "https"
        return self.ambient_proxy.of(self.token_service_url) if is_encrypted else ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every string that no log line may contain."""
        secrets = [self.wechat_secret, self.slack_bot_token, self.slack_signing_secret, self.slack_app_token]
        for url in (
            self.wechat_proxy_url,
            self.ambient_proxy.url,
            self.database_url,
            self.wechat_api_url,
            self.slack_api_url,
            self.heartbeat_url,
        ):
            secrets += parsers.passwords(url)
        secrets += parsers.capabilities(self.heartbeat_url)
        secrets += parsers.credentials(self.token_service_auth)
        secrets += [*self.store_keys, self.platform_secret, self.platform_token, *self.platform_aes_keys]
        return tuple(secret for secret in dict.fromkeys(secrets) if secret)
