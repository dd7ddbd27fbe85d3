"""The output of findings, and of a check that fails itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.doctor import host, output, slack, slack_errors
from bot.doctor.findings import Report, Time, guarded, masked, unknown, well, wrong
from bot.ports import OutcomeUnknown, RetryLater
from bot.slack.web_api import ApiError
from bot.slack.workspace import BotIdentity, ChannelInfo
from tests.conftest import NOW

FINDINGS = [
    well("Slack", "slack.com answers"),
    wrong("allow-list", "WeChat refuses the address 203.0.113.7", "Add it to the IP allow-list. " * 4),
    unknown("heartbeat", "not called"),
]
BOT = BotIdentity("wechat-kf", "harbour", "T0001", "", frozenset(), None)


def test_each_finding_has_its_symbol_and_its_remedy_below():
    assert output.lines(FINDINGS, "utf-8") == [
        "✓  Slack       slack.com answers",
        "✗  allow-list  WeChat refuses the address 203.0.113.7",
        "               → Add it to the IP allow-list. Add it to the IP allow-list. Add it to the IP",
        "                 allow-list. Add it to the IP allow-list.",
        "?  heartbeat   not called",
        "",
        "1 thing is wrong. 1 could not be checked.",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "no-such-encoding"])
def test_terminal_without_these_symbols_gets_ascii_ones(encoding):
    printed = output.lines(FINDINGS, encoding)
    assert [line.split()[0] for line in printed if "  " in line and line[0] != " "] == ["ok", "NO", "?"]
    assert "\n".join(printed).isascii()


@pytest.mark.parametrize(
    ("findings", "summary"),
    [
        (FINDINGS[:1], "Nothing is wrong."),
        (FINDINGS[::2], "Nothing is wrong. 1 could not be checked."),
        (FINDINGS * 2, "2 things are wrong. 2 could not be checked."),
    ],
)
def test_last_line_summarizes_the_findings(findings, summary):
    assert output.lines(findings, "utf-8")[-1] == summary
    assert output.is_well(findings) == summary.startswith("Nothing")


def test_secrets_are_masked_and_control_characters_escaped():
    found = masked(wrong("Slack token", "xoxb-1 of a\x1b[2Jb", "Replace xoxb-1, not kf."), ["xoxb-1", "kf"])
    assert (found.said, found.remedy) == ("••• of a\\x1b[2Jb", "Replace •••, not kf.")


async def fails():
    raise ValueError("with a secret")


async def hangs():
    await asyncio.Event().wait()
    return Report(())


@pytest.mark.parametrize(
    ("work", "said"),
    [(fails, "not known: the check failed (ValueError)"), (hangs, "not known: no result within 0.01 s")],
)
async def test_failed_check_makes_no_claim_about_its_target(work, said):
    [found] = (await guarded("store", work(), 0.01)).findings
    assert (found.check, found.verdict, found.said) == ("store", "unknown", said)


@pytest.mark.parametrize(
    ("said", "verdict", "words"),
    [
        (RetryLater(60, "ratelimited"), "unknown", "Slack asks to wait 60 s"),
        (OutcomeUnknown("service_unavailable"), "unknown", "service_unavailable"),
        (
            RetryLater(10, "ClientConnectorCertificateError"),
            "wrong",
            "a certificate that this machine does not trust",
        ),
        (RetryLater(10, "ClientConnectorDNSError"), "wrong", "slack.com cannot be reached"),
        (OutcomeUnknown("ServerDisconnectedError"), "wrong", "slack.com cannot be reached"),
        (OutcomeUnknown("TimeoutError"), "wrong", "slack.com does not answer in time"),
        (OutcomeUnknown("HTTP 404"), "wrong", "something else than Slack answers at slack.com"),
        (OutcomeUnknown("HTTP 503"), "wrong", "slack.com is in trouble, or a proxy on the way there"),
    ],
)
def test_unreachable_slack_is_reported_with_the_reason(said, verdict, words):
    found = slack_errors.unreached("slack.com", said)
    assert (found.check, found.verdict) == ("Slack", verdict)
    assert words in found.said


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (ApiError("missing_scope", "im:read"), "the scope im:read is missing"),
        (ApiError("missing_scope"), "the scope for it is missing"),
        (ApiError("invalid_arguments"), "Slack refuses the question (invalid_arguments)"),
        (RetryLater(7, "ratelimited"), "Slack asks to wait 7 s (ratelimited)"),
        (RetryLater(10, "ClientConnectorError"), "Slack was not reached (ClientConnectorError)"),
        (OutcomeUnknown("HTTP 502"), "no answer of use (HTTP 502)"),
    ],
)
def test_unchecked_item_is_reported_with_the_reason(said, words):
    found = slack_errors.unanswered("alert channel", said)
    assert (found.verdict, found.said) == ("unknown", f"not known: {words}")


def test_unknown_error_code_is_quoted():
    found = slack_errors.of_token("Slack token", ApiError("a_word_of_tomorrow"), "SLACK_BOT_TOKEN")
    assert found.said == "SLACK_BOT_TOKEN: Slack refuses it (a_word_of_tomorrow)"


def test_alerts_may_go_to_a_direct_message():
    assert slack.channel(ChannelInfo("", True, False, True), "D0MEI", BOT).verdict == "ok"


def test_public_channel_counts_as_open_when_the_scopes_are_unknown():
    unsure = BotIdentity("wechat-kf", "harbour", "T0001", "", None, None)
    outside = ChannelInfo("kf", is_private=False, is_archived=False, is_member=False)
    assert slack.channel(outside, "C0KF", unsure).verdict == "ok"
    assert slack.channel(outside, "C0KF", BOT).verdict == "wrong"


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        ([], "unknown", "nobody said what time it is"),
        ([0, 0], "ok", "agrees with Slack's and WeChat's within a minute"),
        ([60, -60], "ok", "within a minute"),
        ([61], "wrong", "differs by 1 min from Slack's"),
        ([0, -7200], "wrong", "differs by 2 h from WeChat's"),
    ],
)
def test_clock_check_uses_the_limit_of_the_watcher(seconds, verdict, words):
    names = ["Slack", "WeChat"]
    times = [Time(of, NOW, NOW + timedelta(seconds=off), NOW) for of, off in zip(names, seconds, strict=False)]
    found = host.clock(times)
    assert (found.verdict, words in found.said) == (verdict, True)
    if len(set(seconds)) == 2 and verdict == "wrong":
        assert "do not agree with each other" in found.remedy


def test_response_time_does_not_count_as_clock_skew():
    slow = Time("WeChat", NOW, NOW + timedelta(minutes=4), NOW + timedelta(minutes=9))
    assert host.clock([slow]).verdict == "ok"
