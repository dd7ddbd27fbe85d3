"""`/kf` from a request to a message, on a WeChat with the responses that a test sets."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.actions import OPEN, RETRY, decode
from bot.alerting.episode import AccountStatus
from bot.blocks.builders import MAX_MESSAGE
from bot.demo import blockkit
from bot.health.facts import HealthFacts
from bot.interactions.account_reader import AccountReader
from bot.interactions.commands import CommandHandler
from bot.interactions.read_limit import ReadLimit
from bot.requests import Find, History, List, Overview, Show, parse_command
from bot.status import Status
from tests.accounts import account, invited
from tests.conftest import NOW, VirtualClock
from tests.for_each import for_each
from tests.samples import ANNA, CONTEXT, FORTY, FORTY_THREE, HOUR, actions, shown
from wechat_kf import KfError, KfList, OnlineKf, ResponseError, TransportError


class WeChat:
    """The port: a list and who is online; an error in either's place is raised."""

    def __init__(self, *accounts, online=()):
        self.listing: KfList | KfError = KfList(accounts)
        self.online = online
        self.asked = []
        self.reads = 0
        self.slow = None  # an event to wait for

    async def kf_list(self, *, within=10, attempts=3):
        self.reads += 1
        if self.slow:
            await self.slow.wait()
        return self._result(self.listing)

    async def online_kf_list(self, *, within=10, attempts=3):
        self.asked.append((within, attempts))
        return self._result(self.online)

    def _result(self, answer):
        if isinstance(answer, KfError):
            raise answer
        return answer


async def status():
    return Status("1.0.0", HealthFacts(NOW, polled_at=NOW))


async def untold(account):
    return None


async def unowned():
    return ()


def answers(wechat, clock=None, newest_episode=untold, owned=unowned, **other):
    clock = clock or VirtualClock()
    elapsed = other.pop("elapsed", lambda: clock().timestamp())
    on_good_read = other.pop("on_good_read", lambda: None)
    reader = AccountReader(
        wechat,
        now=clock,
        policy=CONTEXT.policy,
        owned=owned,
        on_good_read=on_good_read,
        limit=ReadLimit(elapsed) if other.pop("limited", False) else None,
        elapsed=elapsed,
    )
    return CommandHandler(
        reader,
        now=clock,
        context=CONTEXT,
        channel="",
        status=status,
        newest_episode=newest_episode,
        notice_after=10,
        **other,
    )


@for_each(
    ("typed", "title"),
    [
        ("", "5 of 43 accounts need attention"),
        ("list 2", "Accounts 11–20 of 43"),
        ("waiting", "7 accounts are waiting"),
        ("attention", "5 accounts need attention"),
        ("find chen", "2 accounts match “chen”"),
        ("show chen", "⛔ Chen · rejected"),
        ("show @harbour", "43 accounts match “@harbour” · 1–10"),
        ("find 夜班", "⛔ 夜班一号 · rejected"),
        ("小波", "⏰ 小波 · expiring"),
        ("chen", "2 accounts match “chen”"),
        ("find", "*/kf find* searches names, accounts, seat numbers and WeChat IDs, and any part of them."),
        ("status", "✅ Working normally"),
        ("help", "What /kf can do"),
        ("show nobody-here", "*No account matches “nobody-here”.*"),
        ("rejcted", "Showing */kf rejected*"),
        ("hlep", "Showing */kf help*"),
        ("rejctde", "*No account matches “rejctde”.*"),
        ("待确认", "7 accounts are waiting"),
        ("列表2", "Accounts 11–20 of 43"),
        ("查找夜班", "⛔ 夜班一号 · rejected"),
        ("查看小波", "⏰ 小波 · expiring"),
        ("已拒觉", "Showing */kf rejected*"),
        ("history", "What people changed"),
        ("history chen", "History of Chen"),
        ("历史小波", "History of 小波"),
        ("rename", "*/kf rename* opens a window to change the name of an account."),
        ("删除", "*/kf delete* opens a window to delete an account, which must be typed there once more."),
        ("reneme", "Showing */kf rename*"),
    ],
)
async def test_every_command_has_its_answer(typed, title):
    accounts = [each for each in FORTY_THREE if each.kf_nick != "Iris"] + [account("iris", kf_wx="x")]
    message = await answers(WeChat(*accounts)).answer(parse_command(typed))
    assert shown(message)[0].split("\n")[0] == title


