"""The doctor: names what is misconfigured, with the right remedy, and leaves everything as it was."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot import environment
from bot.demo.process import free_port
from bot.demo.slack_simulator import Channel, UserGroup, error, http_error
from bot.doctor import runner
from tests.doctors import about, examined, printed, set_up_well, wrong
from tests.running import ALERTS, World, utc_now
from tests.silence import silence
from tests.test_process import run
from wechat_kf import protocol, simulator
from wechat_kf.simulator import FaultMode

pytestmark = pytest.mark.server

NOWHERE = "http://127.0.0.1:9"  # nothing listens there


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[World]:
    async with set_up_well(tmp_path) as made:
        yield made


# All well


@pytest.mark.process
async def test_correct_setup_passes_and_unchecked_items_are_listed(place):
    status, out, err = await run(place.environ, "doctor")
    assert (status, err) == (0, "")
    assert [line[0] for line in out.splitlines() if line[:1] in "✓✗?" and line] == [*"✓✓✓✓✓✓✓??✓✓✓✓✓✓✓✓✓"]
    for words in (
        "@wechat-kf in the workspace harbour",
        "127.0.0.1, where answers to /kf go, is reached",
        "all 9 of the manifest",
        "#kf-alerts (public): the bot is a member",
        "1 account read",
        "the first start makes the",
        "agrees with Slack's and WeChat's",
    ):
        assert words in out
    assert out.endswith("\nNothing is wrong. 2 could not be checked.\n")


async def test_doctor_prints_the_same_findings_as_json(place):
    status, out = await printed(place.environ, as_json=True)
    said = json.loads(out)
    assert (status, said["ok"]) == (0, True)
    assert {tuple(finding) for finding in said["findings"]} == {("check", "verdict", "said", "remedy")}
    place.wechat.enabled = False
    status, out = await printed(place.environ, as_json=True)
    said = json.loads(out)
    assert (status, said["ok"]) == (1, False)
    assert [one["check"] for one in said["findings"] if one["verdict"] == "wrong"] == ["customer service"]


async def test_doctor_reports_a_channel_shared_with_another_company(place):
    place.slack.channels[ALERTS].is_ext_shared = True
    found = about(await examined(place), "alert channel")
    assert found.verdict == "ok"
    assert found.said.endswith("people of another company read along (Slack Connect)")
    assert "KF_VIEWERS" in found.remedy


async def test_every_missing_setting_is_named_with_its_source():
    status, out = await printed({})
    assert status == 1
    for name in ("WECHAT_APPID", "WECHAT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_ALERT_CHANNEL"):
        assert f"{name} is not set" in out
    assert "→ Slack app settings, OAuth & Permissions" in out
    assert "not checked: SLACK_BOT_TOKEN is not set" in out
    assert "not checked: WECHAT_APPID and WECHAT_SECRET are not" in out
    assert "5 things are wrong." in out


async def test_wrong_setting_does_not_prevent_other_checks(place):
    findings = await examined(place, {"POLL_SECONDS": "soon", "SLACK_ALERT_CHANNEL": "#kf"})
    assert [finding.said.split()[0] for finding in wrong(findings)] == ["POLL_SECONDS", "SLACK_ALERT_CHANNEL"]
    assert about(findings, "alert channel").said == "not checked: SLACK_ALERT_CHANNEL is malformed"
    assert about(findings, "Slack token").verdict == about(findings, "customer service").verdict == "ok"


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("SLACK_BOT_TOKEN", "Slack"),
        ("SLACK_APP_TOKEN", "app token"),
        ("SLACK_API_URL", "Slack"),
        ("SLACK_SIGNING_SECRET", "signing secret"),
        ("WECHAT_API_URL", "WeChat"),
        ("QUOTAGUARDSHIELD_URL", "WeChat"),
        ("DATABASE_URL", "store"),
        ("ALERTS", "store"),
        ("KF_OPERATORS", "operations"),
    ],
)
async def test_checks_that_need_a_malformed_setting_are_skipped(place, name, check):
    findings = await examined(place, {name: "two words"})
    assert [(finding.check, finding.said.split()[0]) for finding in wrong(findings)] == [("settings", name)]
    assert about(findings, check).said == f"not checked: {name} is malformed"


async def test_app_token_is_not_tried_at_a_malformed_address(place):
    changed = {"SLACK_APP_TOKEN": place.slack.app_token, "SLACK_API_URL": "slack.com"}
    assert about(await examined(place, changed), "app token").verdict == "unknown"


# Misconfigurations, one at a time: each is the only thing that is called wrong, and its remedy is the right one.


@dataclass(frozen=True)
class Planted:
    name: str
    check: str
    said: str
    remedy: str
    environ: dict[str, str] | None = None
    plant: Callable[[World], object] = lambda _: None
    noted: int = 0  # calls that Slack takes exception to


def without_scopes(*scopes: str) -> Callable[[World], object]:
    return lambda place: place.slack.scopes.difference_update(scopes)


def outside(**how: bool) -> Callable[[World], object]:
    """Take the bot out of the alert channel."""

    def plant(place: World) -> None:
        place.slack.channels[ALERTS] = Channel(ALERTS, "kf-alerts", is_member=False, **how)

    return plant


def archived(place: World) -> None:
    place.slack.channels[ALERTS].is_archived = True


def group(**state: object) -> Callable[[World], object]:
    def plant(place: World) -> None:
        place.slack.usergroups["S0NIGHT"] = UserGroup("S0NIGHT", "night", **{"users": ("U0MEI",), **state})

    return plant


def refuses(errcode: int, path: str = protocol.TOKEN) -> Callable[[World], object]:
    fault = simulator.Fault(FaultMode.ERRCODE, times=None, path=path, errcode=errcode)
    return lambda place: place.wechat.inject(fault)


def unlisted(place: World) -> None:
    place.wechat.allow_list = ()


def switched_off(place: World) -> None:
    place.wechat.enabled = False


PLANTED = [
    Planted(
        "a missing setting",
        "settings",
        "WECHAT_SECRET is not set",
        "from WeChat's developer platform (the account, basic information, development keys)",
        {"WECHAT_SECRET": ""},
    ),
    Planted("a malformed setting", "settings", "ALERT_LEADS must be like", "leave it out", {"ALERT_LEADS": "soon"}),
    Planted(
        "a setting in quotes",
        "settings",
        "SLACK_SIGNING_SECRET is in quotes",
        "Remove the quotes",
        {"SLACK_SIGNING_SECRET": '"9f0c"'},
    ),
    Planted(
        "a bot token that rotates",
        "settings",
        "SLACK_BOT_TOKEN",
        "Create the Slack app again from the manifest",
        {"SLACK_BOT_TOKEN": "xoxe.xoxb-1-hush"},
    ),
    Planted(
        "a proxy of the wrong kind",
        "settings",
        "WECHAT_PROXY_URL must be a URL with http",
        "SOCKS is not supported",
        {"WECHAT_PROXY_URL": "socks5://u:hush@127.0.0.1:1080"},
    ),
    Planted(
        "another app's bot token",
        "Slack token",
        "invalid_auth",
        "Copy the token again",
        {"SLACK_BOT_TOKEN": "xoxb-other"},
        noted=1,
    ),
    Planted(
        "a revoked bot token",
        "Slack token",
        "token_revoked",
        "Install the app to the workspace again",
        plant=lambda place: place.slack.arm("auth.test", error("token_revoked")),
    ),
    Planted(
        "missing scopes",
        "Slack scopes",
        "missing: groups:history, usergroups:read",
        "install the app again",
        plant=without_scopes("groups:history", "usergroups:read"),
    ),
    Planted(
        "a private channel without the bot",
        "alert channel",
        "channel_not_found",
        "type /invite @wechat-kf in it",
        plant=outside(is_private=True),
    ),
    Planted(
        "a channel of another workspace",
        "alert channel",
        "sees no channel C0NOWHERE",
        "an ID of the workspace harbour",
        {"SLACK_ALERT_CHANNEL": "C0NOWHERE"},
        noted=1,
    ),
    Planted(
        "an archived channel", "alert channel", "#kf-alerts (public) is archived", "Unarchive it", plant=archived
    ),
    Planted(
        "a mention of a group that is not there",
        "ALERT_MENTION",
        "there is no user group S0NIGHT",
        "Copy group ID",
        {"ALERT_MENTION": "S0NIGHT"},
    ),
    Planted(
        "a mention of a disabled group",
        "ALERT_MENTION",
        "@night (S0NIGHT) is disabled",
        "Enable it",
        {"ALERT_MENTION": "S0NIGHT"},
        group(is_disabled=True),
    ),
    Planted(
        "a mention of a group without people",
        "ALERT_MENTION",
        "nobody is in the user group @night",
        "Add people",
        {"ALERT_MENTION": "S0NIGHT"},
        group(users=()),
    ),
    Planted(
        "viewers of a group that is not there",
        "KF_VIEWERS",
        "there is no user group S0NIGHT",
        "Set KF_VIEWERS",
        {"KF_VIEWERS": "S0NIGHT,S0CARE"},
    ),
    Planted(
        "operators of a group that is not there",
        "KF_OPERATORS",
        "there is no user group S0NIGHT",
        "Set KF_OPERATORS",
        {"KF_OPERATORS": "S0NIGHT,S0CARE"},
    ),
    Planted(
        "operators without a store",
        "operations",
        "KF_OPERATORS is set, but ALERTS is off",
        "Set ALERTS=on",
        {"KF_OPERATORS": "S0CARE", "ALERTS": "off"},
    ),
    Planted(
        "groups that the plan does not have",
        "KF_VIEWERS",
        "not in this workspace's plan",
        "Name people in KF_VIEWERS",
        {"KF_VIEWERS": "S0CARE"},
        lambda place: place.slack.arm("usergroups.list", error("plan_upgrade_required")),
    ),
    Planted(
        "something else than a signing secret",
        "signing secret",
        "32 digits",
        "App Credentials",
        {"SLACK_SIGNING_SECRET": "verification-token"},
    ),
    Planted(
        "an app token without its scope",
        "app token",
        "connections:write",
        "App-Level Tokens",
        {"SLACK_APP_TOKEN": "xapp-stand-in"},
        lambda place: place.slack.app_scopes.clear(),
    ),
    Planted(
        "another app token",
        "app token",
        "SLACK_APP_TOKEN: Slack does not know this token",
        "Copy the token again",
        {"SLACK_APP_TOKEN": "xapp-other"},
        noted=1,
    ),
    Planted(
        "no Slack at its address",
        "Slack",
        "127.0.0.1 cannot be reached",
        "SLACK_API_URL",
        {"SLACK_API_URL": f"{NOWHERE}/api/"},
    ),
    Planted(
        "a sign-in page in Slack's place",
        "Slack",
        "something else than Slack answers",
        "sign-in page",
        plant=lambda place: place.slack.arm("auth.test", http_error(200, "<html>Welcome</html>")),
    ),
    Planted(
        "another AppID", "WeChat token", "errcode 40013", "Check the AppID", {"WECHAT_APPID": "wxfedcba9876543210"}
    ),
    Planted(
        "another AppSecret",
        "WeChat token",
        "errcode 40125",
        "on WeChat's developer platform (the account, basic information, development keys)",
        {"WECHAT_SECRET": "reset-it"},
    ),
    Planted("a frozen account", "WeChat token", "errcode 50007", "frozen", plant=refuses(50007)),
    Planted(
        "an address that is not allowed",
        "allow-list",
        "WeChat refuses the address 203.0.113.7",
        "Add the refused address to the API IP allow-list",
        plant=unlisted,
    ),
    Planted(
        "an address that is refused with a valid token",
        "allow-list",
        "WeChat refuses the address 203.0.113.7 (errcode 40164",
        "on WeChat's developer platform (the account, basic information, development information)",
        plant=refuses(40164, protocol.KF_LIST),
    ),
    Planted(
        "a dyno's address that is not allowed",
        "allow-list",
        "203.0.113.7",
        "First give the bot a fixed outgoing address: on Heroku a proxy add-on",
        {"DYNO": "web.1", "ALERTS": "off"},
        unlisted,
    ),
    Planted(
        "a temporary address on Fly that is not allowed",
        "allow-list",
        "203.0.113.7",
        "First give the bot a fixed outgoing address: on Fly an egress address",
        {"FLY_APP_NAME": "kf"},
        unlisted,
    ),
    Planted("an address that nobody consented to", "allow-list", "errcode 89503", "consent", plant=refuses(89503)),
    Planted(
        "customer service switched off", "customer service", "errcode 65400", "Switch it on", plant=switched_off
    ),
    Planted(
        "an account that is not verified",
        "customer service",
        "errcode 48001",
        "passed verification",
        plant=refuses(48001, protocol.KF_LIST),
    ),
    Planted(
        "a spent quota of reads",
        "customer service",
        "quota of today is spent",
        "Wait until tomorrow",
        plant=refuses(45009, protocol.KF_LIST),
    ),
    Planted("a spent quota of tokens", "WeChat token", "quota of today", "tomorrow", plant=refuses(45009)),
    Planted(
        "a token that is given and refused",
        "WeChat token",
        "errcode 40001",
        "Wait ten minutes. If it stays, check whether another system renews",
        plant=refuses(40001, protocol.KF_LIST),
    ),
    Planted(
        "no proxy at its address",
        "proxy",
        "127.0.0.1 (FIXIE_URL) cannot be reached",
        "host and port in FIXIE_URL",
        {"FIXIE_URL": f"http://u:hush@127.0.0.1:{free_port()}"},
    ),
    Planted("no WeChat at its address", "WeChat", "does not answer", "WECHAT_API_URL", {"WECHAT_API_URL": NOWHERE}),
    Planted(
        "no PostgreSQL at its address",
        "store",
        "PostgreSQL cannot be used",
        "Start the server",
        {"DATABASE_URL": "postgresql://kf:hush@127.0.0.1:9/kf"},
    ),
    Planted(
        "a folder that is not there",
        "store",
        "No such file or directory",
        "a folder that it may write to",
        {"DATABASE_URL": "sqlite:////nowhere/kf.db"},
    ),
    Planted(
        "SQLite on a dyno",
        "store",
        "is lost at each restart of the dyno",
        "Add PostgreSQL",
        {"DYNO": "web.1"},
    ),
]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
async def test_misconfiguration_is_the_only_finding_and_has_its_remedy(place, planted):
    planted.plant(place)
    [found] = wrong(await examined(place, planted.environ))
    assert found.check == planted.check
    assert planted.said in found.said
    assert planted.remedy in found.remedy
    assert len(place.slack.take_unexpected()) == planted.noted


async def test_token_is_not_blamed_when_the_list_call_refuses_the_address(place):
    refuses(40164, protocol.KF_LIST)(place)
    findings = await examined(place)
    assert [about(findings, check).verdict for check in ("WeChat token", "customer service")] == ["ok", "unknown"]


async def test_channel_without_the_bot_needs_the_scope_to_post_there(place):
    outside()(place)
    without_scopes("chat:write.public")(place)
    scopes, channel = wrong(await examined(place))
    assert scopes.said == "missing: chat:write.public"
    assert "may not post" in channel.said
    assert channel.remedy == "Type /invite @wechat-kf in the channel."


async def test_public_channel_without_the_bot_passes_with_its_limits_named(place):
    outside()(place)
    found = about(await examined(place), "alert channel")
    assert (found.verdict, "cannot read there" in found.said) == ("ok", True)
    assert "may come twice" in found.remedy


async def test_wrong_clock_is_reported_with_the_difference(place):
    def fast():
        return utc_now() + timedelta(minutes=10, seconds=30)

    [found] = wrong(await runner.examine(place.environ, [], fast, environment.read_file))
    assert (found.check, found.said) == ("clock", "differs by 10 min from Slack's and 10 min from WeChat's")
    assert "NTP" in found.remedy


async def test_proxy_check_asks_for_both_addresses(place):
    # The simulator accepts what a proxy accepts, so it is its own.
    proxied = {"QUOTAGUARDSTATIC_URL": place.environ["WECHAT_API_URL"].replace("//", "//u:hush@")}
    findings = await examined(place, proxied)
    assert wrong(findings) == []
    assert about(findings, "proxy").said == "127.0.0.1 (QUOTAGUARDSTATIC_URL) lets WeChat's traffic through"
    assert "either of two addresses" in about(findings, "allow-list").remedy
    unlisted(place)
    [found] = wrong(await examined(place, proxied))
    assert found.remedy.startswith("Add the refused address to the API IP allow-list")
    assert found.remedy.endswith("A proxy add-on uses either of two addresses: add both, which its page shows.")


@pytest.mark.parametrize(
    ("status", "said", "remedy"),
    [
        (b"407 Proxy Authentication Required", "refuses its user, password or plan", "whether the plan is used up"),
        (b"403 Forbidden", "does not connect to api.example.com (HTTP 403)", "Ask its provider why"),
    ],
)
async def test_refusing_proxy_is_distinguished_from_wechat(place, status, said, remedy):
    async with silence(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n") as address:
        through = {"WECHAT_API_URL": "https://api.example.com", "FIXIE_URL": f"http://fixie:hush@{address}"}
        [found] = wrong(await examined(place, through))
    assert found.check == "proxy"
    assert said in found.said
    assert remedy in found.remedy


async def test_ambient_proxy_is_wrong_when_slack_cannot_be_reached_through_it(place):
    status, out = await printed({**place.environ, "HTTPS_PROXY": "http://u:hush@127.0.0.1:9"}, as_json=True)
    checks = {one["check"]: one for one in json.loads(out)["findings"] if one["verdict"] == "wrong"}
    assert (status, set(checks)) == (1, {"Slack", "ambient proxies"})
    assert checks["ambient proxies"]["said"].startswith("HTTPS_PROXY: Slack's traffic goes through")
    assert checks["ambient proxies"]["remedy"].startswith("Unset it")
    assert "hush" not in out


async def test_working_ambient_proxy_is_reported(place):
    proxy = urlsplit(place.slack.api_url)
    status, out = await printed({**place.environ, "http_proxy": f"http://{proxy.netloc}"})
    assert status == 0
    assert "http_proxy: Slack's traffic goes through, WeChat's does not" in " ".join(out.split())


# Unchecked items


async def test_unchecked_item_has_a_question_mark_and_does_not_fail_the_run(place):
    people = {
        "ALERT_MENTION": "U0MEI",
        "KF_VIEWERS": "U0TOM,S0CARE",
        "HEARTBEAT_URL": "https://hc.example.com/hush",
    }
    findings = await examined(place, people)
    assert wrong(findings) == []
    assert about(findings, "ALERT_MENTION").said == "not checked: U0MEI (people are not looked up)"
    assert [one.said for one in findings if one.check == "KF_VIEWERS"] == [
        "@care (S0CARE), 2 people",
        "not checked: U0TOM (people are not looked up)",
    ]
    assert about(findings, "heartbeat").said == "not called: a call to hc.example.com would say that all is well"
    assert about(findings, "commands").verdict == "unknown"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_answers_in_one_language_without_the_scope_are_a_warning(place, language):
    without_scopes("users:read")(place)
    findings = await examined(place, {"KF_LANGUAGE": language})
    assert wrong(findings) == []
    found = about(findings, "language")
    assert found.said == f"answers are in KF_LANGUAGE ({language}) for everybody: the scope users:read is missing"
    assert found.remedy.endswith("add it under Bot Token Scopes, then install the app again.")
    assert about(findings, "Slack scopes").said == "all 9 of the manifest but users:read"


async def test_missing_scope_of_languages_is_not_among_those_that_fail_the_run(place):
    without_scopes("users:read", "groups:history")(place)
    findings = await examined(place)
    assert [finding.said for finding in wrong(findings)] == ["missing: groups:history"]
    assert about(findings, "language").verdict == "ok"


async def test_language_is_not_mentioned_while_the_scope_is_there_or_unknown(place):
    assert [finding for finding in await examined(place) if finding.check == "language"] == []


async def test_channel_is_unknown_without_the_scope(place):
    without_scopes("channels:read", "groups:read", "usergroups:read")(place)
    findings = await examined(place, {"ALERT_MENTION": "S0CARE"})
    assert [finding.check for finding in wrong(findings)] == ["Slack scopes"]
    assert about(findings, "alert channel").said.startswith("not known: the scope channels:read")
    assert about(findings, "ALERT_MENTION").said == "not known: the scope usergroups:read is missing"


async def test_socket_mode_needs_no_signing_secret(place):
    findings = await examined(place, {"SLACK_APP_TOKEN": place.slack.app_token, "SLACK_SIGNING_SECRET": ""})
    assert wrong(findings) == []
    assert about(findings, "app token").verdict == "ok"
    assert "python -m bot worker" in about(findings, "commands").remedy
    assert len(place.slack.sockets) == 0


async def test_channel_and_store_are_not_checked_with_alerts_off(place):
    findings = await examined(place, {"ALERTS": "off", "SLACK_ALERT_CHANNEL": "", "ALERT_MENTION": "S0NIGHT"})
    assert wrong(findings) == []
    assert {"alert channel", "ALERT_MENTION"}.isdisjoint(finding.check for finding in findings)
    assert about(findings, "store").said == "none: ALERTS is off, so nothing is watched and nobody is told"


@pytest.mark.parametrize("name", ["QUOTAGUARD_URL", "FIXIE_SOCKS_HOST"])
async def test_proxy_that_cannot_serve_is_pointed_out(place, name):
    found = [one for one in await examined(place, {name: "u:hush@127.0.0.1:1"}) if one.check == "proxy"]
    assert [one.verdict for one in found] == ["ok", "ok"]
    assert found[1].said == f"{name} is set and not used"
