"""`/kf` from a request to a message, on a WeChat that says what a test wants."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import grammar
from bot.blocks.kit import MAX_MESSAGE
from bot.blocks.status import Status
from bot.commands import Answers
from bot.demo import blockkit
from bot.episodes import Seen
from bot.grammar import Find, Help, List, Overview, Show, parse, parse_value
from tests.accounts import account, invited
from tests.conftest import NOW, VirtualClock
from tests.samples import ANNA, FORTY, FORTY_THREE, HOUR, LEADS, actions, shown
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
        return self._say(self.listing)

    async def online_kf_list(self, *, within=10, attempts=3):
        self.asked.append((within, attempts))
        return self._say(self.online)

    def _say(self, answer):
        if isinstance(answer, KfError):
            raise answer
        return answer


async def status():
    return Status("1.0.0")


async def untold(account):
    return ""


def answers(wechat, clock=None, story=untold, **other):
    clock = clock or VirtualClock()
    elapsed = other.pop("elapsed", lambda: clock().timestamp())
    return Answers(wechat, now=clock, leads=LEADS, status=status, story=story, elapsed=elapsed, **other)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("", "5 of 43 accounts need attention"),
        ("list 2", "Accounts 11–20 of 43"),
        ("waiting", "Waiting 1–7 of 7"),
        ("find chen", "2 accounts match “chen”"),
        ("show chen", "⛔ Chen · rejected"),
        ("show harbour", "43 accounts match “harbour” · 1–10"),
        ("status", "✅ Working normally"),
        ("help", "What /kf can do"),
        ("show nobody-here", "*No account matches “nobody-here”.*"),
        ("rejcted", "*“rejcted” is not a /kf command.*"),
    ],
)
async def test_every_command_has_its_answer(typed, title):
    accounts = [each for each in FORTY_THREE if each.kf_nick != "Iris"] + [account("iris", kf_wx="x")]
    message = await answers(WeChat(*accounts)).answer(parse(typed))
    assert shown(message)[0].split("\n")[0] == title


@pytest.mark.parametrize(
    ("typed", "button", "leads_to"),
    [
        ("lst bound", "kf.list", List(1, Seen.BOUND)),
        ("fnd chen", "kf.list", Find("chen")),
        ("shwo chen", "kf.show", Show("chen")),
        ("statsu", "kf.refresh", grammar.Status()),
        ("hlep", "kf.help", Help()),
    ],
)
async def test_the_suggestion_runs_what_it_says(typed, button, leads_to):
    message = await answers(WeChat()).answer(parse(typed))
    assert parse_value(actions(message)[button]["value"]) == leads_to


async def test_who_asks_again_within_five_seconds_gets_the_same_read_and_its_time_to_the_second():
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


async def test_commands_that_come_during_a_read_share_it():
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


async def test_a_failure_is_for_those_who_waited_for_it_alone():
    wechat = WeChat(*FORTY)
    good, wechat.listing = wechat.listing, ResponseError("no kf_list")
    kf = answers(wechat)
    assert "5 of 40" not in (await kf.answer(Overview())).text
    wechat.listing = good
    assert (await kf.answer(Overview())).text.startswith("5 of 40")


@pytest.mark.parametrize("request_", [Overview(), List(2, Seen.IDLE), Find("a:b", 3), Show("chen@harbour_tea")])
async def test_a_failed_read_says_so_and_can_be_tried_again(request_):
    wechat = WeChat()
    wechat.listing = TransportError("ReadTimeout", attempts=3, timed_out=True)
    message = await answers(wechat).answer(request_)
    assert message.text.startswith("WeChat did not answer within 10 s.")
    assert parse_value(actions(message)["kf.retry"]["value"]) == request_


async def test_the_last_good_read_is_remembered_for_the_next_failure():
    wechat, clock, good = WeChat(*FORTY), VirtualClock(), []
    kf = answers(wechat, clock, on_good_read=lambda: good.append(clock()))
    await kf.answer(Overview())
    clock.forward(minutes=20)
    wechat.listing = ResponseError("no kf_list")
    message = await kf.answer(List())
    assert "Last good read <!date^1795396320^{time}|01:12 UTC>: 5 of 40 accounts needed attention." in shown(
        message
    )
    assert good == [NOW]


async def test_show_says_who_is_online_and_asks_for_it_briefly():
    wechat = WeChat(ANNA, online=[OnlineKf("anna@harbour_tea", "2001", 1, 3)])
    message = await answers(wechat).answer(Show("anna"))
    assert "Online now: yes, 3 conversations." in message.text
    assert wechat.asked == [(2, 1)]


async def test_show_does_without_who_is_online():
    message = await answers(WeChat(ANNA, online=TransportError("ReadTimeout"))).answer(Show("anna"))
    assert message.text.startswith("Bound: Anna")
    assert "Online now" not in message.text


async def test_show_reads_both_lists_at_once_and_leaves_nothing_behind():
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


async def test_an_odd_account_is_found_again_by_its_button():
    odd = account("odd", kf_account="odd\n" * 100, kf_nick="Odd")
    kf = answers(WeChat(odd, ANNA))
    listed = await kf.answer(List())
    (option,) = [each for each in actions(listed)["kf.open"]["options"] if each["text"]["text"] == "Odd"]
    assert (await kf.answer(parse_value(option["value"]))).text.startswith("Idle: Odd (odd odd")


MARKUP = ["<!channel> ", "*_~`", "&", ":tada:", "&\u0301\u0301\u0301"]
ODD = ["👩‍👩‍👧‍👦", "客", "e\u0301", "\u202e", "\ud800", "\n"]
NAMES = st.lists(st.sampled_from([*MARKUP, *ODD]), min_size=1, max_size=3).map(
    lambda parts: ("".join(parts) * 5000)[:5000]
)


@settings(max_examples=4)
@given(nick=NAMES, key=NAMES, wx=NAMES, state=st.sampled_from(["waiting", "rejected", "&" * 5000]))
def test_a_hundred_hostile_accounts_stay_within_every_limit(nick, key, wx, state):
    fields = {"kf_nick": nick, "kf_headimgurl": nick, "wx": wx, "status": state}
    accounts = [invited(kf_account=f"{number}{key}", expires_in=HOUR * number, **fields) for number in range(100)]
    lists = [Overview(), *(List(page) for page in range(1, 11)), List(1, Seen.BOUND)]
    words = [Find(nick[:200]), Find(key[:200], 2), Show(nick[:200]), Show("7" + key[:150])]
    kf = answers(WeChat(*accounts))
    for request in [*lists, *words]:
        message = asyncio.run(kf.answer(request))
        content = {"text": message.text, "blocks": message.blocks}
        assert blockkit.problems(content) == []
        assert blockkit.mentions(content) == []
        assert len(json.dumps(message.blocks, ensure_ascii=False, separators=(",", ":"))) <= MAX_MESSAGE
