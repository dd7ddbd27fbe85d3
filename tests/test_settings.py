"""The settings: what is accepted, what is named when it is wrong, and that no secret shows."""

from __future__ import annotations

from datetime import time, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy.engine import make_url

from bot.alerting.quiet_hours import QuietHours
from bot.language import Language
from bot.settings.parsers import QueueKind
from bot.settings.reader import SettingsError
from bot.settings.values import PROXIES, Settings
from tests.for_each import for_each
from tests.test_deploy_files import example

REQUIRED = {
    "WECHAT_APPID": "wx1234567890abcdef",
    "WECHAT_SECRET": "wechat-secret-value",
    "SLACK_BOT_TOKEN": "xoxb-bot-token-value",
    "SLACK_SIGNING_SECRET": "signing-secret-value",
    "SLACK_ALERT_CHANNEL": "C0123456789",
}
PLATFORM = {
    "PLATFORM_APPID": "wx00000000000000c0",
    "PLATFORM_SECRET": "platform-secret-value",
    "PLATFORM_TOKEN": "platform-token-value",
    "PLATFORM_AES_KEY": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "PLATFORM_URL": "https://kf.example",
    "STORE_KEYS": "11" * 32,
}
HOUR = timedelta(hours=1)


def read(**environ: str) -> Settings:
    return Settings.from_environ(REQUIRED | environ)


