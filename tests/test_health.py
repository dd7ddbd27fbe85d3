"""Health of the whole bot between its simulators: every rendering shows an outside fault and its end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

import aiohttp
import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.exc import OperationalError

from bot.blocks.answers.diagnosis import plain_words
from bot.blocks.answers.status_answer import status_answer
from bot.demo.process import running as process
from bot.demo.slack_simulator import SlackFault, error, http_error
from bot.doctor.findings import Finding
from bot.health.facts import ProblemKind, SlackTrouble, StoreTrouble
from bot.health.problem_rules import diagnose
from bot.interactions.slack_answers import SlackAnswers
from bot.interactions.status_reporter import StatusReporter
from bot.operations.operation import Availability
from bot.ports import UnknownReaderError
from bot.readiness import readiness
from bot.runtime.metrics import Metrics
from bot.settings.values import Settings
from bot.status import OperationsStatus
from bot.store import interface_refusals, processes
from bot.store.database import Store
from bot.store.interface_refusals import InterfaceRefusal
from bot.store.processes import ProcessInfo
from bot.store.store_errors import DevelopmentSchemaError
from bot.web.server import make_web_app
from tests.bots import Bot
from tests.conftest import APPID, NOW, VirtualClock
from tests.doctors import running_bot
from tests.running import ALERTS, CARE, World, bot_in_loop, settings_in_loop, until, world
from tests.samples import CONTEXT, shown
from wechat_kf import QuotaError

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[World]:
    async with world(sqlite_url) as made:
        yield made


async def status(place: World) -> str:
    asked = await place.slack.command("status", channel=CARE)
    return (await asked.answer()).text


async def page(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def shows(url: str, body: str) -> bool:
    return (await page(url))[1] == body


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[tuple[str, str]]:
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    return [(level, line) for level, line in lines if line.startswith(event)]


@pytest.mark.parametrize(
    ("fault", "kind", "level", "title", "remedy"),
    [
        (error("invalid_auth"), "slack_blocked", "ERROR", "Alerts wait for Slack", "SLACK_BOT_TOKEN"),
        (http_error(503), "slack_unreachable", "WARNING", "Slack does not answer", "slack-status.com"),
        (
            http_error(200, "<html>Sign in</html>"),
            "slack_unreachable",
            "WARNING",
            "Slack does not answer",
            "SLACK_API_URL",
        ),
    ],
)
@pytest.mark.server
async def test_first_run_delayed_by_slack_is_reported_everywhere(
    place: World, caplog, fault: SlackFault, kind, level, title, remedy
):
    caplog.set_level(logging.INFO)
    place.slack.arm("conversations.history", *[fault] * 1000)
    async with bot_in_loop(place) as url:
        await until(lambda: logged(caplog, f"problem began kind={kind}"))
        assert [of for of, _ in logged(caplog, f"problem began kind={kind}")] == [level]
        said = await status(place)
        assert said.startswith(title)
        assert remedy in said
        code, body = await page(f"{url}/readyz")
        assert (code, body.startswith("ready\n"), title in body, remedy in body) == (200, True, True, True)
        metrics = (await page(f"{url}/metrics"))[1]
        assert f'wechat_kf_problem{{kind="{kind}"}} 1.0' in metrics
        assert f"wechat_kf_queue_blocked {float(kind == 'slack_blocked')}" in metrics
        assert "wechat_kf_last_successful_poll_age_seconds" in metrics
        findings = await doctor(place)
        assert any(title in one.said and remedy in one.remedy for one in findings)
        place.slack.disarm("conversations.history")
        await until(lambda: logged(caplog, f"problem ended kind={kind}"))
        assert "Working normally" in await status(place)
        await until(lambda: shows(f"{url}/readyz", "ready\n"))
        assert [one.verdict for one in await doctor(place)] == ["ok"]


@pytest.mark.parametrize(
    ("damage", "is_tolerated"),
    [
        ("""UPDATE poll_state SET failing_rows = '{"x": 1}'""", True),
        ("UPDATE poll_state SET failing_rows = '{'", True),
        ("UPDATE poll_state SET polled_at = 'garbage'", True),
        ("UPDATE process SET settings = '[1]'", True),
        ("UPDATE process SET settings = '{', rejected = '{'", True),
        ("UPDATE process SET started_at = 'garbage'", True),
        ("UPDATE poll_state SET poll_wait = 'soon'", False),
    ],
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # PostgreSQL takes no such values
async def test_damaged_row_never_makes_health_fail(store, clock, damage, is_tolerated):
    stands = standing(store, clock, ProcessInfo("one", "web", NOW, receives_commands=True))
    await Bot(store, clock).reads()
    await stands.register()
    async with store.begin() as tx:
        await tx.run(sa.text(damage))
    found = await stands.check()
    assert [problem.kind for problem in found] == ([] if is_tolerated else [ProblemKind.STORE_UNKNOWN])
    assert is_tolerated or found[0].error.startswith("TypeError at ")
    assert readiness(found).reason == ("" if is_tolerated else " ".join(plain_words(found[0])))
    assert (await stands.status()).facts.store == (
        None if is_tolerated else StoreTrouble(found[0].kind, found[0].error, clock.now)
    )
    assert b"wechat_kf_store_up" in Metrics().render(await stands.figures([APPID]))
    await stands.register()
    if is_tolerated:
        await Bot(store, clock).reads()


async def test_fault_of_the_health_report_itself_is_no_error_of_the_server(caplog):
    async def fails() -> NoReturn:
        raise KeyError("bo_example")

    async with TestClient(TestServer(make_web_app(fails, metrics=fails))) as client:
        answers = [await client.get(path) for path in ("/readyz", "/metrics", "/")]
        assert [answer.status for answer in answers] == [503, 503, 200]
        assert (await answers[0].text()).startswith(
            "The state of the bot is not known (KeyError at test_health.py:"
        )
    assert "bo_example" not in caplog.text


@pytest.mark.process
@pytest.mark.test_all
async def test_process_with_a_refused_token_reports_it_in_its_first_minute(place, tmp_path):
    place.slack.arm("conversations.history", *[error("invalid_auth")] * 1000)
    log = tmp_path / "log"
    async with process(place.environ, log=log) as bot:
        place.slack.app_url = f"{bot.url}/slack/events"
        await until(lambda: "problem began kind=slack_blocked" in log.read_text())
        assert (await status(place)).startswith(
            "Alerts wait for Slack. Slack refuses the bot: the bot token is not"
        )
        assert "SLACK_BOT_TOKEN" in (await page(f"{bot.url}/readyz"))[1]
        assert 'wechat_kf_problem{kind="slack_blocked"} 1.0' in (await page(f"{bot.url}/metrics"))[1]
    (line,) = (line for line in log.read_text().splitlines() if "problem began kind=slack_blocked" in line)
    assert " ERROR bot.health_log " in line


@pytest.mark.server
async def test_workspace_over_its_message_limit_is_shown_as_blocked(place, caplog):
    place.invite("bo")
    async with bot_in_loop(place) as url:
        await until(lambda: shows(f"{url}/readyz", "ready\n"))
        place.slack.arm("chat.postMessage", *[error("message_limit_exceeded")] * 1000)
        place.wechat.reject("bo@harbour_tea")
        await until(lambda: logged(caplog, "problem began kind=slack_blocked"))
        said = await status(place)
        assert said.startswith("1 alert could not be posted. Slack refuses them: the workspace has sent more")
        assert "usage limits" in said
        assert "wechat_kf_queue_blocked 1.0" in (await page(f"{url}/metrics"))[1]
        assert any("message" in one.said and "usage limits" in one.remedy for one in await doctor(place))


async def doctor(place: World, **changed: str) -> Sequence[Finding]:
    return await running_bot(settings_in_loop(place.environ | changed))


@pytest.mark.server
async def test_missing_socket_mode_worker_is_reported_everywhere(place, caplog, monkeypatch):
    monkeypatch.setattr("bot.health.problem_rules.RECEIVER_GRACE", timedelta(0))
    caplog.set_level(logging.INFO)
    variables = {"SLACK_APP_TOKEN": place.slack.app_token}
    async with bot_in_loop(place, **variables) as url:
        await until(lambda: logged(caplog, "problem began kind=no_command_receiver"))
        code, front = await page(f"{url}/")
        assert (code, "python -m bot worker" in front, "none is connected" in front) == (200, True, True)
        assert "No process receives commands" in (await page(f"{url}/readyz"))[1]
        assert any("none is connected" in one.said for one in await doctor(place, **variables))
        async with bot_in_loop(place, role="worker", **variables):
            await until(lambda: logged(caplog, "problem ended kind=no_command_receiver"))
            await until(lambda: shows(f"{url}/readyz", "ready\n"))
            assert "none is connected" not in (await page(f"{url}/"))[1]
    assert 'commands="not received"' in logged(caplog, "started")[0][1]


@pytest.mark.server
async def test_worker_without_a_slack_connection_is_reported(place, caplog, monkeypatch):
    monkeypatch.setattr("bot.health.problem_rules.RECEIVER_GRACE", timedelta(0))
    caplog.set_level(logging.INFO)
    place.slack.arm("apps.connections.open", *[error("invalid_auth")] * 1000)
    async with bot_in_loop(place, role="worker", SLACK_APP_TOKEN=place.slack.app_token):
        await until(lambda: logged(caplog, "problem began kind=no_command_receiver"))
        assert any("none is connected" in one.said for one in await doctor(place, SLACK_APP_TOKEN="xapp-1"))


@pytest.mark.server
async def test_processes_with_different_settings_warn_until_one_leaves(place, caplog):
    caplog.set_level(logging.INFO)
    async with bot_in_loop(place):
        await until(lambda: logged(caplog, "poll outcome=ok"))
        async with bot_in_loop(place, SLACK_ALERT_CHANNEL=CARE) as url:
            await until(lambda: len(logged(caplog, "problem began kind=settings_differ")) == 2)
            assert "differ in SLACK_ALERT_CHANNEL" in await status(place)
            assert "differ in SLACK_ALERT_CHANNEL" in (await page(f"{url}/readyz"))[1]
            assert any("SLACK_ALERT_CHANNEL" in one.said for one in await doctor(place))
        await until(lambda: logged(caplog, "problem ended kind=settings_differ"))
    assert {level for level, _ in logged(caplog, "problem began kind=settings_differ")} == {"WARNING"}


@pytest.mark.server
async def test_doctor_reports_settings_that_differ_from_the_running_bot(place, caplog):
    caplog.set_level(logging.INFO)
    async with bot_in_loop(place):
        await until(lambda: logged(caplog, "poll outcome=ok"))

        async def is_well() -> bool:
            return [one.verdict for one in await doctor(place)] == ["ok"]

        await until(is_well)
        found = await doctor(place, ALERT_LEADS="2h")
        assert [("ALERT_LEADS" in one.said, one.verdict) for one in found] == [(True, "wrong")]


@pytest.mark.server
async def test_status_works_and_reports_that_alerts_are_off(place):
    async with bot_in_loop(place, ALERTS="off") as url:
        assert (await status(place)).startswith("Working normally, alerts are off.")
        assert await page(f"{url}/readyz") == (200, "ready\n")


@pytest.mark.parametrize("method", ["users.info", "usergroups.users.list"])
@pytest.mark.server
async def test_refused_token_is_reported_although_alerts_are_off(place, caplog, monkeypatch, method):
    monkeypatch.setattr("bot.interactions.slack_answers.HOLD", 0.5)
    caplog.set_level(logging.INFO)
    for refusing in (method, "auth.test"):
        place.slack.arm(refusing, *[error("invalid_auth")] * 1000)
    more = {"KF_VIEWERS": "S0NIGHT"} if method == "usergroups.users.list" else {}
    async with bot_in_loop(place, ALERTS="off", **more) as url:
        await place.slack.command("status", channel=CARE)
        await until(lambda: logged(caplog, "problem began kind=slack_blocked"))
        if not more:  # else no user may see the status
            assert (await status(place)).startswith(
                "Slack refuses the bot. Slack refuses its requests: the bot token"
            )
        body = (await page(f"{url}/readyz"))[1]
        assert ("Slack refuses the bot" in body, "SLACK_BOT_TOKEN" in body) == (True, True)
        place.slack.disarm("auth.test")
        await until(lambda: logged(caplog, "problem ended kind=slack_blocked"))
        await until(lambda: shows(f"{url}/readyz", "ready\n"))


async def asked(answers: SlackAnswers, outcome: str) -> SlackTrouble | None:
    async def request() -> None:
        if outcome:
            raise UnknownReaderError(outcome)

    with suppress(UnknownReaderError):
        await answers.noting(request)()
    return answers.trouble


async def test_last_failure_of_slack_lasts_until_an_answer_of_any_kind(clock):
    answers = SlackAnswers(unasked, clock)
    first = clock.now
    assert await asked(answers, "invalid_auth") == SlackTrouble("invalid_auth", first, refused=True)
    clock.forward(seconds=7)
    assert (await asked(answers, "invalid_auth")).since == first
    assert (await asked(answers, "token_revoked")).since == clock.now
    for failure in ("TimeoutError", "HTTP 503", "internal_error", "an answer without a user"):
        assert await asked(answers, failure) == SlackTrouble(failure, clock.now, refused=False)
    for answer in ("", "user_not_found", "missing_scope", "ratelimited"):
        await asked(answers, "HTTP 503")
        assert await asked(answers, answer) is None


async def unasked() -> NoReturn:
    raise AssertionError


# With a clock that the test moves


def standing(store: Store, clock: VirtualClock, process: ProcessInfo | None = None) -> StatusReporter:
    settings = Settings(APPID, "secret", "xoxb-token", slack_alert_channel=ALERTS)
    return StatusReporter(store, settings, token_expires_at=lambda: None, clock=clock, process=process)


@pytest.mark.mostly_sqlite
async def test_token_that_is_refused_for_a_person_is_a_problem_of_the_alerts(store, clock):
    await Bot(store, clock).reads()
    settings = Settings(APPID, "secret", "xoxb-token", slack_alert_channel=ALERTS)
    trouble = SlackTrouble("invalid_auth", NOW, refused=True)
    stands = StatusReporter(store, settings, lambda: None, clock, slack_trouble=lambda: trouble)
    (problem,) = diagnose(await stands.facts())
    assert (problem.kind, problem.alerts) == (ProblemKind.SLACK_BLOCKED, True)


@pytest.mark.mostly_sqlite
async def test_failed_poll_is_shown_at_once_with_its_start(store, clock):
    bot, stands = Bot(store, clock), standing(store, clock)
    await bot.reads()
    assert diagnose(await stands.facts()) == ()
    bot.wechat.go_down()
    await bot.reads(after=5 * MINUTE)
    first = clock.now
    for failed in (1, 2):
        found = await stands.status()
        message = status_answer(found, clock.now, CONTEXT)
        assert shown(message)[0] == f"⚠️ WeChat did not answer the last read, {failed} of 3"
        assert [problem.since for problem in diagnose(found.facts)] == [first]
        await bot.reads(after=30 * MINUTE)
    (problem,) = diagnose(await stands.facts())
    assert (problem.kind, problem.since) == (ProblemKind.WECHAT_DOWN, first)
    bot.wechat.come_back()
    for _ in range(2):
        await bot.reads(after=30 * MINUTE)
    assert diagnose(await stands.facts()) == ()


@pytest.mark.mostly_sqlite
async def test_recurring_problem_within_the_hour_is_shown_since_its_return(store, clock):
    bot, stands = Bot(store, clock), standing(store, clock)
    began = []
    for _ in range(2):
        bot.wechat.go_down()
        for failed in range(3):
            await bot.reads(after=16 * MINUTE)
            if failed == 0:
                began.append(clock.now)
        (problem,) = diagnose(await stands.facts())
        assert problem.since == began[-1]
        bot.wechat.come_back()
        for _ in range(2):
            await bot.reads(after=16 * MINUTE)
    last = (await stands.facts()).incident
    assert last
    assert last.resolved_at
    assert (last.began_at, (last.resolved_at - last.began_at) // MINUTE) == (
        began[1],
        (clock.now - began[1]) // MINUTE,
    )


@pytest.mark.mostly_sqlite
async def test_polls_that_stop_are_overdue_after_three_intervals(store, clock):
    bot, stands = Bot(store, clock), standing(store, clock)
    await bot.reads()
    clock.forward(minutes=15)
    assert diagnose(await stands.facts()) == ()
    clock.forward(seconds=1)
    (problem,) = diagnose(await stands.facts())
    assert (problem.kind, problem.length) == (ProblemKind.POLL_OVERDUE, 15 * MINUTE + timedelta(seconds=1))


@pytest.mark.mostly_sqlite
async def test_spent_quota_is_shown_for_as_long_as_the_watcher_waits_for_its_renewal(store, clock):
    bot, stands = Bot(store, clock), standing(store, clock)
    await bot.reads()
    bot.wechat.error = QuotaError(45009, "reach max api daily quota limit")
    await bot.reads(after=5 * MINUTE)
    midnight = clock.now.replace(hour=16, minute=0, second=0)
    while clock.now < midnight - timedelta(hours=1):
        clock.forward(hours=1)
        await bot.watcher.tick()
        found = await stands.status()
        assert [problem.kind for problem in diagnose(found.facts)] == [ProblemKind.WECHAT_QUOTA]
        assert "read again after midnight in Shanghai" in status_answer(found, clock.now, CONTEXT).text
    bot.wechat.come_back()
    await bot.reads(after=timedelta(hours=2))
    assert diagnose(await stands.facts()) == ()


@pytest.mark.mostly_sqlite
async def test_receiver_that_is_replaced_in_a_deploy_is_not_missed(store, clock):
    stands = standing(store, clock, ProcessInfo("web", "web", NOW - timedelta(days=1)))
    worker = ProcessInfo("worker", "worker", NOW - timedelta(days=1), receives_commands=True)
    bot = Bot(store, clock)

    async def kinds() -> list[ProblemKind]:
        await bot.reads(after=timedelta(0))
        await stands.register()
        return [problem.kind for problem in diagnose(await stands.facts())]

    async with store.begin() as tx:
        await processes.touch(tx, worker, NOW)
    await bot.reads()
    async with store.begin() as tx:
        await processes.touch(tx, worker, clock.now)
    assert await kinds() == []
    async with store.begin() as tx:
        await processes.remove(tx, "worker")
    assert await kinds() == []
    clock.forward(seconds=89)
    assert await kinds() == []
    clock.forward(seconds=2)
    assert await kinds() == [ProblemKind.NO_COMMAND_RECEIVER]


@pytest.mark.mostly_sqlite
async def test_unrecorded_poll_is_a_problem_until_a_poll_is_recorded(store, clock):
    bot, stands = Bot(store, clock), standing(store, clock)
    await bot.reads()
    refused = OperationalError("INSERT", {}, Exception("permission denied for table message"))
    stands.note_poll(refused)
    clock.forward(minutes=1)
    await stands.register()
    (problem,) = diagnose(await stands.facts())
    assert (problem.kind.startswith("store_"), problem.error) == (True, "permission denied for table message")
    stands.note_poll(None)
    assert diagnose(await stands.facts()) == ()


@pytest.fixture
async def new_store(empty_url: str, clock: VirtualClock) -> AsyncIterator[Store]:
    """Return a store whose tables are still to be made."""
    store = Store.from_url(empty_url, APPID, clock=clock)
    yield store
    await store.close()


async def test_probe_before_the_first_migration_leaves_no_trouble_behind(new_store, clock):
    stands = standing(new_store, clock, ProcessInfo("one", "web", clock.now, receives_commands=True))
    await stands.check()
    await Bot(new_store, clock).reads()
    assert diagnose(await stands.facts()) == ()


@pytest.mark.mostly_sqlite
async def test_tables_that_are_still_being_made_are_no_fault_however_long_that_takes(new_store, clock):
    stands = standing(new_store, clock, ProcessInfo("one", "web", clock.now, receives_commands=True))
    clock.forward(seconds=50)
    for problems in (diagnose(await stands.facts()), await stands.check()):
        assert [problem.kind for problem in problems] == [ProblemKind.STARTING]


async def test_missing_tables_are_explained_by_the_error_of_the_watcher(new_store, clock):
    stands = standing(new_store, clock, ProcessInfo("one", "web", clock.now, receives_commands=True))
    stands.note_poll(DevelopmentSchemaError())
    clock.forward(seconds=6)
    for problems in (diagnose(await stands.facts()), await stands.check()):
        (problem,) = problems
        assert (problem.kind, problem.error) == (ProblemKind.STORE_SCHEMA, str(DevelopmentSchemaError()))


@pytest.mark.mostly_sqlite
@pytest.mark.parametrize("off", [timedelta(days=-1), -3 * MINUTE, 3 * MINUTE, timedelta(days=1)])
async def test_process_whose_own_clock_is_wrong_is_shown_as_that_alone(store, clock, off):
    own = VirtualClock(NOW + off)
    bot, stands = (
        Bot(store, clock),
        standing(store, own, ProcessInfo("one", "web", own.now, receives_commands=True)),
    )
    await bot.reads()
    own.now = clock.now + off
    await stands.register()
    right = standing(store, clock, ProcessInfo("two", "web", NOW))
    await right.register()
    for each in (stands, right):
        assert [problem.kind for problem in diagnose(await each.facts())] == [ProblemKind.CLOCKS_DIFFER]
    clock.forward(minutes=16)
    await right.register()
    assert ProblemKind.POLL_OVERDUE in {problem.kind for problem in diagnose(await stands.facts())}


@pytest.mark.mostly_sqlite
async def test_unconfirmed_empty_list_is_a_completed_poll(store, clock):
    bot, stands = Bot(store, clock), standing(store, clock)
    await bot.reads(*bot.wechat.listed)
    await bot.reads()
    facts = await stands.facts()
    assert facts.polled_at == clock.now


@pytest.mark.mostly_sqlite
async def test_process_that_has_just_started_is_starting_until_its_first_poll(store, clock):
    bot = Bot(store, clock)
    stands = standing(store, clock, ProcessInfo("one", "web", NOW, receives_commands=True))
    await stands.register()
    assert [problem.kind for problem in diagnose(await stands.facts())] == [ProblemKind.STARTING]
    await bot.reads()
    await stands.register()
    assert diagnose(await stands.facts()) == ()


@pytest.mark.mostly_sqlite
@pytest.mark.parametrize(
    ("own", "same", "different"),
    [
        ({}, {"KF_LANGUAGE": "en"}, {"KF_LANGUAGE": "zh"}),
        ({}, {}, {"SLACK_BOT_TOKEN": "xoxb-other"}),
        ({"KF_VIEWERS": "U0MEI,S0NIGHT"}, {"KF_VIEWERS": "S0NIGHT,U0MEI"}, {"KF_VIEWERS": "U0MEI"}),
        ({"KF_OPERATORS": "U0MEI,S0NIGHT"}, {"KF_OPERATORS": "S0NIGHT,U0MEI"}, {"KF_OPERATORS": "U0MEI"}),
    ],
    ids=lambda environ: next(iter(environ), "default"),
)
async def test_setting_that_another_process_has_differently_is_named(store, clock, own, same, different):
    environ = {
        "WECHAT_APPID": APPID,
        "WECHAT_SECRET": "secret",
        "SLACK_BOT_TOKEN": "xoxb-token",
        "SLACK_SIGNING_SECRET": "signing",
        "SLACK_ALERT_CHANNEL": ALERTS,
    }
    stands = StatusReporter(store, Settings.from_environ(environ | own), lambda: None, clock)
    for changed, named in ((same, ()), (different, (*different,))):
        digests = Settings.from_environ(environ | changed).shared_digests
        async with store.begin() as tx:
            await processes.touch(tx, ProcessInfo(f"with {changed}", "web", NOW, settings=digests), NOW)
        assert (await stands.facts()).differing_settings == named


@pytest.mark.mostly_sqlite
async def test_process_of_an_older_release_does_not_count_as_different(store, clock):
    stands = standing(store, clock)
    async with store.begin() as tx:
        await processes.touch(tx, ProcessInfo("old"), NOW)
    facts = await stands.facts()
    assert facts.differing_settings == ()
    assert facts.receivers
    assert facts.receivers.processes == 0


@pytest.mark.both_stores
async def test_changes_from_slack_are_on_until_wechat_refuses_them_for_a_day(store, clock):
    async def changes(*people: str, store: Store | None = store) -> OperationsStatus:
        settings = Settings(APPID, "secret", "xoxb-token", slack_alert_channel=ALERTS, kf_operators=people)
        return (await StatusReporter(store, settings, lambda: None, clock).status()).operations

    assert await changes() == OperationsStatus(Availability.OFF)
    assert await changes("U0LIN", store=None) == OperationsStatus(Availability.NO_STORE, ("U0LIN",))
    assert await changes("U0LIN", "S0LEADS") == OperationsStatus(Availability.ON, ("U0LIN", "S0LEADS"))
    async with store.begin() as tx:
        await interface_refusals.note(tx, InterfaceRefusal("rename", NOW))
    assert await changes("U0LIN") == OperationsStatus(Availability.NO_RIGHT, ("U0LIN",), NOW, "rename")
    assert await changes() == OperationsStatus(Availability.OFF)
    clock.now = NOW + timedelta(days=1)
    assert await changes("U0LIN") == OperationsStatus(Availability.ON, ("U0LIN",))
