"""The problem, its reason and the next step for every failure of a poll."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.accounts import Snapshot
from bot.blocks.answers.read_failure import read_failure
from bot.blocks.problems import explain_error
from bot.blocks.slack_refusals import slack_refusal
from bot.demo import blockkit
from bot.hosting import FIXED_ADDRESS
from tests.conftest import NOW
from tests.for_each import for_each
from tests.samples import ANNA, CHEN, CONTEXT, FORTY, sample, shown
from wechat_kf import KfList, ResponseError, TransportError
from wechat_kf.advice import ADVICE
from wechat_kf.errors import api_error

RID = "6740a1b2-11223344-55667788"


def answer(error, last_good=None):
    return read_failure(explain_error(error, CONTEXT), NOW, CONTEXT, retry="v1:overview", last_good=last_good)


def read_before(ago, *accounts):
    return Snapshot.of(KfList(accounts), NOW - ago, CONTEXT.policy)


def test_refused_address_can_be_copied():
    drawn = sample("error-address")
    message = answer(
        api_error(40164, "invalid ip", rid=RID, address="203.0.113.7"),
        last_good=read_before(timedelta(minutes=20), *FORTY),
    )
    assert message.text == drawn["text"]
    assert message.blocks == drawn["blocks"]


@pytest.mark.parametrize("platform", FIXED_ADDRESS)
@pytest.mark.parametrize("address", ["203.0.113.7", ""])
def test_fixed_address_comes_first_on_hosts_that_have_none(platform, address):
    what = explain_error(
        api_error(40164, "invalid ip", rid=RID, address=address), replace(CONTEXT, hosted_by=platform)
    )
    assert what.next.startswith(f"first give this server a fixed outgoing address: on {platform} ")
    assert "is temporary, unless it is fixed already" in what.next
    assert what.copy == address
    assert f"on {platform} {FIXED_ADDRESS[platform]}" in what.plain_text(CONTEXT)
    assert explain_error(api_error(40125, "no"), replace(CONTEXT, hosted_by=platform)) == explain_error(
        api_error(40125, "no"), CONTEXT
    )


def test_answer_without_an_address_has_no_code_block():
    message = answer(api_error(40164, "invalid ip"))
    assert "add this server’s address to the API IP allow-list" in shown(message)[1]
    assert "```" not in shown(message)[1]


@for_each(
    ("errcode", "title", "step"),
    [
        (65400, "Customer service is not switched on", "enable customer service in the WeChat console"),
        (45009, "Today’s WeChat quota is spent", "raise POLL_SECONDS or find the other system"),
        (48001, "This account may not use customer service", "check verification and permissions"),
        (40125, "WeChat refused the AppSecret", "put the present AppSecret into WECHAT_SECRET and restart."),
        (40001, "WeChat refuses its own token", "wait ten minutes; if it stays, check whether another system"),
        (40014, "WeChat refuses its own token", "then the AppSecret."),
        (42001, "WeChat refuses its own token", "renews this token"),
        (-1, "WeChat is busy", "try again in a minute."),
        (45011, "WeChat asks to wait", "too many calls in a minute. Wait a minute."),
        (61450, "WeChat asks to wait", "WeChat reports a system error. Wait some seconds"),
        (40013, "WeChat refused the request", "check the AppID"),
        (50002, "WeChat refused the request", "the account is restricted"),
        (99999, "WeChat answered with an unknown error", "try again; if it stays, give errcode and rid to"),
    ],
)
def test_every_family_of_errcodes_has_its_words(errcode, title, step):
    message = answer(api_error(errcode, "api <!channel> something", rid=RID))
    assert shown(message)[0].startswith(f"⚠️ *{title}*\n")
    assert step in shown(message)[1]
    assert shown(message)[-1] == f"errcode {errcode} · rid {RID}"
    assert message.text.startswith(title.replace("’", "'") + ". ")
    assert message.text.endswith(f"errcode {errcode}, rid {RID}.")


@for_each("errcode", [*ADVICE, 12345])
def test_every_errcode_has_a_valid_message(errcode):
    message = answer(api_error(errcode, "<!here> & *so* " * 40, rid="<!here>", address="<!here>"))
    content = {"text": message.text, "blocks": message.blocks}
    assert blockkit.problems(content) == []
    assert blockkit.mentions(content) == []
    assert "`" not in message.text
    assert "*" not in message.text


def test_unknown_error_quotes_wechat():
    assert "WeChat says: “api something”." in shown(answer(api_error(99999, "api something")))[0]
    assert "WeChat does not say more." in shown(answer(api_error(99999, "")))[0]
    assert shown(answer(api_error(99999, "")))[-1] == "errcode 99999"


@pytest.mark.parametrize(
    ("error", "title", "fact"),
    [
        (
            TransportError("ReadTimeout", attempts=3, timed_out=True),
            "WeChat did not answer within 10 s",
            "no errcode · time-out after 3 attempts",
        ),
        (
            TransportError("ConnectError"),
            "WeChat did not answer within 10 s",
            "no errcode · no connection after 1 attempt",
        ),
        (TransportError("502", status=502), "WeChat’s answer could not be read", "no errcode · HTTP 502"),
        (
            TransportError("407", status=407, proxy=True),
            "The proxy on the way to WeChat failed",
            "no errcode · HTTP 407, proxy",
        ),
        (ResponseError("no kf_list"), "WeChat’s answer could not be read", "no errcode"),
    ],
)
def test_silent_and_unreadable_responses_have_their_messages(error, title, fact):
    message = answer(error)
    assert shown(message)[0].startswith(f"⚠️ *{title}*\n")
    assert shown(message)[-1] == fact
    assert fact.replace(" · ", ", ") in message.text
    assert "no accounts" not in message.text.lower()


def test_failure_can_be_tried_again_and_has_no_header():
    message = answer(TransportError("ReadTimeout"))
    assert [block["type"] for block in message.blocks] == ["section", "section", "actions", "context"]
    assert [button["text"]["text"] for button in message.blocks[2]["elements"]] == ["Try again"]
    assert message.blocks[2]["elements"][0]["value"] == "v1:overview"


@pytest.mark.parametrize(
    ("ago", "account", "moment", "finding"),
    [
        (
            timedelta(minutes=20),
            ANNA,
            "<!date^1795395120^Last good read {time}|Last good read 00:52 UTC>",
            "nothing",
        ),
        (
            timedelta(days=1),
            CHEN,
            "<!date^1795309920^Last good read {date_short_pretty} {time}|Last good read Sun 22 Nov 01:12 UTC>",
            "1 of 1 account",
        ),
    ],
)
def test_last_successful_poll_is_shown(ago, account, moment, finding):
    message = answer(ResponseError("no kf_list"), read_before(ago, account))
    assert shown(message)[2] == f"{moment}: {finding} needed attention."


COMMAND = "python -m bot accounts set rose"


@pytest.mark.parametrize(
    ("place", "secret", "channel"),
    [
        ({}, "put the present AppSecret into WECHAT_SECRET and restart.", "another SLACK_ALERT_CHANNEL and"),
        (
            {"accounts_file": "accounts.toml"},
            "put the present AppSecret where `accounts.toml` refers to it, and restart.",
            "another `channel` (`accounts.toml`) and",
        ),
        (
            {"account_command": COMMAND},
            f"enter the present AppSecret with `{COMMAND} --secret -`.",
            f"another `--channel` (`{COMMAND}`) and",
        ),
    ],
)
def test_next_step_names_the_place_where_the_account_is_defined(place, secret, channel):
    context = replace(CONTEXT, **place)
    assert explain_error(api_error(40125, "no"), context).next.startswith(secret)
    assert channel in slack_refusal("is_archived", context)[1]