def complaint(environ: dict[str, str]) -> list[str]:
    """Return the lines of the message, one per variable."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ(environ)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in REQUIRED.items() if key != name}


def test_required_settings_alone_are_enough() -> None:
    assert read() == Settings(
        wechat_appid="wx1234567890abcdef",
        wechat_secret="wechat-secret-value",
        slack_bot_token="xoxb-bot-token-value",
        slack_signing_secret="signing-secret-value",
        slack_app_token="",
        slack_alert_channel="C0123456789",
        slack_api_url="https://slack.com/api/",
        wechat_api_url="https://api.weixin.qq.com",
        wechat_proxy_url="",
        token_service_url="",
        token_service_auth="",
        database_url="sqlite:///kf.db",
        poll_seconds=300,
        alerts=True,
        alert_leads=(24 * HOUR, 6 * HOUR, HOUR),
        alert_lease_seconds=45,
        alert_mention="",
        language=Language.ENGLISH,
        timezone=ZoneInfo("Asia/Shanghai"),
        quiet=None,
        heartbeat_url="",
        host="0.0.0.0",
        port=3000,
        log_level="INFO",
        hosted_by="",
    )


@for_each("name", REQUIRED)
@for_each("blank", [None, "", "  \t"])
def test_required_variable_that_is_missing_or_blank_is_named(name: str, blank: str | None) -> None:
    environ = without(name) if blank is None else REQUIRED | {name: blank}
    assert complaint(environ) == [f"not set: {name}"]


def test_missing_variables_are_all_named_at_once() -> None:
    lines = complaint({})
    assert sorted(lines) == sorted(f"not set: {name}" for name in REQUIRED)


def test_missing_and_malformed_variables_are_named_together() -> None:
    lines = complaint(without("WECHAT_APPID") | {"PORT": "http", "ALERT_LEADS": "soon", "POLL_SECONDS": "0"})
    assert [line.removeprefix("not set: ").split()[0] for line in lines] == [
        "WECHAT_APPID",
        "POLL_SECONDS",
        "ALERT_LEADS",
        "PORT",
    ]


@for_each(
    ("name", "value", "advice"),
    [
        ("WECHAT_APPID", "wx 123", "plain characters without blanks"),
        ("WECHAT_APPID", "wx123\u200b", "plain characters without blanks"),
        ("WECHAT_SECRET", "两个字", "plain characters without blanks"),
        ("WECHAT_SECRET", "one\ntwo", "plain characters without blanks"),
        ("SLACK_BOT_TOKEN", "xoxp-123", "start with xoxb-"),
        ("SLACK_BOT_TOKEN", "xoxb-1 2", "plain characters without blanks"),
        ("SLACK_SIGNING_SECRET", "a b", "plain characters without blanks"),
        ("SLACK_APP_TOKEN", "xoxb-123", "start with xapp-"),
        ("SLACK_ALERT_CHANNEL", "#alerts", "channel ID such as C0123456789"),
        ("SLACK_ALERT_CHANNEL", "c0123456789", "channel ID such as C0123456789"),
        ("SLACK_API_URL", "slack.com/api", "a URL with http:// or https:// and a host"),
        ("SLACK_API_URL", "https://", "a URL with http:// or https:// and a host"),
        ("WECHAT_API_URL", "ftp://api.example.com", "a URL with http:// or https:// and a host"),
        ("WECHAT_API_URL", "https://api.example.com?x=1", "a URL with http:// or https:// and a host"),
        ("WECHAT_API_URL", "https://api.exam ple.com", "plain characters without blanks"),
        ("WECHAT_PROXY_URL", "fixie:pass@proxy.example.com:80", "a URL with http:// or https:// and a host"),
        ("WECHAT_PROXY_URL", "socks5://proxy.example.com:1080", "a URL with http:// or https:// and a host"),
        ("WECHAT_PROXY_URL", "http://proxy.example.com:eighty", "a URL with http:// or https:// and a host"),
        ("WECHAT_PROXY_URL", "http://[::1", "a URL with http:// or https:// and a host"),
        ("WECHAT_PROXY_URL", "http://user:12#34@proxy.example.com", "# ? / @ are written %23 %3F %2F %40"),
        ("TOKEN_SERVICE_URL", "tokens.example/{appid}", "a URL with https:// and a host"),
        ("TOKEN_SERVICE_URL", "http://tokens.example/{appid}", "http:// is for an address of this machine only"),
        ("TOKEN_SERVICE_URL", "https://tokens.example/wx123", "contain {appid} in its path or query"),
        ("TOKEN_SERVICE_URL", "https://tokens.example/{appid}#a", "contain {appid} in its path or query"),
        ("TOKEN_SERVICE_URL", "https://me:pass@tokens.example/{appid}", "not contain a user or a password"),
        ("TOKEN_SERVICE_URL", "https://tokens.example/my {appid}", "plain characters without blanks"),
        ("TOKEN_SERVICE_URL", "https://tokens.example/{appid}" + "x" * 2000, "2000 characters at most"),
        ("TOKEN_SERVICE_AUTH", "Bearer 密钥", "the value of a header, in plain characters, such as Bearer SECRET"),
        ("TOKEN_SERVICE_AUTH", "Bearer one\nX-Other: two", "the value of a header, in plain characters"),
        ("DATABASE_URL", "mysql://localhost/kf", "sqlite:///PATH or postgresql://"),
        ("DATABASE_URL", "kf.db", "sqlite:///PATH or postgresql://"),
        ("DATABASE_URL", "sqlite://kf.db", "sqlite:///PATH or postgresql://"),
        ("DATABASE_URL", "SQLITE:///kf.db", "sqlite:///PATH or postgresql://"),
        ("DATABASE_URL", "postgresql:kf", "sqlite:///PATH or postgresql://"),
        ("DATABASE_URL", "postgres://kf@localhost:port/kf", "sqlite:///PATH or postgresql://"),
        ("DATABASE_URL", "postgres://kf:12#34@localhost/kf", "# ? / @ are written %23 %3F %2F %40"),
        ("DATABASE_URL", "postgres://kf:12@34@localhost/kf", "# ? / @ are written %23 %3F %2F %40"),
        ("QUEUE_BACKEND", "celery", "rows or procrastinate"),
        ("POLL_SECONDS", "0", "1 or more"),
        ("POLL_SECONDS", "-5", "1 or more"),
        ("POLL_SECONDS", "2.5", "a whole number of seconds"),
        ("POLL_SECONDS", "5m", "a whole number of seconds"),
        ("POLL_SECONDS", "9" * 5000, "nine digits at most"),
        ("ALERTS", "maybe", "on or off"),
        ("ALERT_LEADS", "24", "like 24h,6h,1h"),
        ("ALERT_LEADS", "24h,,1h", "like 24h,6h,1h"),
        ("ALERT_LEADS", "0h", "like 24h,6h,1h"),
        ("ALERT_LEADS", "367d", "at most 366d"),
        ("ALERT_LEASE_SECONDS", "1", "2 or more"),
        ("ALERT_MENTION", "@channel", "the ID of one user group (S0123456789) or of a person"),
        ("ALERT_MENTION", "<!channel>", "Names, @channel and @here are not taken"),
        ("ALERT_MENTION", "<!here|here>", "Names, @channel and @here are not taken"),
        ("ALERT_MENTION", "@kf-care", 'Slack\'s menus have it as "Copy ID"'),
        ("ALERT_MENTION", "WANG", "the ID of one user group"),
        ("ALERT_MENTION", "SUPPORT", "the ID of one user group"),
        ("ALERT_MENTION", "SUPPORTTEAM", "the ID of one user group"),
        ("ALERT_MENTION", "UFXKLMNOP", "the ID of one user group"),
        ("ALERT_MENTION", "C0123456789", "the ID of one user group"),
        ("ALERT_MENTION", "s0123456789", "the ID of one user group"),
        ("ALERT_MENTION", "S0123456789,U0123456789", "the ID of one user group"),
        ("ALERT_MENTION", "<@U0123456789> <!channel>", "the ID of one user group"),
        ("ALERT_MENTION", "<@U0123456789|<!channel>>", "the ID of one user group"),
        ("KF_LANGUAGE", "zh-CN", "must be en (English) or zh (Chinese)"),
        ("KF_LANGUAGE", "english", "must be en (English) or zh (Chinese)"),
        ("KF_LANGUAGE", "中文", "must be en (English) or zh (Chinese)"),
        ("KF_LANGUAGE", "de", "must be en (English) or zh (Chinese)"),
        ("TIMEZONE", "Shanghai", "an IANA time zone such as Asia/Shanghai or Europe/Berlin"),
        ("TIMEZONE", "localtime", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "posixrules", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "Factory", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "right/Asia/Shanghai", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "Asia", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "UTC+8", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "../etc/passwd", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "/etc/localtime", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "上海", "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "A" * 5000, "an IANA time zone such as Asia/Shanghai"),
        ("TIMEZONE", "Europe/Berlin\0", "an IANA time zone such as Asia/Shanghai"),
        ("QUIET_HOURS", "22-8", "like 22:00-08:00"),
        ("QUIET_HOURS", "22:00", "like 22:00-08:00"),
        ("QUIET_HOURS", "off", "like 22:00-08:00"),
        ("QUIET_HOURS", "10pm-8am", "like 22:00-08:00"),
        ("QUIET_HOURS", "22:00-08:00,12:00-13:00", "like 22:00-08:00"),
        ("QUIET_HOURS", "22:60-08:00", "times from 00:00 to 24:00"),
        ("QUIET_HOURS", "22:00-24:01", "times from 00:00 to 24:00"),
        ("QUIET_HOURS", "25:00-08:00", "times from 00:00 to 24:00"),
        ("QUIET_HOURS", "08:00-8:00", "begin and end at different times"),
        ("QUIET_HOURS", "00:00-24:00", "begin and end at different times"),
        ("QUIET_BREAKTHROUGH", "yes", "on or off"),
        ("HEARTBEAT_URL", "hc-ping.com/uuid", "a URL with http:// or https:// and a host"),
        ("HEARTBEAT_URL", "ftp://hc-ping.com/uuid", "a URL with http:// or https:// and a host"),
        ("HEARTBEAT_URL", "https:///uuid", "a URL with http:// or https:// and a host"),
        ("HEARTBEAT_URL", "https://hc-ping.com/uuid#top", "a URL with http:// or https:// and a host"),
        ("HEARTBEAT_URL", "https://hc-ping.com/my uuid", "plain characters without blanks"),
        ("HOST", "0.0.0.0 ::", "plain characters without blanks"),
        ("PORT", "65536", "a port number"),
        ("PORT", "-1", "a port number"),
        ("PORT", "9" * 5000, "a port number"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("LOG_FORMAT", "xml", "be text or json"),
        ("KF_VIEWERS", "mei", "IDs with commas between them"),
        ("KF_VIEWERS", "U0MEI1,,S0CARE1", "IDs with commas between them"),
        ("KF_VIEWERS", "U0MEI1 S0CARE1", "IDs with commas between them"),
        ("KF_VIEWERS", "<!channel>", "Names are not taken"),
        ("KF_OPERATORS", "everybody", "IDs with commas between them"),
        ("KF_OPERATORS", "*", "Names are not taken"),
    ],
)
def test_malformed_variable_is_named_with_what_it_must_be(name: str, value: str, advice: str) -> None:
    (line,) = complaint(REQUIRED | {name: value})
    assert line.startswith(f"{name} must ")
    assert advice in line


@for_each(
    ("name", "value", "field", "expected"),
    [
        ("SLACK_API_URL", "https://slack-gov.com/api", "slack_api_url", "https://slack-gov.com/api/"),
        ("SLACK_API_URL", "http://127.0.0.1:8080/api/", "slack_api_url", "http://127.0.0.1:8080/api/"),
        ("WECHAT_API_URL", "https://api2.weixin.qq.com/", "wechat_api_url", "https://api2.weixin.qq.com"),
        (
            *("TOKEN_SERVICE_URL", "https://tokens.example/?id={appid}&x=1"),
            *("token_service_url", "https://tokens.example/?id={appid}&x=1"),
        ),
        (
            *("TOKEN_SERVICE_URL", "http://127.0.0.1:8000/{appid}"),
            *("token_service_url", "http://127.0.0.1:8000/{appid}"),
        ),
        ("TOKEN_SERVICE_AUTH", " Bearer a b ", "token_service_auth", "Bearer a b"),
        ("TOKEN_SERVICE_AUTH", "a-key", "token_service_auth", "a-key"),
        ("DATABASE_URL", "sqlite:////var/lib/kf.db", "database_url", "sqlite:////var/lib/kf.db"),
        ("DATABASE_URL", "postgres://kf@db.example.com/kf", "database_url", "postgres://kf@db.example.com/kf"),
        ("DATABASE_URL", "postgresql:///kf?host=/run", "database_url", "postgresql:///kf?host=/run"),
        ("DATABASE_URL", "postgresql+psycopg://h/kf", "database_url", "postgresql+psycopg://h/kf"),
        ("QUEUE_BACKEND", "ROWS", "queue_backend", QueueKind.ROWS),
        ("POLL_SECONDS", "1", "poll_seconds", 1),
        ("POLL_SECONDS", " 60 ", "poll_seconds", 60),
        ("ALERT_LEASE_SECONDS", "2", "alert_lease_seconds", 2),
        ("ALERTS", "ON", "alerts", True),
        ("ALERTS", "Off", "alerts", False),
        ("ALERT_MENTION", "S0CARE", "alert_mention", "<!subteam^S0CARE>"),
        ("ALERT_MENTION", "<!subteam^S0123456789>", "alert_mention", "<!subteam^S0123456789>"),
        ("ALERT_MENTION", "<!subteam^S0123456789|@care>", "alert_mention", "<!subteam^S0123456789>"),
        ("ALERT_MENTION", "U0MEI", "alert_mention", "<@U0MEI>"),
        ("ALERT_MENTION", " <@U0123456789> ", "alert_mention", "<@U0123456789>"),
        ("ALERT_MENTION", "<@W0123456789|mei>", "alert_mention", "<@W0123456789>"),
        ("ALERT_MENTION", "S0123ABCD", "alert_mention", "<!subteam^S0123ABCD>"),
        ("KF_VIEWERS", "U0MEI", "kf_viewers", ("U0MEI",)),
        ("KF_OPERATORS", "U0MEI, <!subteam^S0CARE|@care>", "kf_operators", ("U0MEI", "S0CARE")),
        ("KF_VIEWERS", "S0CARE, <@W0BOSS>,S0CARE", "kf_viewers", ("S0CARE", "W0BOSS")),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("LOG_FORMAT", "text", "log_format", "text"),
        ("ALERT_MENTION", "SAZ94GDB8", "alert_mention", "<!subteam^SAZ94GDB8>"),
        ("ALERT_MENTION", "U012AB3CD", "alert_mention", "<@U012AB3CD>"),
        ("ALERT_MENTION", "W0MEI", "alert_mention", "<@W0MEI>"),
        # Some old IDs have no digit; without markup they resemble names.
        ("ALERT_MENTION", "<@UFXKLMNOP>", "alert_mention", "<@UFXKLMNOP>"),
        ("KF_LANGUAGE", "en", "language", Language.ENGLISH),
        ("KF_LANGUAGE", "zh", "language", Language.CHINESE),
        ("KF_LANGUAGE", " ZH ", "language", Language.CHINESE),
        ("KF_LANGUAGE", "", "language", Language.ENGLISH),
        ("TIMEZONE", "UTC", "timezone", ZoneInfo("UTC")),
        ("TIMEZONE", "Europe/Berlin", "timezone", ZoneInfo("Europe/Berlin")),
        ("TIMEZONE", "Etc/GMT-8", "timezone", ZoneInfo("Etc/GMT-8")),
        ("HEARTBEAT_URL", "https://hc-ping.com/uuid", "heartbeat_url", "https://hc-ping.com/uuid"),
        ("HEARTBEAT_URL", "http://kuma:3001/api/push/x?a=b", "heartbeat_url", "http://kuma:3001/api/push/x?a=b"),
        ("HOST", "::", "host", "::"),
        ("PORT", "65535", "port", 65535),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("DYNO", "web.1", "hosted_by", "Heroku"),
        ("DYNO", "web.1", "on_dyno", True),
        ("DYNO", " ", "hosted_by", ""),
        ("FLY_APP_NAME", "kf", "hosted_by", "Fly"),
        ("RAILWAY_SERVICE_ID", "b3f1", "hosted_by", "Railway"),
        ("RAILWAY_ANYTHING", "1", "hosted_by", "Railway"),
        ("RAILWAY_SERVICE_ID", " ", "hosted_by", ""),
        ("RAILWAYS", "1", "hosted_by", ""),
        ("RENDER", "true", "hosted_by", "Render"),
        ("RENDER", "true", "on_dyno", False),
        ("RENDER", "true", "hosted_by_without_proxy", "Render"),
        ("SLACK_ALERT_CHANNEL", "G0123456789", "slack_alert_channel", "G0123456789"),
    ],
)
def test_good_value_is_taken(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(read(**{name: value}), field) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h,24h,6h", (24 * HOUR, 6 * HOUR, HOUR)),
        ("90m", (1.5 * HOUR,)),
        ("45s, 2D", (48 * HOUR, timedelta(seconds=45))),
        ("60m,1h", (HOUR,)),
        ("366d", (366 * 24 * HOUR,)),
    ],
)
def test_leads_are_sorted_from_the_largest_without_repeats(text: str, expected: tuple[timedelta, ...]) -> None:
    assert read(ALERT_LEADS=text).alert_leads == expected


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("22:00-08:00", time(22), time(8)),
        ("22:00 – 8:00", time(22), time(8)),
        ("22：00～08：00", time(22), time(8)),
        ("２２：３０－０８：１５", time(22, 30), time(8, 15)),
        ("12:30—13:45", time(12, 30), time(13, 45)),
        ("20:00-24:00", time(20), time(0)),
        ("00:00-07:00", time(0), time(7)),
        ("23:59-00:00", time(23, 59), time(0)),
    ],
)
def test_quiet_hours_are_read_as_people_type_them(text: str, begins: time, ends: time) -> None:
    assert read(QUIET_HOURS=text).quiet == QuietHours(begins, ends, ZoneInfo("Asia/Shanghai"))


def test_quiet_hours_have_the_zone_and_the_breakthrough_setting() -> None:
    settings = read(QUIET_HOURS="22:00-08:00", TIMEZONE="Europe/Berlin", QUIET_BREAKTHROUGH="on")
    assert settings.quiet == QuietHours(time(22), time(8), ZoneInfo("Europe/Berlin"), breakthrough=True)


def test_breakthrough_without_quiet_hours_is_a_mistake() -> None:
    (line,) = complaint(REQUIRED | {"QUIET_BREAKTHROUGH": "on", "QUIET_HOURS": " "})
    assert line == "QUIET_BREAKTHROUGH is on, but QUIET_HOURS is not set"
    assert read(QUIET_BREAKTHROUGH="off") == read()


def test_malformed_quiet_hours_are_one_mistake() -> None:
    (line,) = complaint(REQUIRED | {"QUIET_BREAKTHROUGH": "on", "QUIET_HOURS": "22-8"})
    assert line.startswith("QUIET_HOURS must ")


def test_wrong_zone_does_not_make_the_quiet_hours_wrong() -> None:
    (line,) = complaint(REQUIRED | {"TIMEZONE": "Berlin", "QUIET_HOURS": "22:00-08:00"})
    assert line.startswith("TIMEZONE")


def test_problems_of_all_settings_are_named_together() -> None:
    wrong = {"TIMEZONE": "x", "QUIET_HOURS": "x", "QUIET_BREAKTHROUGH": "x", "ALERT_MENTION": "x", "PORT": "x"}
    lines = complaint(without("WECHAT_APPID") | wrong | {"HEARTBEAT_URL": "x"})
    assert {line.removeprefix("not set: ").split()[0] for line in lines} == {
        *wrong,
        "WECHAT_APPID",
        "HEARTBEAT_URL",
    }


def test_channel_is_optional_with_alerts_off() -> None:
    settings = Settings.from_environ(without("SLACK_ALERT_CHANNEL") | {"ALERTS": "off"})
    assert (settings.alerts, settings.slack_alert_channel) == (False, "")


@pytest.mark.parametrize("name", ["KF_ACCOUNTS_FILE", "KF_ACCOUNTS"])
def test_account_and_channel_are_optional_with_a_file_of_accounts(name: str) -> None:
    environ = {
        key: value for key, value in REQUIRED.items() if key.startswith("SLACK_") and key != "SLACK_ALERT_CHANNEL"
    }
    settings = Settings.from_environ(environ | {name: "of accounts"})
    assert (settings.wechat_appid, settings.wechat_secret, settings.slack_alert_channel) == ("", "", "")
    assert {"KF_ACCOUNTS_FILE": settings.accounts_file, "KF_ACCOUNTS": settings.accounts_toml}[
        name
    ] == "of accounts"


@pytest.mark.parametrize("name", ["WECHAT_APPID", "WECHAT_SECRET"])
def test_appid_and_secret_need_each_other_also_with_a_file_of_accounts(name: str) -> None:
    assert complaint(without(name) | {"KF_ACCOUNTS_FILE": "accounts.toml"}) == [f"not set: {name}"]


def test_file_of_accounts_and_its_text_together_are_a_mistake() -> None:
    (line,) = complaint(REQUIRED | {"KF_ACCOUNTS_FILE": "accounts.toml", "KF_ACCOUNTS": "[[account]]"})
    assert line == "KF_ACCOUNTS is set, and KF_ACCOUNTS_FILE too: only one of them can be used"


def test_repr_shows_no_text_of_accounts() -> None:
    assert "geheim" not in repr(read(KF_ACCOUNTS='secret = "geheim"'))


def test_socket_mode_needs_no_signing_secret() -> None:
    settings = Settings.from_environ(without("SLACK_SIGNING_SECRET") | {"SLACK_APP_TOKEN": "xapp-1"})
    assert (settings.slack_app_token, settings.slack_signing_secret) == ("xapp-1", "")


def test_malformed_app_token_does_not_make_the_signing_secret_missing() -> None:
    (line,) = complaint(without("SLACK_SIGNING_SECRET") | {"SLACK_APP_TOKEN": "xoxb-1"})
    assert line.startswith("SLACK_APP_TOKEN")


@pytest.mark.parametrize("first", range(len(PROXIES)))
def test_first_proxy_that_is_set_wins(first: int) -> None:
    environ = dict.fromkeys(PROXIES[:first], " ")
    environ |= {name: f"http://{number}.example.com:80" for number, name in enumerate(PROXIES) if number >= first}
    assert read(**environ).wechat_proxy_url == f"http://{first}.example.com:80"


@for_each("proxy", PROXIES)
@for_each("host", ["DYNO", "FLY_APP_NAME", "RAILWAY_PROJECT_ID", "RENDER"])
def test_proxy_stands_for_the_fixed_address_that_the_host_lacks(host: str, proxy: str) -> None:
    assert read(**{host: "x"}).hosted_by_without_proxy
    assert read(**{host: "x", proxy: "http://u:p@proxy.example:80"}).hosted_by_without_proxy == ""


def test_malformed_proxy_is_named_as_the_host_set_it() -> None:
    (line,) = complaint(REQUIRED | {"FIXIE_URL": "nonsense", "QUOTAGUARDSHIELD_URL": "http://fine.example.com"})
    assert line.startswith("FIXIE_URL must ")


def test_proxies_without_a_fixed_address_and_ambient_ones_are_not_read() -> None:
    unread = ("QUOTAGUARD_URL", "FIXIE_SOCKS_HOST", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
    assert read(**dict.fromkeys(unread, "http://other.example.com")).wechat_proxy_url == ""


SECRETS = {
    "WECHAT_SECRET": "geheim-wechat",
    "SLACK_BOT_TOKEN": "xoxb-geheim-bot",
    "SLACK_SIGNING_SECRET": "geheim-signing",
    "SLACK_APP_TOKEN": "xapp-geheim-app",
    "WECHAT_PROXY_URL": "http://fixie:geheim%2Fproxy@proxy.example.com:80",
    "DATABASE_URL": "postgres://kf:geheim-db@db.example.com:5432/kf",
    "WECHAT_API_URL": "https://gate:geheim-gate@wechat.example.com",
    "SLACK_API_URL": "https://gate:geheim-slack@slack.example.com/api/",
    "TOKEN_SERVICE_AUTH": "Bearer geheim-service",
    "HEARTBEAT_URL": "https://me:geheim-beat@beat.example.com/geheim%20path/?key=geheim-key",
}


def test_every_secret_is_listed_for_the_log_to_hide() -> None:
    assert set(read(**SECRETS).secrets) == {
        "geheim-wechat",
        "xoxb-geheim-bot",
        "geheim-signing",
        "xapp-geheim-app",
        "geheim%2Fproxy",
        "geheim/proxy",
        "geheim-db",
        "geheim-gate",
        "geheim-slack",
        "Bearer geheim-service",
        "geheim-service",
        "geheim-beat",
        "https://me:geheim-beat@beat.example.com/geheim%20path/?key=geheim-key",
        "https://me:geheim-beat@beat.example.com/geheim path/?key=geheim-key",
        "/geheim%20path",
        "/geheim path",
        "key=geheim-key",
    }


def test_heartbeat_at_the_root_of_its_host_does_not_make_every_slash_a_secret() -> None:
    assert set(read(HEARTBEAT_URL="https://uuid.example.com/").secrets) - set(read().secrets) == {
        "https://uuid.example.com/"
    }


def test_database_password_among_the_options_is_a_secret_too() -> None:
    assert "geheim" in read(DATABASE_URL="postgresql:///kf?host=/run&password=geheim").secrets


def test_settings_that_are_not_set_add_no_empty_secret() -> None:
    assert set(read().secrets) == {"wechat-secret-value", "xoxb-bot-token-value", "signing-secret-value"}


def test_repr_shows_no_secret() -> None:
    shown = repr(read(**SECRETS))
    assert "geheim" not in shown
    assert "wx1234567890abcdef" in shown


def test_address_of_the_token_service_stays_out_of_the_repr_and_of_its_error() -> None:
    assert "geheim" not in repr(read(TOKEN_SERVICE_URL="https://tokens.example/{appid}?key=geheim"))
    for wrong in ("http://tokens.example/geheim/{appid}", "https://geheim.example/", "https://me:geheim@h/{appid}"):
        (line,) = complaint(REQUIRED | {"TOKEN_SERVICE_URL": wrong})
        assert "geheim" not in line


@for_each("name", SECRETS)
def test_message_about_a_malformed_secret_does_not_quote_it(name: str) -> None:
    (line,) = complaint(REQUIRED | {name: "geheim \N{SNOWMAN} ://geheim:geheim@geheim:geheim"})
    assert line.startswith(f"{name} must ")
    assert "geheim" not in line


@pytest.mark.parametrize(
    "url",
    ["http://u:p%23@proxy.example.com:80", "HTTPS://proxy.example.com", "http://[::1]:9", "http://under_score:1/"],
)
async def test_accepted_proxy_is_one_that_the_client_takes(url: str) -> None:
    async with httpx.AsyncClient(proxy=read(WECHAT_PROXY_URL=url).wechat_proxy_url, trust_env=False):
        pass


@pytest.mark.parametrize(
    "url", ["https://u:p%23@beat.example.com/x?a=b%20c&d", "HTTP://[::1]:9/x", "http://kuma:3001", "http://a_b/?"]
)
def test_accepted_heartbeat_is_one_that_the_client_takes(url: str) -> None:
    assert httpx.URL(read(HEARTBEAT_URL=url).heartbeat_url).host


def test_accepted_sqlite_url_is_one_that_the_store_can_read() -> None:
    assert make_url(read(DATABASE_URL="sqlite:///./数据.db").database_url)


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
def test_database_that_would_not_last_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        read(DATABASE_URL=url)


def test_valid_settings_are_read_beside_malformed_ones() -> None:
    settings, problems = Settings.read(without("WECHAT_APPID") | {"PORT": "http", "POLL_SECONDS": "60"})
    assert [(problem.name, problem.why) for problem in problems] == [
        ("WECHAT_APPID", ""),
        ("PORT", "must be a port number"),
    ]
    assert (settings.wechat_appid, settings.port, settings.poll_seconds) == ("", 3000, 60)
    assert settings.slack_bot_token == "xoxb-bot-token-value"


@for_each("quote", ['"', "'", "`"])
@for_each("name", sorted(example()))
def test_every_setting_in_quotes_is_rejected_by_name(name: str, quote: str) -> None:
    value = f"{quote}{REQUIRED.get(name, '1')}{quote}"
    environ = {
        key: text for key, text in REQUIRED.items() if key != "SLACK_SIGNING_SECRET" or name != "SLACK_APP_TOKEN"
    }
    others = PLATFORM if name in PLATFORM else {}
    (line,) = complaint(environ | others | {name: value})
    assert line == f"{name} is in quotes. Remove the quotes: Docker's --env-file takes them for part of the value."


def test_platform_alone_needs_no_account_of_the_environment() -> None:
    slack = {name: value for name, value in REQUIRED.items() if name.startswith("SLACK_")}
    settings = Settings.from_environ(slack | PLATFORM | {"PLATFORM_URL": "https://kf.example/"})
    assert (settings.wechat_appid, settings.has_platform, settings.reads_stored_accounts) == ("", True, True)
    assert settings.platform_url == "https://kf.example"
    assert {settings.platform_secret, settings.platform_token, *settings.platform_aes_keys} < {*settings.secrets}
    assert not read(**PLATFORM, ALERTS="off").has_platform


@pytest.mark.parametrize("name", PLATFORM)
def test_settings_of_the_platform_need_each_other(name: str) -> None:
    others = {key: value for key, value in PLATFORM.items() if key != name}
    (line,) = complaint(REQUIRED | others)
    assert line == f"not set: {name}"


@pytest.mark.parametrize(
    "keys", ["abc", PLATFORM["PLATFORM_AES_KEY"] + "=", ",".join(["a" * 43] * 3), "a" * 43 + ","]
)
def test_malformed_key_of_pushes_is_refused_without_a_quote(keys: str) -> None:
    (line,) = complaint(REQUIRED | PLATFORM | {"PLATFORM_AES_KEY": keys})
    assert line.startswith("PLATFORM_AES_KEY must be the 43 letters and digits")
    assert keys not in line


def test_key_of_pushes_may_have_the_previous_one_behind_it() -> None:
    both = f"{'a' * 43}, {'b' * 43}"
    assert read(**PLATFORM | {"PLATFORM_AES_KEY": both}).platform_aes_keys == ("a" * 43, "b" * 43)


@pytest.mark.parametrize("url", ["http://kf.example", "https://kf.example/slack", "kf.example"])
def test_address_of_the_platform_must_be_reachable_by_wechat(url: str) -> None:
    (line,) = complaint(REQUIRED | PLATFORM | {"PLATFORM_URL": url})
    assert line.startswith("PLATFORM_URL must be")
    assert read(**PLATFORM | {"PLATFORM_URL": "http://127.0.0.1:3000"}).platform_url == "http://127.0.0.1:3000"


@pytest.mark.parametrize("value", ['""', '"', "''"])
def test_empty_quotes_are_quotes(value: str) -> None:
    (line,) = complaint(REQUIRED | {"KF_VIEWERS": value})
    assert line.startswith("KF_VIEWERS is in quotes")


@pytest.mark.parametrize("token", ["xoxe.xoxb-1-abc", "xoxe.xoxp-1-abc", "xoxe-1-abc"])
def test_token_of_an_app_with_rotation_is_explained(token: str) -> None:
    (line,) = complaint(REQUIRED | {"SLACK_BOT_TOKEN": token})
    assert line.startswith("SLACK_BOT_TOKEN is a token of an app whose tokens rotate")
    assert "Create the Slack app again from the manifest" in line
    assert "abc" not in line


@for_each(
    ("exempt", "proxied"),
    [
        ("", True),
        ("*", False),
        ("slack.com", False),
        (".slack.com", False),
        ("*.slack.com", False),
        ("example.com,SLACK.com", False),
        ("example.com slack.com", False),
        ("ack.com", True),
        ("hooks.slack.com", True),
        ("com", False),
        (",", True),
        ("[::1,http://slack.com/", True),
    ],
)
def test_no_proxy_exempts_hosts_and_their_endings(exempt: str, proxied: bool) -> None:
    settings = read(https_proxy="proxy.example.com:3128", no_proxy=exempt)
    assert settings.slack_proxy_url == ("http://proxy.example.com:3128" if proxied else "")


@pytest.mark.parametrize(
    ("url", "exempt", "proxied"),
    [
        ("https://tokens.example/{appid}", "", True),
        ("https://tokens.example/{appid}", ".example", False),
        ("http://127.0.0.1:8000/{appid}", "", False),
        ("", "", False),
    ],
)
def test_no_proxy_sees_the_requests_to_a_token_service_in_clear(url: str, exempt: str, proxied: bool) -> None:
    settings = read(https_proxy="proxy.example.com:3128", no_proxy=exempt, TOKEN_SERVICE_URL=url)
    assert bool(settings.token_service_proxy_url) == proxied


def test_first_usable_proxy_of_the_machine_is_used_and_the_others_are_named() -> None:
    settings = read(
        HTTPS_PROXY="socks5://u:hush@h:1", https_proxy=" ", HTTP_PROXY="http://me:hush@p:1", http_proxy="x y"
    )
    assert settings.ambient_proxy.variable == "HTTP_PROXY"
    assert settings.slack_proxy_url == "http://me:hush@p:1"
    assert [problem.name for problem in settings.ambient_proxy.unusable] == ["HTTPS_PROXY", "http_proxy"]
    assert "hush" not in repr(settings)
    assert "hush" in settings.secrets


def test_processes_with_other_operators_differ_and_no_name_is_shared() -> None:
    one, other = (read(KF_OPERATORS=value).shared_digests for value in ("U0MEI", "U0MEI,S0CARE"))
    assert {name for name in one if one[name] != other[name]} == {"KF_OPERATORS"}
    assert "U0MEI" not in str(one)


def test_queue_needs_postgresql() -> None:
    [line] = complaint(REQUIRED | {"QUEUE_BACKEND": "procrastinate"})
    assert line.endswith("needs PostgreSQL. Set DATABASE_URL to a PostgreSQL database, or remove QUEUE_BACKEND.")
    url = {"DATABASE_URL": "postgresql://kf@db.example/kf"}
    assert (
        Settings.from_environ(REQUIRED | {"QUEUE_BACKEND": "procrastinate"} | url).queue_backend == "procrastinate"
    )