async def test_name_goes_before_a_command_with_a_typing_error():
    kf = answers(WeChat(account("lisa", kf_nick="Lisa", kf_wx="x"), ANNA))
    assert (await kf.answer(parse_command("lisa"))).text.startswith("Bound: Lisa (lisa@harbour_tea).")
    without = await answers(WeChat(ANNA)).answer(parse_command("lisa"))
    assert without.text.startswith("Showing /kf list. Accounts 1 of 1, problems first. Bound: Anna.")


@for_each("typed", ["查找 {}", "查找{}", "查看 {}", "find {}"])
@for_each("nickname", ["列表", "绑定", "查看器小王", "找小波", "已到期", "删除", "history", "add"])
async def test_nickname_like_a_chinese_command_is_found(nickname, typed):
    kf = answers(WeChat(account("lee", kf_nick=nickname, kf_wx="x"), ANNA))
    message = await kf.answer(parse_command(typed.format(nickname)))
    assert message.text.startswith(f"Bound: {nickname} (lee@harbour_tea).")


@pytest.mark.parametrize("nickname", ["查看器小王", "找小波", "已到期"])
async def test_nickname_that_is_not_a_whole_word_of_a_command_is_found_without_one(nickname):
    message = await answers(WeChat(account("lee", kf_nick=nickname, kf_wx="x"), ANNA)).answer(
        parse_command(nickname)
    )
    assert message.text.startswith(f"Bound: {nickname} (lee@harbour_tea).")


async def test_nickname_equal_to_a_command_does_not_hide_the_command():
    message = await answers(WeChat(account("lee", kf_nick="列表", kf_wx="x"), ANNA)).answer(parse_command("列表"))
    assert message.text.startswith("Accounts 1 to 2 of 2")


@for_each(
    ("typed", "suggested", "buttons"),
    [
        ("bound wating rejctde", "/kf waiting", {"kf.list": "v1:list:1:waiting"}),
        ("fnidd chnx", "/kf find chnx", {"kf.list": "v1:find:1:chnx"}),
        ("shwoo chnx", "/kf show chnx", {"kf.show": "v1:show:chnx", "kf.list": "v1:list:1:all"}),
        ("satsu", "/kf status", {"kf.refresh": "v1:status", "kf.list": "v1:list:1:all"}),
        ("找晓波", "/kf find 晓波", {"kf.list": "v1:find:1:晓波"}),
        ("绑定王", "/kf bound", {"kf.list": "v1:list:1:bound"}),
        ("重命令 小波 大波", "/kf rename 小波 大波", {"kf.list": "v1:list:1:all"}),
        ("histroyy chnx", "/kf history chnx", {"kf.history": "v1:history:1:chnx", "kf.list": "v1:list:1:all"}),
        ("plugh", "/kf help", {"kf.help": "v1", "kf.list": "v1:list:1:all"}),
        (
            "annna1",
            "/kf help",
            {"kf.help": "v1", "kf.show": "v1:show:anna@harbour_tea", "kf.list": "v1:list:1:all"},
        ),
        ("shwoo annna1", "/kf show annna1", {"kf.show": "v1:show:annna1", "kf.list": "v1:list:1:all"}),
    ],
)
async def test_command_without_a_match_offers_the_nearest_command_and_account(typed, suggested, buttons):
    message = await answers(WeChat(ANNA)).answer(parse_command(typed))
    assert message.text.startswith(f"No account matches “{typed}”. Did you mean {suggested}?")
    assert f"Did you mean *{suggested}*?" in shown(message)[0]
    assert {action_id: button["value"] for action_id, button in actions(message).items()} == buttons
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


