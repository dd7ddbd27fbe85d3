"""The status of the bot, with all its facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.alerting.quiet_hours import SHANGHAI, QuietHours
from bot.blocks.answers.status_answer import status_answer
from bot.demo import blockkit
from bot.health.facts import HealthFacts, ProblemKind, SlackTrouble, StoreTrouble
from bot.health.problem_rules import diagnose
from bot.interactions.status_reporter import StatusReporter
from bot.operations.operation import Availability
from bot.ports import Blocked
from bot.settings.values import Settings
from bot.status import OperationsStatus, Snoozed, Status
from bot.store import poll_state
from bot.store.database import Store
from tests.accounts import bound
from tests.bots import Bot, rejected
from tests.conftest import NOW, VirtualClock
from tests.samples import CONTEXT, LEADS, MINUTE, sample, shown
from tests.test_details import fields
from wechat_kf import TransportError

pytestmark = pytest.mark.mostly_sqlite

BEGAN = datetime.fromtimestamp(1795288320, UTC)
FINE = HealthFacts(
    NOW,
    polled_at=NOW,
    next_poll_at=NOW + 5 * MINUTE,
    started_at=NOW - timedelta(days=1),
    incident=Incident(
        "0", Cause.SOURCE_DOWN, BEGAN, ErrorDetails("TransportError"), resolved_at=BEGAN + 19 * MINUTE
    ),
)
WELL = Status(
    version="1.0.0",
    facts=FINE,
    store="PostgreSQL",
    processes=2,
    token_expires_at=NOW + 72 * MINUTE,
    channel="C0CARE",
    leads=LEADS,
)
QUIET = QuietHours(time(22), time(8), SHANGHAI)
BUSY = ErrorDetails("BusyError", errcode=-1)
DOWN = Incident("1", Cause.SOURCE_DOWN, NOW, ErrorDetails("TransportError"))
ADDRESS = Incident("1", Cause.CONFIG_PROBLEM, NOW, ErrorDetails("SetupError", errcode=40164))
WRONG_CLOCK = Incident("2", Cause.CLOCK_PROBLEM, NOW, ErrorDetails("ClockSkew", detail="4 min"))
AWAY = StoreTrouble(ProblemKind.STORE_UNREACHABLE, "connection refused", NOW)


def refused(error: str = "not_in_channel", pending: int = 1) -> dict[str, object]:
    return {"slack": SlackTrouble(error, NOW, refused=True), "pending": pending}


def but(**facts: object) -> Status:
    """Return the status of a healthy bot, changed by these facts."""
    return replace(WELL, facts=replace(FINE, **facts))


LIN = Snoozed("林晓", NOW + timedelta(hours=4))


@pytest.mark.parametrize(
    ("kind", "unreachable"),
    [(ProblemKind.STORE_UNREACHABLE, True), (ProblemKind.STORE_HANGING, True), (ProblemKind.STORE_FULL, False)],
)
def test_database_is_called_unreachable_only_when_it_does_not_answer(kind, unreachable):
    said = str(status_answer(but(store=StoreTrouble(kind, "its words", NOW)), NOW, CONTEXT).blocks)
    assert ("(unreachable)" in said) is unreachable


def test_working_normally():
    drawn = sample("status")
    message = status_answer(
        replace(WELL, snoozed=(LIN,), quiet=QuietHours(time(22), time(8), SHANGHAI)), NOW, CONTEXT
    )
    assert message.text == drawn["text"]
    assert message.blocks == drawn["blocks"]


def test_names_of_snoozed_accounts_are_limited():
    until = "<!date^1795410720^until {time}|until 05:12 UTC>"
    people = [LIN, Snoozed("<!channel> *x*", LIN.until), Snoozed("", LIN.until + timedelta(days=1)), LIN, LIN]
    message = status_answer(replace(WELL, snoozed=people), NOW, CONTEXT)
    assert fields(message)["*Snoozed*"] == (
        f"林晓, {until}; ＜!channel＞ ＊x＊, {until}; "
        "(no name), <!date^1795497120^until {date_short_pretty} {time}|until Tue 24 Nov 05:12 UTC> and 2 more"
    )
    assert "5 alerts snoozed." in message.text
    assert blockkit.mentions({"text": message.text, "blocks": message.blocks}) == []


def test_all_possible_problems_fit_into_two_sections():
    everything = replace(
        but(failed_polls=1, clock_incident=WRONG_CLOCK, pending=3, refused=1),
        snoozed=[LIN] * 9,
        quiet=QUIET,
    )
    message = status_answer(everything, NOW, CONTEXT)
    assert len(fields(message)) == 11
    assert list(fields(message))[:3] == ["*WeChat*", "*Server clock*", "*Not posted*"]
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


def test_wrong_clock_is_the_verdict_when_nothing_is_worse():
    message = status_answer(but(clock_incident=WRONG_CLOCK), NOW, CONTEXT)
    assert shown(message)[:2] == [
        "⚠️ This server’s clock is wrong",
        (
            "It differs from WeChat’s by 4 min, so reminders come too early or too late.\n"
            "*Next:* set the clock (NTP)."
        ),
    ]
    assert next(iter(fields(message).items())) == ("*Server clock*", "4 min off WeChat’s")
    assert message.text.startswith(
        "This server's clock is wrong. It differs from WeChat's by 4 min, so reminders come too early or too late. "
        "Set the clock (NTP). Server clock: 4 min off"
    )
    worse = status_answer(but(clock_incident=WRONG_CLOCK, **refused()), NOW, CONTEXT)
    assert shown(worse)[0] == "⚠️ 1 alert could not be posted"


def test_status_before_the_first_poll():
    message = status_answer(Status("1.0.0", HealthFacts(NOW, started_at=NOW)), NOW, CONTEXT)
    assert shown(message) == [
        "⚠️ Starting: WeChat has not been read yet",
        "The first read takes some seconds.\n*Next:* nothing yet.",
        "Refresh",
        "KF 1.0.0",
    ]
    assert fields(message) == {
        "*WeChat*": "not read yet",
        "*Access token*": "none yet",
        "*Alerts go to*": "no channel",
        "*Waiting to be posted*": "nothing",
        "*Changes from Slack*": "off, KF_OPERATORS is not set",
    }
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


def test_alerts_that_are_off():
    message = status_answer(replace(WELL, facts=HealthFacts(NOW, alerts=False), store=""), NOW, CONTEXT)
    assert shown(message)[0] == "✅ Working normally, alerts are off"
    assert fields(message)["*Alerts go to*"] == "nobody, ALERTS is off"
    assert "*Waiting to be posted*" not in fields(message)
    assert "Alerts are off." in message.text


@pytest.mark.parametrize(
    ("trouble", "title", "first"),
    [
        ({"incident": DOWN}, "⚠️ WeChat does not answer", "*WeChat*"),
        (
            {"incident": ADDRESS, **refused(pending=2)},
            "⚠️ 2 alerts could not be posted",
            "*WeChat*",
        ),
        (refused(pending=2), "⚠️ 2 alerts could not be posted", "*Alerts go to*"),
        ({"refused": 1}, "⚠️ 1 alert could not be posted", "*Not posted*"),
        ({"refused": 1, "unconfirmed": 1}, "⚠️ 2 alerts could not be posted", "*Not posted*"),
        ({"store": AWAY}, "⚠️ The database does not answer", "*Waiting to be posted*"),
    ],
)
def test_problem_is_the_title_and_its_fact_comes_first(trouble, title, first):
    message = status_answer(but(**trouble), NOW, CONTEXT)
    assert shown(message)[0] == title
    assert "\n*Next:* " in shown(message)[1]
    assert next(iter(fields(message))) == first
    sentence = shown(message)[1].split("\n")[0].replace(" in <#C0CARE>", "").replace("*", "").replace("’", "'")
    assert message.text.startswith(title.removeprefix("⚠️ ").replace("’", "'") + f". {sentence} ")
    assert not set(message.text) & set("<>")
    assert "*" not in message.text
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


@pytest.mark.parametrize(
    ("held", "because", "step"),
    [
        ("not_in_channel", "the app is not a member", "type */invite @wechat-kf* there."),
        ("is_archived", "it is archived", "unarchive it"),
        ("token_revoked", "the bot token is not valid", "put the present token into SLACK_BOT_TOKEN"),
        ("restricted_action", "the workspace or the channel does not let the app post", "posting permissions"),
        (
            "restricted_action_read_only_channel",
            "the workspace or the channel does not let the app post",
            "or choose another SLACK_ALERT_CHANNEL and restart.",
        ),
        ("message_limit_exceeded", "the workspace has sent more messages than its plan allows", "usage limits"),
        ("accesslimited", "the workspace or the app takes calls from listed addresses only", "ask an admin"),
        ("odd<!here>", "odd＜!here＞", "see the log"),
    ],
)
def test_blocked_queue_is_shown_with_its_remedy(held, because, step):
    advice = shown(status_answer(but(**refused(held)), NOW, CONTEXT))[1]
    assert advice.startswith(f"Slack refuses them in <#C0CARE>: {because}.\n*Next:* ")
    assert step in advice


def test_waiting_alerts_are_counted_since_the_oldest():
    message = status_answer(but(pending=1, oldest_pending=NOW - MINUTE), NOW, CONTEXT)
    assert (
        fields(message)["*Waiting to be posted*"]
        == "1, <!date^1795396260^the oldest since {time}|the oldest since 01:11 UTC>"
    )
    assert "1 waits to be posted, the oldest since 01:11 UTC." in message.text
    assert "2 wait to be posted." in status_answer(but(pending=2), NOW, CONTEXT).text


UNTIL = NOW + timedelta(hours=7)
REFUSED = "Slack refuses: the app is not a member"


@pytest.mark.parametrize(
    ("why", "shown_as", "said"),
    [
        (
            {"quiet_until": UNTIL},
            ", <!date^1795421520^until {time}|until 08:12 UTC> (quiet hours)",
            ", until 08:12 UTC (quiet hours)",
        ),
        (refused(), f", {REFUSED}", f", {REFUSED}"),
        ({**refused(), "quiet_until": UNTIL}, f", {REFUSED}", f", {REFUSED}"),
        ({**refused(), "incident": DOWN}, f", {REFUSED}", f", {REFUSED}"),
    ],
)
def test_pending_alerts_are_shown_with_the_reason(why, shown_as, said):
    why = {**why}
    until = why.pop("quiet_until", None)
    status = but(**{**why, "pending": 3, "oldest_pending": NOW - MINUTE})
    message = status_answer(replace(status, quiet_until=until), NOW, CONTEXT)
    since = "3, <!date^1795396260^the oldest since {time}|the oldest since 01:11 UTC>"
    assert fields(message)["*Waiting to be posted*"] == since + shown_as
    assert f"3 wait to be posted, the oldest since 01:11 UTC{said}." in message.text


def test_quiet_hours_without_pending_alerts_hold_nothing():
    assert (
        fields(status_answer(replace(WELL, quiet_until=UNTIL), NOW, CONTEXT))["*Waiting to be posted*"] == "nothing"
    )


def test_figures_of_the_database_are_unknown_without_it():
    message = status_answer(Status("1.0.0", HealthFacts(NOW, store=AWAY)), NOW, CONTEXT)
    assert fields(message)["*WeChat*"] == "not known"
    assert "WeChat: not known." in message.text


def test_wechat_is_read_for_each_answer_without_a_watcher():
    assert (
        fields(status_answer(Status("1.0.0", HealthFacts(NOW, alerts=False)), NOW, CONTEXT))["*WeChat*"]
        == "read when somebody asks"
    )


def test_old_answer_and_an_old_token_are_called_so():
    message = status_answer(
        replace(
            but(incident=DOWN, polled_at=NOW - timedelta(days=1), next_poll_at=None),
            token_expires_at=NOW,
        ),
        NOW,
        CONTEXT,
    )
    assert "WeChat: last answered Sun 22 Nov 01:12 UTC." in message.text
    assert fields(message)["*Access token*"] == "expired, the next read renews it"


def test_past_problem_is_in_the_past_tense():
    over_at = NOW + timedelta(hours=5)
    for fault, title in (
        (ErrorDetails("ResponseError"), "WeChat's answer could not be read"),
        (BUSY, "WeChat was busy"),
    ):
        message = status_answer(but(incident=replace(DOWN, fault=fault, resolved_at=over_at)), NOW, CONTEXT)
        assert f"Last problem: {title} for 5 h, Mon 23 Nov 01:12 UTC." in message.text


def test_status_has_the_start_of_watching():
    message = status_answer(replace(WELL, processes=1, watching_since=NOW), NOW, CONTEXT)
    assert shown(message)[-1] == (
        "KF 1.0.0 · database PostgreSQL · 1 process · "
        "<!date^1795396320^watching since {date_short_pretty}|watching since Mon 23 Nov>"
    )


# The state of the bot, by the store and the settings.


def standing(store: Store, clock: VirtualClock) -> StatusReporter:
    settings = Settings(
        wechat_appid="wx0123456789abcdef",
        wechat_secret="secret",
        slack_bot_token="xoxb-token",
        quiet=QUIET,
    )
    return StatusReporter(store, settings, token_expires_at=lambda: None, clock=clock)


async def test_refusal_is_shown_until_slack_accepts_the_channel_again(store, clock):
    bot, stands = Bot(store, clock), standing(store, clock)
    bot.slack.outcomes = [Blocked("not_in_channel")] * 9
    await bot.reads()
    await bot.reads(rejected())
    facts = await stands.facts()
    assert blocked(facts) == ["not_in_channel"]
    assert (facts.pending, facts.slack and facts.slack.reading) == (1, False)
    await bot.reads(bound("bo"))
    clock.forward(minutes=15)
    await bot.deliver()
    facts = await stands.facts()
    assert (blocked(facts), facts.pending) == (["not_in_channel"], 0)  # though no alert waits any more
    assert bot.slack.probes == ["not_in_channel"]
    for minutes, probes in ((4, 1), (1, 2), (5, 3)):
        clock.forward(minutes=minutes)
        await bot.deliver()
        assert (blocked(await stands.facts()), len(bot.slack.probes)) == (["not_in_channel"], probes)
    bot.slack.outcomes = []
    clock.forward(minutes=5)
    await bot.deliver()
    assert blocked(await stands.facts()) == []
    assert len(bot.slack.texts) == 0


def blocked(facts: HealthFacts) -> list[str]:
    return [problem.error for problem in diagnose(facts) if problem.kind is ProblemKind.SLACK_BLOCKED]


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 11, 23, 14, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)),
        (NOW, None),
    ],
)
async def test_quiet_hours_have_an_end_while_they_last(store, clock, now, until):
    async with store.begin() as tx:
        await poll_state.load(tx)
    clock.now = now
    assert (await standing(store, clock).status()).quiet_until == until


async def test_past_wechat_problem_is_in_the_past_tense(store, clock):
    bot = Bot(store, clock)
    bot.wechat.error = TransportError("GET /getkflist", attempts=3, timed_out=True)
    for _ in range(4):
        await bot.reads(after=20 * MINUTE)
    bot.wechat.error = None
    for _ in range(4):
        await bot.reads(after=20 * MINUTE)
    status = await standing(store, clock).status()
    assert "Last problem: WeChat did not answer for " in status_answer(status, clock.now, CONTEXT).text


# Changes from Slack


@pytest.mark.parametrize(
    ("operations", "words", "plain"),
    [
        (OperationsStatus(), "off, KF_OPERATORS is not set", ""),
        (OperationsStatus(Availability.NO_STORE, ("U0LIN",)), "off, ALERTS is off", ""),
        (OperationsStatus(Availability.ON, ("U0LIN", "S0LEADS")), "on, for <@U0LIN>, <!subteam^S0LEADS>", ""),
        (
            OperationsStatus(Availability.NO_RIGHT, ("U0LIN",), NOW - 3 * MINUTE),
            "WeChat refuses them (48001), <!date^1795396140^since {time}|since 01:09 UTC>",
            "Changes from Slack: WeChat refuses them (48001), since 01:09 UTC.",
        ),
    ],
)
def test_status_tells_whether_changes_are_possible(operations, words, plain):
    message = status_answer(replace(WELL, operations=operations), NOW, CONTEXT)
    assert fields(message)["*Changes from Slack*"] == words
    assert plain in message.text
    assert ("Changes from Slack" in message.text) is bool(plain)
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


def test_refusal_of_changes_comes_first_and_many_operators_are_counted():
    refused_by_wechat = OperationsStatus(Availability.NO_RIGHT, ("U0LIN",), NOW)
    assert next(iter(fields(status_answer(replace(WELL, operations=refused_by_wechat), NOW, CONTEXT)))) == (
        "*Changes from Slack*"
    )
    people = OperationsStatus(Availability.ON, tuple(f"U0{number:02}" for number in range(12)))
    message = status_answer(replace(WELL, operations=people), NOW, CONTEXT)
    assert fields(message)["*Changes from Slack*"].endswith("<@U009> and 2 more")
