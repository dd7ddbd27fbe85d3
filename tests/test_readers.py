"""Readers' languages and time zones: by rule, and from Slack over HTTP."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from bot.alerting.episode import AlertPolicy
from bot.blocks.context import RenderContext
from bot.demo.servers import serve_slack
from bot.demo.slack_simulator import SlackFault, SlackSimulator, dropped, error, http_error, ratelimited, slow
from bot.fleet import build_services
from bot.interactions.readers import FAILURE_SECONDS, KNOWN_SECONDS, MOST_PEOPLE, Readers, language_of
from bot.language import Language
from bot.ports import Reader, UnknownReaderError
from bot.runtime.tasks import BackgroundTasks
from bot.settings.values import Settings
from bot.slack.directory import reader
from bot.slack.web_api import no_retry_client
from tests.for_each import for_each
from tests.test_settings import REQUIRED

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
BASE = RenderContext(AlertPolicy(()), text_zone=SHANGHAI)
SCOPE_LINE = "answers are in KF_LANGUAGE until the app is installed again with users:read"


@for_each("default", Language)
@for_each(
    ("locale", "language"),
    [
        ("zh-CN", Language.CHINESE),
        ("zh-TW", Language.CHINESE),
        ("zh-HK", Language.CHINESE),
        ("zh-Hant-TW", Language.CHINESE),
        ("zh", Language.CHINESE),
        ("ZH_cn", Language.CHINESE),
        ("en-US", Language.ENGLISH),
        ("en-GB", Language.ENGLISH),
        ("en", Language.ENGLISH),
        ("de-DE", None),
        ("ja-JP", None),
        ("english", None),
        ("zha-CN", None),
        ("", None),
        ("-", None),
    ],
)
def test_language_follows_the_locale_and_is_the_default_for_other_languages(locale, language, default):
    assert language_of(Reader(locale), default) is (language or default)


class People:
    """Slack, as Readers asks it: people by ID, who answer when they may; `fails` is raised instead."""

    def __init__(self, *, most: int = MOST_PEOPLE, **locales: str) -> None:
        self.locales = locales
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails: Exception | None = None
        self.time = 5000.0
        self.tasks = BackgroundTasks()
        self.readers = Readers(self, self.tasks, lambda: self.time, most)

    async def __call__(self, user_id: str) -> Reader:
        self.asked.append(user_id)
        await self.may_answer.wait()
        if self.fails:
            raise self.fails
        return Reader(self.locales.get(user_id, "en-US"), BERLIN)

    async def language(self, user_id: str, within: float = 5.0) -> Language:
        return (await self.readers.context(user_id, BASE, within)).language

    async def finish(self) -> None:
        """Let the requests in progress end."""
        self.may_answer.set()
        await self.tasks.drain(5)


async def test_context_has_the_language_and_the_time_zone_of_the_person():
    people = People(U0LIN="zh-CN")
    context = await people.readers.context("U0LIN", BASE)
    assert context == replace(BASE, language=Language.CHINESE, text_zone=BERLIN)


async def test_zone_of_tomorrow_stays_that_of_the_settings():
    context = await People().readers.context("U0LIN", replace(BASE, zone=SHANGHAI))
    assert context.zone is SHANGHAI


async def test_person_without_a_time_zone_sees_that_of_the_base():
    async def request(_: str) -> Reader:
        return Reader("zh-CN")

    context = await Readers(request, BackgroundTasks()).context("U0LIN", BASE)
    assert (context.language, context.text_zone) == (Language.CHINESE, SHANGHAI)


async def test_two_people_who_ask_at_once_get_their_own_languages():
    people = People(U0LIN="zh-CN", U0TOM="en-US")
    people.may_answer.clear()
    base = replace(BASE, language=Language.CHINESE)
    asking = [asyncio.create_task(people.readers.context(user, base, 5)) for user in ("U0LIN", "U0TOM")]
    await asyncio.sleep(0)
    people.may_answer.set()
    assert [one.language for one in await asyncio.gather(*asking)] == [Language.CHINESE, Language.ENGLISH]


async def test_known_person_is_asked_for_again_after_a_day():
    people = People(U0LIN="en-US")
    assert await people.language("U0LIN") is Language.ENGLISH
    people.locales["U0LIN"] = "zh-CN"
    people.time += KNOWN_SECONDS - 1
    assert await people.language("U0LIN") is Language.ENGLISH
    people.time += 1
    assert await people.language("U0LIN") is Language.CHINESE
    assert (people.asked, KNOWN_SECONDS) == (["U0LIN"] * 2, 24 * 3600)


async def test_person_whose_lookup_failed_is_asked_for_again_after_five_minutes():
    people = People(U0LIN="zh-CN")
    people.fails = UnknownReaderError("user_not_found")
    assert await people.readers.context("U0LIN", BASE) == BASE
    people.fails = None
    people.time += FAILURE_SECONDS - 1
    assert await people.language("U0LIN") is Language.ENGLISH
    people.time += 1
    assert await people.language("U0LIN") is Language.CHINESE
    assert (people.asked, FAILURE_SECONDS) == (["U0LIN"] * 2, 5 * 60)


async def test_failure_for_one_person_does_not_concern_another():
    people = People(U0LIN="zh-CN")
    people.fails = UnknownReaderError("user_not_found")
    await people.language("U0GONE")
    people.fails = None
    assert await people.language("U0LIN") is Language.CHINESE


@pytest.mark.parametrize("how", ["fails", "late"])
async def test_known_language_is_used_until_a_later_lookup_succeeds(how):
    people = People(U0LIN="zh-CN")
    await people.language("U0LIN")
    people.time += KNOWN_SECONDS
    if how == "fails":
        people.fails = UnknownReaderError("internal_error")
    else:
        people.may_answer.clear()
    assert await people.language("U0LIN", 0.01) is Language.CHINESE
    assert len(people.asked) == 2
    await people.finish()
    assert await people.language("U0LIN", 0.01) is Language.CHINESE


async def test_least_recently_used_person_is_forgotten_first():
    people = People(most=3)
    for user in ("U01", "U02", "U03", "U01", "U04", "U03", "U01", "U04"):
        await people.language(user)
    assert people.asked == ["U01", "U02", "U03", "U04"]
    await people.language("U02")
    assert people.asked == ["U01", "U02", "U03", "U04", "U02"]


async def test_two_thousand_people_are_kept():
    people = People()
    for number in range(MOST_PEOPLE + 1):
        await people.language(f"U{number}")
    await people.language("U1")
    assert (len(people.asked), MOST_PEOPLE) == (2001, 2000)
    await people.language("U0")
    assert len(people.asked) == 2002


async def test_concurrent_answers_to_one_person_share_a_request():
    people = People(U0LIN="zh-CN")
    people.may_answer.clear()
    asking = [asyncio.create_task(people.language("U0LIN")) for _ in range(200)]
    await asyncio.sleep(0)
    people.may_answer.set()
    assert set(await asyncio.gather(*asking)) == {Language.CHINESE}
    assert people.asked == ["U0LIN"]


async def test_request_in_progress_is_joined_after_any_time():
    people = People()
    people.may_answer.clear()
    people.readers.look_up("U0LIN")
    await asyncio.sleep(0)
    people.time += KNOWN_SECONDS
    people.readers.look_up("U0LIN")
    await people.finish()
    assert people.asked == ["U0LIN"]


@pytest.mark.parametrize("user_id", ["", "lin", "S0CARE", "U", "U0LIN ", "U0LIN\n", "u0lin", "U" * 50, "用户"])
async def test_malformed_user_id_is_not_looked_up(user_id):
    people = People()
    people.may_answer.clear()
    assert await people.readers.context(user_id, BASE, 60) is BASE
    await people.finish()
    assert people.asked == []


# Lookups that are late


async def test_late_lookup_is_known_for_the_next_answer():
    people = People(U0LIN="zh-CN")
    people.may_answer.clear()
    assert await people.readers.context("U0LIN", BASE, 0.01) is BASE
    people.may_answer.set()
    await asyncio.sleep(0.01)
    people.may_answer.clear()
    assert await people.language("U0LIN", 0) is Language.CHINESE
    assert people.asked == ["U0LIN"]


async def test_lookup_starts_without_waiting_and_its_result_is_read_later():
    people = People(U0LIN="zh-CN")
    lookup = people.readers.look_up("U0LIN")
    await asyncio.sleep(0.01)
    assert people.asked == ["U0LIN"]
    assert (await lookup.context(BASE)).language is Language.CHINESE


async def test_wait_counts_from_the_start_of_the_lookup():
    people = People(U0LIN="zh-CN")
    people.may_answer.clear()
    lookup = people.readers.look_up("U0LIN", 3600)
    people.time += 3599.99
    async with asyncio.timeout(5):
        assert await lookup.context(BASE) is BASE
    people.time += 7200
    async with asyncio.timeout(5):
        assert await lookup.context(BASE) is BASE
    await people.finish()
    assert (await lookup.context(BASE)).language is Language.CHINESE


async def test_answer_waits_a_second_for_the_lookup():
    people = People()
    people.may_answer.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await people.readers.look_up("U0LIN").context(BASE)
    assert 0.9 < loop.time() - began < 2
    await people.finish()


async def test_cancelled_answer_does_not_cancel_the_lookup():
    people = People(U0LIN="zh-CN")
    people.may_answer.clear()
    asking = asyncio.create_task(people.language("U0LIN"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await people.finish()
    assert await people.language("U0LIN", 0) is Language.CHINESE
    assert people.asked == ["U0LIN"]


async def test_failure_that_no_answer_waits_for_leaves_one_line(caplog):
    people = People()
    people.may_answer.clear()
    people.fails = UnknownReaderError("internal_error")
    await people.language("U0LIN", 0)
    gc.collect()
    await people.finish()
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == [
        "language of a reader not available user=U0LIN error=internal_error"
    ]


async def test_shutdown_waits_for_a_lookup():
    people = People(U0LIN="zh-CN")
    people.may_answer.clear()
    people.readers.look_up("U0LIN")
    draining = asyncio.create_task(people.tasks.drain(5))
    await asyncio.sleep(0.01)
    assert not draining.done()
    people.may_answer.set()
    await draining
    assert await people.language("U0LIN", 0) is Language.CHINESE


# Failures that concern all people


async def test_missing_scope_is_logged_once(caplog):
    people = People()
    people.fails = UnknownReaderError("missing_scope", lacks_scope=True)
    for _ in range(3):
        assert await people.readers.context("U0LIN", BASE) == BASE
        people.time += KNOWN_SECONDS
    assert len(people.asked) == 3
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [("WARNING", SCOPE_LINE)]


async def test_missing_scope_stops_requests_for_all_people_for_five_minutes():
    people = People(U0LIN="zh-CN")
    people.fails = UnknownReaderError("missing_scope", lacks_scope=True)
    await people.language("U0TOM")
    people.fails = None
    people.time += FAILURE_SECONDS - 1
    assert await people.language("U0LIN") is Language.ENGLISH
    assert people.asked == ["U0TOM"]
    people.time += 1
    assert await people.language("U0LIN") is Language.CHINESE


async def test_requests_pause_for_all_people_as_long_as_slack_asks():
    people = People(U0LIN="zh-CN")
    people.fails = UnknownReaderError("ratelimited", wait=30)
    await people.language("U0TOM")
    people.fails = None
    people.time += 29
    assert await people.language("U0LIN") is Language.ENGLISH
    people.time += 1
    assert await people.language("U0LIN") is Language.CHINESE
    assert people.asked == ["U0TOM", "U0LIN"]


async def test_requests_pause_for_five_minutes_at_most():
    people = People(U0LIN="zh-CN")
    people.fails = UnknownReaderError("ratelimited", wait=86_400)
    await people.language("U0TOM")
    people.fails = None
    people.time += FAILURE_SECONDS
    assert await people.language("U0LIN") is Language.CHINESE


async def test_known_people_are_answered_in_their_language_during_a_pause():
    people = People(U0LIN="zh-CN")
    await people.language("U0LIN")
    people.fails = UnknownReaderError("ratelimited", wait=30)
    await people.language("U0TOM")
    assert await people.language("U0LIN") is Language.CHINESE


async def test_failures_of_many_people_are_logged_once_in_five_minutes(caplog):
    people = People()
    people.fails = UnknownReaderError("internal_error")
    for number in range(50):
        await people.language(f"U{number}")
    people.time += FAILURE_SECONDS
    await people.language("U0LIN")
    assert [record.getMessage() for record in caplog.records] == [
        f"language of a reader not available user={user} error=internal_error" for user in ("U0", "U0LIN")
    ]


async def test_bug_in_a_lookup_is_logged_and_leaves_the_answer_in_the_channels_language(caplog):
    people = People()
    people.fails = RuntimeError("a bug")
    assert await people.readers.context("U0LIN", BASE) is BASE
    await people.tasks.drain(1)
    assert "a task failed" in caplog.text
    people.fails = None
    assert (await people.readers.context("U0LIN", BASE)).text_zone is BERLIN


# Over HTTP


@asynccontextmanager
async def served() -> AsyncIterator[tuple[SlackSimulator, Readers]]:
    slack, tasks = SlackSimulator(), BackgroundTasks()
    slack.add_person("U0LIN", "lin", locale="zh-TW", tz="Asia/Taipei")
    async with serve_slack(slack), aiohttp.ClientSession() as session:
        client = no_retry_client(slack.bot_token, slack.api_url, session)
        yield slack, Readers(partial(reader, client), tasks)
        await tasks.drain(5)
    assert slack.unexpected == []


@pytest.mark.server
async def test_slack_returns_the_locale_and_the_time_zone():
    async with served() as (slack, people):
        lin, mei = [await people.context(user, BASE, 5) for user in ("U0LIN", "U0MEI")]
    assert (lin.language, lin.text_zone) == (Language.CHINESE, ZoneInfo("Asia/Taipei"))
    assert (mei.language, mei.text_zone) == (Language.ENGLISH, SHANGHAI)
    assert [(one.method, one.arguments["user"]) for one in slack.calls] == [
        ("users.info", "U0LIN"),
        ("users.info", "U0MEI"),
    ]


def answering(**user: object) -> SlackFault:
    return SlackFault(taken=True, status=200, body={"ok": True, "user": user})


@pytest.mark.server
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answering(locale=["zh-CN"], tz="Asia/Taipei"), Reader("", ZoneInfo("Asia/Taipei"))),
        (answering(locale=None, tz=None), Reader()),
        (answering(), Reader()),
        (answering(locale="zh-CN", tz="Mars/Base"), Reader("zh-CN")),
        (answering(locale="zh-CN", tz=""), Reader("zh-CN")),
        (answering(locale="zh-CN", tz="Asia"), Reader("zh-CN")),
        (answering(locale="zh-CN", tz="../../etc/passwd"), Reader("zh-CN")),
        (answering(locale="zh-CN", tz="A" * 5000), Reader("zh-CN")),
        (answering(locale="zh-CN", tz=8), Reader("zh-CN")),
        (answering(profile={"display_name": "Mei Lin", "real_name": "Lin Mei"}), Reader(name="Mei Lin")),
        (answering(profile={"display_name": "", "real_name": "Lin Mei"}), Reader(name="Lin Mei")),
        (answering(profile={"display_name": None, "real_name": 7}), Reader()),
        (answering(profile="Mei", real_name="Mei"), Reader()),
    ],
)
async def test_malformed_part_of_an_answer_counts_as_absent(answer, expected):
    async with served() as (slack, _):
        slack.arm("users.info", answer)
        assert await reader(no_retry_client(slack.bot_token, slack.api_url, slack.session), "U0LIN") == expected


@pytest.mark.server
@pytest.mark.parametrize(
    ("fault", "code", "wait"),
    [
        (SlackFault(status=200, body={"ok": True}), "an answer without a user", 0),
        (SlackFault(status=200, body={"ok": True, "user": "lin"}), "an answer without a user", 0),
        (SlackFault(status=200, body=[1]), "AttributeError", 0),
        (error("user_not_visible"), "user_not_visible", 0),
        (error("missing_scope", needed="users:read"), "missing_scope", 0),
        (error("internal_error"), "internal_error", 0),
        (http_error(502), "HTTP 502", 0),
        (dropped(), "ServerDisconnectedError", 0),
        (ratelimited(17), "ratelimited", 17),
    ],
)
async def test_request_without_a_person_raises_its_error_code(fault, code, wait):
    async with served() as (slack, _):
        slack.arm("users.info", fault)
        with pytest.raises(UnknownReaderError) as raised:
            await reader(no_retry_client(slack.bot_token, slack.api_url, slack.session), "U0LIN")
    assert (str(raised.value), raised.value.wait) == (code, wait)
    assert raised.value.lacks_scope is (code == "missing_scope")


async def test_unreachable_slack_raises_and_names_a_time_to_wait():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(UnknownReaderError, match="ClientConnectorError") as raised:
            await reader(no_retry_client("xoxb-1", "http://127.0.0.1:9/api/", session), "U0LIN")
    assert raised.value.wait > 0


@pytest.mark.server
async def test_app_without_the_scope_answers_in_the_channels_language(caplog):
    async with served() as (slack, people):
        slack.scopes = slack.scopes - {"users:read"}
        for user in ("U0LIN", "U0MEI"):
            assert await people.context(user, BASE, 5) == BASE
    assert (len(slack.calls), caplog.text.count(SCOPE_LINE)) == (1, 1)


@pytest.mark.server
async def test_limited_request_is_not_repeated_for_the_next_person():
    async with served() as (slack, people):
        slack.arm("users.info", ratelimited(30))
        for user in ("U0LIN", "U0MEI"):
            assert await people.context(user, BASE, 5) == BASE
    assert len(slack.calls) == 1


@pytest.mark.server
async def test_slow_slack_delays_one_answer_by_the_wait_and_the_next_by_nothing():
    async with served() as (slack, people):
        slack.arm("users.info", slow(0.3))
        assert await people.context("U0LIN", BASE, 0.05) is BASE
        assert (await people.context("U0LIN", BASE, 5)).language is Language.CHINESE
    assert len(slack.calls) == 1


@pytest.mark.server
async def test_services_look_people_up_with_the_bot_token():
    slack = SlackSimulator()
    slack.add_person("U0LIN", "lin", locale="zh-CN")
    async with serve_slack(slack):
        environ = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_API_URL": slack.api_url, "ALERTS": "off"}
        async with build_services(Settings.from_environ(REQUIRED | environ)) as services:
            context = await services.shared.readers.context("U0LIN", BASE, 5)
            await services.shared.tasks.drain(5)
    assert context.language is Language.CHINESE
