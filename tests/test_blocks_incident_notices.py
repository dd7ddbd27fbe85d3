"""Notices about the bot itself: the text for each cause, and the resolved notice."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.blocks.channel.incident_notices import incident_title, past_incident_title
from bot.blocks.channel.notifications import render
from bot.blocks.context import RenderContext
from bot.language import Language
from bot.outbox.messages import MessageKind
from bot.ports import Message
from tests.episodes import CONTEXT, HOSTILE, assert_fit, buttons, drawn, fields_of, loud, shown
from tests.for_each import for_each
from tests.samples import dated
from wechat_kf import ResponseError, TransportError
from wechat_kf.advice import ADVICE
from wechat_kf.errors import api_error

SINCE = datetime(2026, 11, 23, 1, 2, tzinfo=UTC)
SINCE_TOKEN = "<!date^1795395720^{date_short_pretty} {time}|Mon 23 Nov 01:02 UTC>"
RID = "6740a1b2-11223344-55667788"
MINUTE = timedelta(minutes=1)
KEYS = "restart. It is on WeChat’s developer platform (the account, basic information, development keys)."
WATCHED = "rejections and bindings go unseen; deadlines are still watched by the clock."
# It does not mention reminders: acknowledged, in quiet hours, or while Slack refuses, none is sent.
MAY_BE_OLD = "States may be old. Deadlines are still watched by the clock."

SILENCE = ErrorDetails.of(TransportError("GET /getkflist: ReadTimeout", attempts=3, timed_out=True))
BROKEN = ErrorDetails.of(ResponseError("unexpected kf_list"))
ADDRESS = ErrorDetails.of(api_error(40164, "invalid ip", rid=RID, address="203.0.113.7"))
QUOTA = ErrorDetails.of(api_error(45009, "reach max api daily quota limit", rid=RID))
SKEW = ErrorDetails("ClockSkew", detail="4 min")
ABOUT_WECHAT = [cause for cause in Cause if cause not in (Cause.CLOCK_PROBLEM, Cause.PLATFORM_PROBLEM)]


def notice(
    fault: ErrorDetails,
    cause: Cause = Cause.SOURCE_DOWN,
    *,
    over_at: datetime | None = None,
    context: RenderContext = CONTEXT,
) -> Message:
    incident = Incident(f"{cause}-1", cause, SINCE, fault, over_at)
    return render(MessageKind.INCIDENT, {}, [], incident, context)


def test_notice_of_a_refused_address_matches_its_design():
    expected = drawn("health-config")
    # The next step has the text of the answers, which have one more sentence.
    step = expected["blocks"][1]["text"]
    step["text"] = step["text"].replace("account.\n", "account. It takes some minutes to work.\n")
    expected["text"] = expected["text"].replace("console. ", "console; it takes some minutes. ")
    assert fields_of(notice(ADDRESS, Cause.CONFIG_PROBLEM)) == expected


def test_notice_of_a_refused_secret_names_the_setting_to_change():
    message = notice(ErrorDetails.of(api_error(40125, "invalid appsecret")), Cause.CONFIG_PROBLEM)
    assert shown(message) == [
        "⚠️ WeChat refused the AppSecret",
        f"Until this is mended, {WATCHED}\n*Next:* put the present AppSecret into WECHAT_SECRET and {KEYS}",
        f"{dated('Since ', SINCE_TOKEN)} · looks again every 5 min · errcode 40125",
    ]


def test_notice_of_a_silent_wechat_asks_to_wait():
    message = notice(SILENCE)
    assert shown(message) == [
        "⚠️ WeChat does not answer",
        (
            f"{MAY_BE_OLD}\n"
            "*Next:* nothing yet. If it lasts more than an hour, look at this server’s network or proxy."
        ),
        f"{dated('Since ', SINCE_TOKEN)} · looks again every 15 min · no errcode · {SILENCE.detail}",
    ]
    assert buttons(message) == {"health.check": "v1:source_down"}
    assert message.text == (
        "WeChat does not answer, so states may be old. "
        "If it lasts more than an hour, look at this server's network or proxy. "
        f"no errcode, {SILENCE.detail}."
    )


@pytest.mark.parametrize("language", Language)
def test_notice_of_an_outage_of_all_accounts_has_their_number_and_the_time_between_probes(language):
    context = replace(CONTEXT, handle="harbour", language=language)
    incident = Incident("source_down-all-1", Cause.SOURCE_DOWN, SINCE, SILENCE)
    message = render(MessageKind.INCIDENT, {"accounts": 200}, [], incident, context)
    lines = shown(message)
    concerned, again = {
        Language.ENGLISH: ("It concerns 200 Official Accounts, which have no notices", "looks again every 15 s"),
        Language.CHINESE: ("200 个公众号都读取不到，不再逐个通知。", "每 15 秒再查看一次"),
    }[language]
    assert concerned in lines[1]
    assert again in lines[2]
    assert message.names_accounts
    assert_fit(message)


@pytest.mark.parametrize("over", [True, False])
def test_reply_about_all_accounts_is_not_in_the_name_of_one(over):
    facts = {"cause": Cause.SOURCE_DOWN, "fault": asdict(SILENCE), "over": over, "seconds": 60}
    assert not render(MessageKind.INCIDENT_REPLY, facts, [], None, CONTEXT).names_accounts
    assert render(MessageKind.INCIDENT_REPLY, facts | {"accounts": 3}, [], None, CONTEXT).names_accounts


def test_unreadable_answer_is_not_called_silence():
    message = notice(BROKEN)
    assert shown(message)[0] == "⚠️ WeChat’s answer could not be read"
    assert shown(message)[1] == (
        f"{MAY_BE_OLD}\n*Next:* try again; if it stays, check WECHAT_API_URL and the proxy."
    )
    assert shown(message)[2].endswith(" · no errcode · no account list")


def test_unknown_errcode_is_quoted():
    message = notice(ErrorDetails.of(api_error(99999, "api <something>", rid=RID)))
    assert shown(message)[0] == "⚠️ WeChat answered with an unknown error"
    assert shown(message)[1].startswith(f"WeChat says: “api ＜something＞”. {MAY_BE_OLD}\n*Next:* ")
    assert shown(message)[2].endswith(f"errcode 99999 · rid {RID}")


def test_spent_quota_waits_for_midnight_in_shanghai():
    message = notice(QUOTA, Cause.QUOTA)
    assert shown(message) == [
        "⚠️ Today’s WeChat quota is spent",
        (
            f"Until it is renewed, at midnight in Shanghai, {WATCHED}\n*Next:* wait until tomorrow. "
            "If it returns, raise POLL_SECONDS or find the other system that calls WeChat."
        ),
        f"{dated('Since ', SINCE_TOKEN)} · looks again after midnight in Shanghai · errcode 45009 · rid {RID}",
    ]
    assert buttons(message) == {"health.check": "v1:quota"}


@pytest.mark.parametrize(
    ("poll", "cause", "every"),
    [
        (5 * MINUTE, Cause.CONFIG_PROBLEM, "5 min"),
        (MINUTE / 60, Cause.CONFIG_PROBLEM, "1 min"),
        (MINUTE, Cause.SOURCE_DOWN, "10 min"),
        (5 * MINUTE, Cause.SOURCE_DOWN, "15 min"),
        (60 * MINUTE, Cause.SOURCE_DOWN, "1 h"),
    ],
)
def test_notice_has_the_poll_interval(poll, cause, every):
    message = notice(ADDRESS, cause, context=replace(CONTEXT, poll=poll))
    assert f" · looks again every {every} · " in shown(message)[2]


# A notice cannot know whether the changes since then were posted: they may still be pending.
@pytest.mark.parametrize("cause", ABOUT_WECHAT)
def test_resolved_notice_is_calm_and_has_the_duration(cause):
    message = notice(ADDRESS, cause, over_at=SINCE + 39 * MINUTE)
    assert not loud(message)
    assert buttons(message) == {}
    assert shown(message) == [
        "✅ *WeChat answers again*\nOut for 39 min.",
        f"WeChat refused this server’s address · {dated('since ', SINCE_TOKEN)} · errcode 40164 · rid {RID}",
    ]
    assert message.text == "WeChat answers again. Out for 39 min."


def test_notice_of_a_wrong_clock_explains_the_effect():
    message = notice(SKEW, Cause.CLOCK_PROBLEM)
    assert shown(message) == [
        "⚠️ This server’s clock is wrong",
        (
            "It differs from WeChat’s by 4 min, so reminders come too early or too late.\n"
            "*Next:* set the clock (NTP)."
        ),
        f"{dated('Since ', SINCE_TOKEN)}",
    ]
    assert buttons(message) == {"health.check": "v1:clock_problem"}
    assert message.text == (
        "This server's clock is wrong, so reminders come too early or too late. Set the clock (NTP). off by 4 min."
    )


def test_notice_of_a_corrected_clock_has_no_duration():
    message = notice(SKEW, Cause.CLOCK_PROBLEM, over_at=SINCE - 39 * MINUTE)
    assert not loud(message)
    assert buttons(message) == {}
    assert shown(message) == [
        "✅ *This server’s clock is right again*\nIt agrees with WeChat’s.",
        "The clock was wrong · off by 4 min",
    ]
    assert message.text == "This server's clock is right again. It agrees with WeChat's."


def test_notice_of_a_wrong_clock_without_details_is_complete():
    message = notice(ErrorDetails("ClockSkew"), Cause.CLOCK_PROBLEM)
    assert shown(message)[1].startswith("It differs from WeChat’s, so reminders come")
    assert message.text.endswith(" Set the clock (NTP).")


@pytest.mark.parametrize(
    ("fault", "cause", "over", "line", "text"),
    [
        (
            SILENCE,
            Cause.SOURCE_DOWN,
            True,
            "✅ WeChat answers again, after 39 min.",
            "WeChat answers again, after 39 min.",
        ),
        (
            SKEW,
            Cause.CLOCK_PROBLEM,
            True,
            "✅ The clock is right again.",
            "The clock is right again.",
        ),
        (
            ADDRESS,
            Cause.CONFIG_PROBLEM,
            False,
            f"⚠️ WeChat refused this server’s address · errcode 40164 · rid {RID}",
            (
                "WeChat refused this server's address, 203.0.113.7. Add it to the API IP allow-list of this "
                f"account on WeChat's developer platform; it takes some minutes. errcode 40164, rid {RID}."
            ),
        ),
        (
            SKEW,
            Cause.CLOCK_PROBLEM,
            False,
            "⚠️ This server’s clock is wrong · off by 4 min",
            "This server's clock is wrong. Set the clock (NTP). off by 4 min.",
        ),
    ],
)
def test_thread_of_a_notice_records_each_change(fault, cause, over, line, text):
    facts = json.loads(json.dumps({"fault": asdict(fault), "cause": cause, "over": over, "seconds": 39 * 60}))
    message = render(MessageKind.INCIDENT_REPLY, facts, [], None, CONTEXT, posting=True)
    assert (shown(message), message.text) == ([line], text)


def test_problem_has_the_title_of_its_notice():
    incident = Incident("source_down-1", Cause.SOURCE_DOWN, SINCE, BROKEN)
    assert incident_title(incident, CONTEXT) == "WeChat’s answer could not be read"
    assert incident_title(replace(incident, cause=Cause.CLOCK_PROBLEM), CONTEXT) == "This server’s clock is wrong"


@pytest.mark.parametrize(
    ("fault", "past"),
    [
        (SILENCE, "WeChat did not answer"),
        (BROKEN, "WeChat’s answer could not be read"),
        (ADDRESS, "WeChat refused this server’s address"),
        (QUOTA, "The WeChat quota was spent"),
        (
            ErrorDetails.of(api_error(48001, "api unauthorized")),
            "This account was not allowed to use customer service",
        ),
    ],
)
def test_resolved_notice_is_in_the_past_tense(fault, past):
    assert past_incident_title(Incident("source_down-1", Cause.SOURCE_DOWN, SINCE, fault), CONTEXT) == past
    assert shown(notice(fault, over_at=SINCE + MINUTE))[1].startswith(f"{past} · <!date^1795395720^since ")


@for_each("errcode", [None, *ADVICE])
def test_titles_of_resolved_notices_are_in_the_past_tense(errcode):
    fault = ErrorDetails("APIError", errcode, errmsg="x")
    assert not {"is", "does", "may", "asks"} & {
        *past_incident_title(Incident("1", Cause.SOURCE_DOWN, SINCE, fault), CONTEXT).split()
    }


@for_each("hostile", HOSTILE)
@for_each("cause", Cause)
def test_notice_escapes_foreign_text(hostile, cause):
    for errcode in (None, -1, 40001, 40125, 40164, 45009, 48001, 65400, 99999):
        for kind in ("TransportError", "ResponseError", "SetupError"):
            fault = ErrorDetails(kind, errcode, errmsg=hostile, rid=hostile, address=hostile, detail=hostile)
            assert_fit(notice(fault, cause))
            assert_fit(notice(fault, cause, over_at=SINCE))


def test_notice_of_a_refused_address_puts_the_fixed_one_first_on_a_host_without():
    message = notice(ADDRESS, Cause.CONFIG_PROBLEM, context=replace(CONTEXT, hosted_by="Railway"))
    step = "*Next:* first give this server a fixed outgoing address: on Railway static outbound IPs"
    assert step in str(shown(message))
    facts = {"cause": Cause.CONFIG_PROBLEM, "fault": asdict(ADDRESS), "over": False, "seconds": 0}
    line = render(MessageKind.INCIDENT_REPLY, facts, [], None, replace(CONTEXT, hosted_by="Railway"))
    assert "first get a fixed outgoing address, on Railway" in line.text
    assert_fit(message)