async def test_help_and_status_with_a_typing_error_are_shown_while_wechat_is_down():
    wechat = WeChat()
    wechat.listing = TransportError("ReadTimeout", attempts=3, timed_out=True)
    assert (await answers(wechat).answer(parse_command("hlep"))).text.startswith("Showing /kf help. /kf shows what")
    assert (await answers(wechat).answer(parse_command("stauts"))).text.startswith("Showing /kf status. ")
    assert (await answers(wechat).answer(parse_command("histroy"))).text.startswith(
        "Showing /kf history. Nobody has"
    )
    message = await answers(wechat).answer(parse_command("anna"))
    assert decode(RETRY, actions(message)["kf.retry"]["value"]) == Find("anna")


async def test_repeated_command_within_five_seconds_shares_the_poll_and_its_time():
    wechat, clock = WeChat(*FORTY), VirtualClock()
    kf = answers(wechat, clock)
    assert "Read from WeChat <!date^1795396320^{time}|01:12 UTC>" in str((await kf.answer(Overview())).blocks)
    wechat.listing = KfList(())
    clock.forward(seconds=4.9)
    again = await kf.answer(Overview())
    assert "Read from WeChat <!date^1795396320^{time_secs}|01:12:00 UTC>" in str(again.blocks)
    assert again.text.endswith("Read from WeChat 01:12:00 UTC.")
    clock.forward(seconds=0.1)
    assert (await kf.answer(Overview())).text.startswith("No customer-service accounts yet.")


async def test_sixty_reads_in_an_hour_are_the_most_and_the_last_one_is_shown_until_then():
    wechat, clock = WeChat(*FORTY), VirtualClock()
    kf = answers(wechat, clock, limited=True)
    for _ in range(60):
        await kf.answer(Overview())
        clock.forward(seconds=6)
    wechat.listing, asked = KfList((ANNA,)), len(wechat.asked)
    for request in (Overview(), List(1), Show("chen"), Find("chen", 1)):
        answer = await kf.answer(request)
        assert "Read from WeChat 01:17 UTC. Next read after 02:12 UTC, because there were many" in answer.text
    assert (wechat.reads, len(wechat.asked)) == (60, asked)
    clock.forward(minutes=55)
    assert "Next read" not in (await kf.answer(Overview())).text
    assert wechat.reads == 61


async def test_reads_are_not_limited_in_an_installation_with_one_account():
    wechat, clock = WeChat(*FORTY), VirtualClock()
    kf = answers(wechat, clock)
    for _ in range(70):
        await kf.answer(Overview())
        clock.forward(seconds=6)
    assert wechat.reads == 70


async def test_commands_during_a_poll_share_it():
    wechat = WeChat(*FORTY)
    kf = answers(wechat)
    wechat.slow = asyncio.Event()
    asking = [
        asyncio.create_task(kf.answer(what)) for what in (Overview(), List(), Find("chen"), Show("chen")) * 50
    ]
    await asyncio.sleep(0)
    wechat.slow.set()
    said = await asyncio.gather(*asking)
    assert wechat.reads == 1
    assert not any("{time_secs}" in str(message.blocks) for message in said)


@pytest.mark.parametrize("offers", [True, False])
async def test_help_has_the_commands_that_change_accounts_where_they_are_offered(offers):
    async def reader():
        return dataclasses.replace(CONTEXT, history=offers)

    message = await answers(WeChat()).answer(parse_command("help"), reader=reader)
    assert ("`/kf invite chen` – invite a person" in str(message.blocks)) is offers


async def test_failed_poll_is_not_reused_by_later_commands():
    wechat = WeChat(*FORTY)
    good, wechat.listing = wechat.listing, ResponseError("no kf_list")
    kf = answers(wechat)
    assert "5 of 40" not in (await kf.answer(Overview())).text
    wechat.listing = good
    assert (await kf.answer(Overview())).text.startswith("5 of 40")


