"""Tenants: their short names, and the accounts of the environment and of a file put together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot import environment
from bot.alerting.episode import AccountStatus
from bot.alerting.quiet_hours import QuietHours
from bot.language import Language
from bot.operations.operation import OperationKind
from bot.requests import FILTERS
from bot.settings.reader import SettingsError
from bot.settings.values import LIST, Settings
from bot.tenants.loading import load, secrets_of
from bot.tenants.tenant import Tenant, TenantOrigin, default_slug, parse_slug
from tests.for_each import for_each
from tests.test_accounts_file import HARBOUR, KIOSK, TEXTS
from tests.test_settings import HOUR, REQUIRED

HARBOUR_APPID, KIOSK_APPID = "wx1111111111111111", "wx2222222222222222"
OWN = REQUIRED["WECHAT_APPID"]
BOTH = {"HARBOUR_SECRET": "hush-harbour", "KIOSK_SECRET": "hush-kiosk"}
SLACK = {name: value for name, value in REQUIRED.items() if not name.startswith("WECHAT_")}
WITHOUT_CHANNEL = {name: value for name, value in SLACK.items() if name != "SLACK_ALERT_CHANNEL"}


def read_file(path: str) -> str:
    files = {
        "/etc/kf/accounts.toml": HARBOUR + KIOSK,
        "/run/secrets/harbour": "hush-from-file\n",
        "/run/empty": " \n",
    }
    if path == "/run/binary":
        return b"\xff".decode()
    if path not in files:
        raise FileNotFoundError(2, "No such file or directory", path)
    return files[path]


def loaded(text: str, environ: Mapping[str, str] = SLACK | BOTH, *, posts: bool = True) -> tuple[Tenant, ...]:
    environ = {**environ, "KF_ACCOUNTS": text}
    return load(Settings.from_environ(environ), environ, read_file, posts=posts)


def mistakes(text: str, environ: Mapping[str, str] = SLACK | BOTH) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        loaded(text, environ)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


@for_each(
    ("text", "slug"),
    [
        ("harbour", "harbour"),
        ("Harbour-Tea_2", "harbour-tea_2"),
        ("ＨＡＲＢＯＵＲ２", "harbour2"),
        ("海港茶", "海港茶"),
        ("Straße", "strasse"),
        ("ﬁlm", "film"),
        ("ΰ", "ΰ"),
        ("é", "é"),
        ("a" * 32, "a" * 32),
        ("listing", "listing"),
    ],
)
def test_slug_is_normalised(text: str, slug: str) -> None:
    assert parse_slug(text) == slug
    assert parse_slug(slug) == slug


@for_each("text", ["", "2tea", "-tea", "_tea", "a" * 33, "a b", "@tea", "tea.", "a\u200bb", "茶:", "☕", "a\n"])
def test_slug_of_other_characters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 32 letters, digits, - and _, and begin with a letter"):
        parse_slug(text)


@for_each(
    "word",
    [
        *("list", "find", "show", "status", "help", "history", "page", "accounts", "all", "in", "HELP", "ｌｉｓｔ"),
        *("列表", "查找", "幫助", "概览", "已拒绝", "过期", "改名", "记录", "attention", "unbound"),
        *(state.value for state in AccountStatus),
        *(kind.value for kind in OperationKind),
        *(name for name in FILTERS if name != "due"),
    ],
)
def test_slug_is_not_a_word_of_the_command(word: str) -> None:
    with pytest.raises(ValueError, match="must not be a word of the command /kf"):
        parse_slug(word)


@given(st.text())
def test_slug_stays_the_same_when_it_is_read_again(text: str) -> None:
    try:
        slug = parse_slug(text)
    except ValueError:
        return
    assert parse_slug(slug) == slug


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_default_slug_of_any_appid_is_a_slug(appid: str) -> None:
    slug = default_slug(appid)
    assert parse_slug(slug) == slug
    assert default_slug(appid, {slug, f"{slug}-2"}) == parse_slug(f"{slug}-3")


def test_default_slug_has_the_end_of_the_appid() -> None:
    assert default_slug("wx1234567890ABCDEF") == "wxabcdef"
    assert default_slug("wx1234567890abcdef", {"wxabcdef"}) == "wxabcdef-2"


def test_title_is_the_name_else_the_handle() -> None:
    named, unnamed = loaded(f'{HARBOUR}name = "Harbour Tea 海港茶"\n{KIOSK}')
    assert (named.title, unnamed.title) == ("Harbour Tea 海港茶", "@kiosk")


@given(TEXTS)
@example('[[account]]\nappid = "wx1"\nsecret = "file:/run/binary"')
@example('[[account]]\nappid = "wx1"\nsource = "service"\nbreakthrough = true\nquiet = "22:00-08:00"')
def test_any_text_has_accounts_or_mistakes(text: str) -> None:
    with suppress(SettingsError):
        assert loaded(text, REQUIRED | BOTH)


def test_account_of_the_environment_alone_has_the_settings_of_the_deployment() -> None:
    environ = REQUIRED | {"QUIET_HOURS": "22:00-08:00", "QUIET_BREAKTHROUGH": "on", "TIMEZONE": "Europe/Berlin"}
    settings = Settings.from_environ(environ)
    (tenant,) = load(settings, environ, read_file)
    appid, secret = settings.wechat_appid, settings.wechat_secret
    common = replace(settings, wechat_appid="", wechat_secret="")
    assert tenant == Tenant("wxabcdef", "", (), TenantOrigin.ENVIRONMENT, common, appid=appid, secret=secret)


def test_account_has_its_own_settings_and_otherwise_those_of_the_deployment() -> None:
    text = f"""{HARBOUR}
        channel = "C0HARBOUR01"
        mention = "S0HARBOUR01"
        leads = "12h"
        quiet = "23:00-07:00"
        breakthrough = true
        timezone = "Europe/Berlin"
        poll = "2m"
        language = "zh"
        viewers = ["U0MEI"]
        labels = ["tea"]
    """
    environ = SLACK | BOTH | {"POLL_SECONDS": "60", "KF_OPERATORS": "U0BOSS", "DATABASE_URL": "sqlite:///a.db"}
    (tenant,) = loaded(text, environ)
    deployment = Settings.from_environ(environ | {"KF_ACCOUNTS": text})
    assert tenant.settings == replace(
        deployment,
        slack_alert_channel="C0HARBOUR01",
        alert_mention="<!subteam^S0HARBOUR01>",
        alert_leads=(12 * HOUR,),
        quiet=QuietHours(time(23), time(7), ZoneInfo("Europe/Berlin"), breakthrough=True),
        timezone=ZoneInfo("Europe/Berlin"),
        poll_seconds=120,
        language=Language.CHINESE,
        kf_viewers=("U0MEI",),
    )
    assert (tenant.appid, tenant.secret) == (HARBOUR_APPID, "hush-harbour")
    assert (tenant.slug, tenant.name, tenant.labels, tenant.origin) == ("harbour", "", ("tea",), TenantOrigin.FILE)


def test_accounts_with_the_same_values_share_their_settings() -> None:
    text = f'{HARBOUR}channel = "C0TEAM00001"\n{KIOSK}channel = "C0TEAM00001"\n'
    harbour, kiosk = loaded(text, SLACK | BOTH)
    assert harbour.settings is kiosk.settings
    other, kiosk = loaded(f'{text}poll = "5m"\n', SLACK | BOTH)
    assert other.settings is not kiosk.settings


def test_quiet_hours_of_the_deployment_follow_the_zone_of_the_account() -> None:
    night = {"QUIET_HOURS": "22:00-08:00", "QUIET_BREAKTHROUGH": "on"}
    text = f'{HARBOUR}timezone = "Europe/Berlin"\n{KIOSK}quiet = ""\n'
    harbour, kiosk = loaded(text, SLACK | BOTH | night)
    assert harbour.settings.quiet == QuietHours(time(22), time(8), ZoneInfo("Europe/Berlin"), breakthrough=True)
    assert kiosk.settings.quiet is None


def test_breakthrough_without_quiet_hours_is_a_mistake() -> None:
    text = f"{HARBOUR}breakthrough = true\n"
    assert mistakes(text) == ["KF_ACCOUNTS, line 1 (@harbour): breakthrough is on, but there are no quiet hours"]
    assert loaded(text, SLACK | BOTH | {"QUIET_HOURS": "22:00-08:00"})
    assert loaded(f'{text}[defaults]\nquiet = "22:00-08:00"')
    assert loaded(f"{HARBOUR}[defaults]\nbreakthrough = true")


def test_accounts_are_in_order_that_of_the_environment_first() -> None:
    tenants = loaded(KIOSK + HARBOUR, REQUIRED | BOTH)
    assert [(tenant.slug, tenant.origin) for tenant in tenants] == [
        ("wxabcdef", TenantOrigin.ENVIRONMENT),
        ("kiosk", TenantOrigin.FILE),
        ("harbour", TenantOrigin.FILE),
    ]
    assert [tenant.appid for tenant in tenants] == [OWN, KIOSK_APPID, HARBOUR_APPID]


def test_environment_keeps_its_secret_and_channel_and_takes_the_rest_from_the_file() -> None:
    entry = (
        HARBOUR.replace(HARBOUR_APPID, OWN) + 'name = "Tea"\nlabels = ["tea"]\npoll = "1m"\nchannel = "C0OTHER"\n'
    )
    own, other = loaded(KIOSK + entry, REQUIRED | BOTH)
    assert (own.slug, own.name, own.labels, own.origin) == ("harbour", "Tea", ("tea",), TenantOrigin.ENVIRONMENT)
    assert own.secret == REQUIRED["WECHAT_SECRET"]
    assert own.settings.slack_alert_channel == REQUIRED["SLACK_ALERT_CHANNEL"]
    assert own.settings.poll_seconds == 60
    assert other.slug == "kiosk"


def test_environment_without_a_channel_takes_that_of_its_entry() -> None:
    environ = WITHOUT_CHANNEL | {"WECHAT_APPID": OWN, "WECHAT_SECRET": "s"}
    entry = f'[[account]]\nappid = "{OWN}"\n'
    (own,) = loaded(f'{entry}channel = "C0OTHER"\n', environ)
    assert own.settings.slack_alert_channel == "C0OTHER"
    (mistake,) = mistakes(entry, environ)
    assert mistake.startswith(f"KF_ACCOUNTS, line 1 ({OWN}): channel is missing")


def test_entry_of_the_account_of_the_environment_needs_no_secret() -> None:
    (own,) = loaded(f'[[account]]\nappid = "{OWN}"\nhandle = "own"\n', REQUIRED)
    assert (own.slug, own.secret) == ("own", REQUIRED["WECHAT_SECRET"])


def test_accounts_without_a_handle_have_different_slugs() -> None:
    text = "".join(
        f'[[account]]\nappid = "{appid}"\nsecret = "env:X"\n' for appid in ("wx1abcdef", "wx2abcdef", "wx3abcdef")
    )
    tenants = loaded(f"{text}{HARBOUR.replace('harbour', 'wxabcdef-2')}", REQUIRED | BOTH | {"X": "hush"})
    assert [tenant.slug for tenant in tenants] == [
        "wxabcdef",
        "wxabcdef-3",
        "wxabcdef-4",
        "wxabcdef-5",
        "wxabcdef-2",
    ]


def test_channel_of_the_deployment_is_the_last_choice() -> None:
    text = f'{HARBOUR}labels = ["east"]\n{KIOSK}[[route]]\nlabel = "east"\nchannel = "C0EAST"\n'
    assert [tenant.settings.slack_alert_channel for tenant in loaded(text)] == ["C0EAST", "C0123456789"]


def test_account_without_a_channel_is_a_mistake_where_alerts_are_posted() -> None:
    text = f'{HARBOUR}channel = "C0HARBOUR01"\n{KIOSK}'
    (mistake,) = mistakes(text, WITHOUT_CHANNEL | BOTH)
    assert mistake.startswith("KF_ACCOUNTS, line 6 (@kiosk): channel is missing. Write it here, in [defaults], in")
    assert loaded(text, WITHOUT_CHANNEL | BOTH | {"ALERTS": "off"})
    assert loaded(text, WITHOUT_CHANNEL | BOTH, posts=False)
    assert loaded(f'{text}[defaults]\nchannel = "C0DEFAULT"', WITHOUT_CHANNEL | BOTH)


def test_account_of_the_environment_without_a_channel_is_a_mistake() -> None:
    text = f'{HARBOUR}channel = "C0HARBOUR01"\n'
    environ = WITHOUT_CHANNEL | BOTH | {"WECHAT_APPID": OWN, "WECHAT_SECRET": "s"}
    assert mistakes(text, environ) == ["not set: SLACK_ALERT_CHANNEL"]


@pytest.mark.parametrize("line", ['channel = "C0"', 'labels = ["a", ""]'])
def test_malformed_channel_or_label_does_not_make_the_channel_missing(line: str) -> None:
    assert len(mistakes(f"{HARBOUR}{line}\n", WITHOUT_CHANNEL | BOTH)) == 1


@pytest.mark.parametrize(
    ("reference", "secret"),
    [("env:HARBOUR_SECRET", "hush-harbour"), ("file:/run/secrets/harbour", "hush-from-file")],
)
def test_secret_is_read_where_the_file_refers_to(reference: str, secret: str) -> None:
    (tenant,) = loaded(HARBOUR.replace("env:HARBOUR_SECRET", reference))
    assert tenant.secret == secret


@pytest.mark.parametrize(
    ("reference", "mistake"),
    [
        ("env:OTHER_SECRET", "refers to the variable OTHER_SECRET, which is not set"),
        ("env:BLANK", "refers to the variable BLANK, which is not set"),
        ("env:CHINESE", "refers to the variable CHINESE, whose text must be plain characters without blanks"),
        ("file:/run/none", "refers to the file /run/none, which cannot be read: No such file or directory"),
        ("file:/run/empty", "refers to the file /run/empty, which is empty"),
        ("file:/run/binary", "refers to the file /run/binary, which is not UTF-8 text"),
    ],
)
def test_secret_that_cannot_be_read_is_a_mistake_and_not_quoted(reference: str, mistake: str) -> None:
    text = HARBOUR.replace("env:HARBOUR_SECRET", reference)
    environ = SLACK | {"BLANK": " ", "CHINESE": "两个字"}
    assert mistakes(text, environ) == [f"KF_ACCOUNTS, line 1 (@harbour): secret {mistake}"]


def test_account_needs_a_secret_unless_a_service_supplies_its_tokens() -> None:
    text = HARBOUR.replace('secret = "env:HARBOUR_SECRET"\n', "")
    (mistake,) = mistakes(text)
    assert mistake.startswith('KF_ACCOUNTS, line 1 (@harbour): secret is missing. Write "env:NAME"')
    environ = SLACK | BOTH | {"TOKEN_SERVICE_URL": "https://tokens.example/{appid}"}
    for source in ('source = "service"\n', '[defaults]\nsource = "service"\n'):
        (tenant,) = loaded(text + source, environ)
        assert tenant.secret == ""
        (mistake,) = mistakes(text + source)
        assert mistake.endswith('source is "service", but TOKEN_SERVICE_URL is not set')


def test_mistakes_of_all_kinds_are_named_at_once() -> None:
    text = f'{HARBOUR}leads = "x"\n{KIOSK}'
    found = mistakes(text, WITHOUT_CHANNEL | {"HARBOUR_SECRET": "s"})
    assert [line.split(": ")[1].split()[0] for line in found] == ["leads", "secret", "channel", "channel"]


def test_file_is_read_where_the_setting_says() -> None:
    environ = SLACK | BOTH | {"KF_ACCOUNTS_FILE": "/etc/kf/accounts.toml"}
    tenants = load(Settings.from_environ(environ), environ, read_file)
    assert [tenant.slug for tenant in tenants] == ["harbour", "kiosk"]
    del environ["KIOSK_SECRET"]
    with pytest.raises(SettingsError, match=r"\n  accounts\.toml, line 5 \(@kiosk\): secret refers to"):
        load(Settings.from_environ(environ), environ, read_file)


@pytest.mark.parametrize(
    ("path", "mistake"),
    [
        ("/etc/none", "KF_ACCOUNTS_FILE names a file that cannot be read: No such file or directory"),
        ("/run/binary", "KF_ACCOUNTS_FILE names a file that is not UTF-8 text"),
        ("/run/empty", "empty has no account"),
    ],
)
def test_file_that_cannot_be_read_is_a_mistake(path: str, mistake: str) -> None:
    environ = SLACK | {"KF_ACCOUNTS_FILE": path}
    with pytest.raises(SettingsError) as refused:
        load(Settings.from_environ(environ), environ, read_file)
    assert f"\n  {mistake}" in str(refused.value)


ROUTE = '[[route]]\nlabel = "tea"\nchannel = "C0123456789"\n'


@pytest.mark.parametrize("text", [ROUTE, '[defaults]\npoll = "5m"'])
def test_file_without_an_account_is_for_those_of_the_store_if_there_may_be_some(text: str) -> None:
    refusal = ["KF_ACCOUNTS has no account. Each begins with [[account]], and has an appid."]
    service = {"TOKEN_SERVICE_URL": "https://tokens.example/{appid}"}
    for stored in ({"STORE_KEYS": "11" * 32}, service):
        assert loaded(text, SLACK | stored) == ()
        assert mistakes("", SLACK | stored | {"KF_ACCOUNTS_FILE": "/run/empty"})
        assert mistakes("# [[account]]", SLACK | stored) == refusal
        if "STORE_KEYS" in stored:
            assert mistakes(text, SLACK | stored | {"ALERTS": "off"}) == refusal
    assert mistakes(text) == refusal


def test_files_of_the_machine_are_read_with_their_bom_and_lines(tmp_path: Path) -> None:
    (tmp_path / "accounts.toml").write_bytes(f"\ufeff{HARBOUR}".replace("\n", "\r\n").encode())
    environ = SLACK | BOTH | {"KF_ACCOUNTS_FILE": str(tmp_path / "accounts.toml")}
    (tenant,) = load(Settings.from_environ(environ), environ, environment.read_file)
    assert tenant.slug == "harbour"


def test_secrets_of_all_accounts_are_listed_for_the_log_to_hide() -> None:
    tenants = loaded(HARBOUR + KIOSK, REQUIRED | BOTH)
    assert set(secrets_of(tenants)) == {
        "wechat-secret-value",
        "hush-harbour",
        "hush-kiosk",
        "xoxb-bot-token-value",
        "signing-secret-value",
    }
    assert "hush" not in repr(tenants)


def test_list_needs_the_settings_of_the_accounts_alone() -> None:
    environ = BOTH | {"KF_ACCOUNTS": HARBOUR + KIOSK}
    settings = Settings.from_environ(environ, needed=LIST)
    assert len(load(settings, environ, read_file, posts=False)) == 2
    with pytest.raises(SettingsError, match="KF_ACCOUNTS is set, and KF_ACCOUNTS_FILE too"):
        Settings.from_environ(environ | {"KF_ACCOUNTS_FILE": "accounts.toml"}, needed=LIST)
