"""One account, with advice before facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.blocks.answers.account_details import account_details
from bot.demo import blockkit
from tests.accounts import account, invited
from tests.samples import ANNA, BO, CHEN, CONTEXT, DEE, EVE, HOUR, NO_DEADLINE, reading, sample, shown
from wechat_kf import OnlineKf

AVATAR = "http://mmbiz.qpic.cn/mmbiz_png/EXAMPLE3/300?wx_fmt=png"


def show(about, online=None):
    read = reading(about)
    return account_details(read, read.rows[0], online, CONTEXT)


def fields(message):
    texts = [field["text"] for block in message.blocks for field in block.get("fields", ())]
    return dict(text.split("\n") for text in texts)


def test_rejected_account():
    drawn, message = sample("show"), show(replace(CHEN, kf_headimgurl=AVATAR), online=[])
    without_timeline = [block for block in drawn["blocks"] if "expand" not in block]
    assert message.blocks == without_timeline
    assert message.text == (
        "Rejected: Chen (chen@harbour_tea). chen_example declined the invitation. "
        "Ask why, then invite again in the WeChat console. "
        "Seat 2003. Not bound. Online now: no. Read from WeChat 01:12 UTC."
    )


@pytest.mark.parametrize(
    ("about", "sentence", "advice"),
    [
        (BO, "bo_example has not answered yet.", "ask them to accept the invitation in WeChat."),
        (NO_DEADLINE, "kf08_example has not answered yet.", "ask them to accept the invitation in WeChat."),
        (
            DEE,
            "dee_example did not answer in time.",
            "ask whether they still want to, then invite again in the WeChat console.",
        ),
        (EVE, "Nobody is bound or invited.", "invite someone in the WeChat console."),
        (
            invited(status="<pondering>", wx=""),
            "WeChat says “＜pondering＞”, a word unknown here.",
            "look in the WeChat console.",
        ),
        (
            invited(status="rejected", wx=""),
            "The person declined the invitation.",
            "ask why, then invite again in the WeChat console.",
        ),
    ],
)
def test_details_have_the_state_and_the_next_step(about, sentence, advice):
    message = show(about)
    assert shown(message)[1] == f"{sentence}\n*Next:* {advice}"
    assert f"{sentence} {advice[0].upper()}{advice[1:]}" in message.text


def test_bound_account_has_no_next_step():
    message = show(ANNA)
    assert shown(message)[1] == "anna_example answers customers here."
    assert fields(message) == {
        "*Account*": "anna@harbour_tea",
        "*Seat number*": "2001",
        "*Bound to*": "anna_example",
    }
    assert message.text == (
        "Bound: Anna (anna@harbour_tea). anna_example answers customers here. Seat 2001. "
        "Read from WeChat 01:12 UTC."
    )


def test_unknown_details_are_left_out():
    bare = account(kf_account="", kf_openid="oEXAMPLE_6", kf_id="", kf_nick="")
    assert fields(show(bare)) == {
        "*Account*": "oEXAMPLE_6",
        "*Invited*": "nobody",
        "*Bound to*": "nobody",
    }
    assert show(bare).text.startswith("Idle: (no name) (oEXAMPLE_6).")
    assert fields(show(NO_DEADLINE))["*Deadline*"] == "none"
    assert fields(show(account(kf_openid="oEXAMPLE_1")))["*OpenID*"] == "oEXAMPLE_1"


def test_deadline_of_an_open_invitation_is_in_the_future_tense():
    assert "The deadline is Mon 23 Nov 01:53 UTC." in show(BO).text


@pytest.mark.parametrize(
    ("online", "expected"),
    [
        ([], "no"),
        ([OnlineKf("chen@harbour_tea", "2003", 1, 3)], "no"),
        ([OnlineKf("anna@harbour_tea", "2001", 1, 3)], "yes, 3 conversations"),
        ([OnlineKf("anna@harbour_tea", "2001", 2, 1)], "yes, 1 conversation"),
        ([OnlineKf("anna@harbour_tea", "2001", 1, 0)], "yes"),
        ([OnlineKf("anna@harbour_tea", "2001")], "yes"),
        ([OnlineKf("anna@harbour_tea", "2001", 0)], "no"),
        ([OnlineKf("anna@harbour_tea", "2001", 7)], "yes, status 7"),
    ],
)
def test_details_have_the_online_state(online, expected):
    message = show(ANNA, online)
    assert fields(message)["*Online now*"] == expected
    assert f"Online now: {expected}." in message.text


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://a.example/x?a=1&b=2", "https://a.example/x?a=1&amp;b=2"),
        ("", None),
        ("javascript:alert(1)", None),
        ("http://a.example/|<!channel>", None),
        ("http://a.example/ b", None),
        ("http://a.example/\u202e", None),
        ("http://a.example/" + "x" * 1000, None),
        ("http://a.example/" + "&" * 800, None),
    ],
)
def test_avatar_is_a_link_when_it_is_a_safe_one(url, link):
    message = show(replace(ANNA, kf_headimgurl=url))
    avatar = f" · <{link}|avatar>" if link else ""
    assert fields(message)["*Account*"] == f"anna@harbour_tea{avatar}"
    assert blockkit.problems({"text": message.text, "blocks": message.blocks}) == []


def test_odd_key_still_fits_a_button():
    odd = invited(kf_account="odd\n" * 100, expires_in=HOUR)
    refresh = show(odd).blocks[-2]["elements"][0]
    assert refresh["value"].startswith("v1:show:~")