@pytest.mark.parametrize(
    "request_",
    [Overview(), List(2, (AccountStatus.IDLE,)), Find("a:b", 3), Show("chen@harbour_tea"), History("a:b", 2)],
)
async def test_failed_poll_is_reported_with_a_retry_button(request_):
    wechat = WeChat()
    wechat.listing = TransportError("ReadTimeout", attempts=3, timed_out=True)
    message = await answers(wechat).answer(request_)
    assert message.text.startswith("WeChat did not answer within 10 s.")
    assert decode(RETRY, actions(message)["kf.retry"]["value"]) == request_


async def test_last_successful_poll_is_shown_with_the_next_failure():
    wechat, clock, good = WeChat(*FORTY), VirtualClock(), []
    kf = answers(wechat, clock, on_good_read=lambda: good.append(clock()))
    await kf.answer(Overview())
    clock.forward(minutes=20)
    wechat.listing = ResponseError("no kf_list")
    message = await kf.answer(List())
    assert (
        "<!date^1795396320^Last good read {time}|Last good read 01:12 UTC>: 5 of 40 accounts needed attention."
        in shown(message)
    )
    assert good == [NOW]


async def test_show_command_has_the_online_state_within_a_short_time_limit():
    wechat = WeChat(ANNA, online=[OnlineKf("anna@harbour_tea", "2001", 1, 3)])
    message = await answers(wechat).answer(Show("anna"))
    assert "Online now: yes, 3 conversations." in message.text
    assert wechat.asked == [(2, 1)]


async def test_show_command_works_without_the_online_state():
    message = await answers(WeChat(ANNA, online=TransportError("ReadTimeout"))).answer(Show("anna"))
    assert message.text.startswith("Bound: Anna")
    assert "Online now" not in message.text


async def test_show_command_reads_both_lists_concurrently_and_leaves_no_task():
    class Slow(WeChat):
        both = asyncio.Barrier(2)

        async def kf_list(self, **bounds):
            await self.both.wait()
            return await super().kf_list(**bounds)

        async def online_kf_list(self, **bounds):
            await self.both.wait()
            return await asyncio.Future()

    message = await asyncio.wait_for(answers(Slow(ANNA)).answer(Show("nobody-here")), 5)
    await asyncio.sleep(0)
    assert message.text.startswith("No account matches")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_button_of_an_odd_account_finds_it():
    odd = account("odd", kf_account="odd\n" * 100, kf_nick="Odd")
    kf = answers(WeChat(odd, ANNA))
    listed = await kf.answer(List())
    (option,) = [each for each in actions(listed)["kf.open"]["options"] if each["text"]["text"] == "Odd"]
    assert (await kf.answer(decode(OPEN, option["value"]))).text.startswith("Idle: Odd (odd odd")


MARKUP = ["<!channel> ", "*_~`", "&", ":tada:", "&\u0301\u0301\u0301"]
ODD = ["👩‍👩‍👧‍👦", "客", "e\u0301", "\u202e", "\ud800", "\n"]
NAMES = st.lists(st.sampled_from([*MARKUP, *ODD]), min_size=1, max_size=3).map(
    lambda parts: ("".join(parts) * 5000)[:5000]
)


@settings(max_examples=4)
@given(nick=NAMES, key=NAMES, wx=NAMES, state=st.sampled_from(["waiting", "rejected", "&" * 5000]))
def test_hundred_hostile_accounts_stay_within_every_limit(nick, key, wx, state):
    fields = {"kf_nick": nick, "kf_headimgurl": nick, "wx": wx, "status": state}
    accounts = [invited(kf_account=f"{number}{key}", expires_in=HOUR * number, **fields) for number in range(100)]
    lists = [Overview(), *(List(page) for page in range(1, 11)), List(1, (AccountStatus.BOUND,))]
    words = [Find(nick[:200]), Find(key[:200], 2), Show(nick[:200]), Show("7" + key[:150])]
    kf = answers(WeChat(*accounts))
    for request in [*lists, *words]:
        message = asyncio.run(kf.answer(request))
        content = {"text": message.text, "blocks": message.blocks}
        assert blockkit.problems(content) == []
        assert blockkit.mentions(content) == []
        assert len(json.dumps(message.blocks, ensure_ascii=False, separators=(",", ":"))) <= MAX_MESSAGE
