"""Every message in Chinese: no English is left, Slack accepts it, and it reads as it was designed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from bot.accounts import AccountRow
from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import AccountStatus, Episode, EpisodeState
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.alerting.platform_faults import NO_TICKET, RIVAL
from bot.blocks import times
from bot.blocks.answers import administration_replies, operation_refusals, replies
from bot.blocks.answers.account_details import account_details, last_known_details
from bot.blocks.answers.diagnosis import explain
from bot.blocks.answers.fleet_accounts import accounts_page
from bot.blocks.answers.guide import guide
from bot.blocks.answers.history_answer import WHY_BY_CODE, history
from bot.blocks.answers.lists import account_list, no_match, search_results
from bot.blocks.answers.overview import overview
from bot.blocks.answers.read_failure import read_failure
from bot.blocks.answers.status_answer import status_answer
from bot.blocks.answers.timeline import timeline
from bot.blocks.channel.notifications import render
from bot.blocks.context import RenderContext
from bot.blocks.problems import explain_error
from bot.blocks.times import date
from bot.demo import blockkit
from bot.fleet_overview import TenantName, TenantOverview
from bot.health.facts import Problem, ProblemKind
from bot.language import Language
from bot.operations.account_history import AccountHistoryPage, EpisodeNote, NoteKind
from bot.operations.operation import Availability, EndReason, OperationKind, OperationState, Outcome
from bot.outbox.messages import MessageKind
from bot.ports import Message
from bot.slack.error_codes import CODES
from bot.tenant_requests import AccountsOverview
from bot.tenant_states import AUTHORISATION, NotPolledError
from tests.conftest import NOW
from tests.episodes import episode, leads, problem, user_action
from tests.for_each import for_each
from tests.modals import every_modal
from tests.operations import operation
from tests.samples import CHEN, CONTEXT, DAY, FORTY, FORTY_THREE, HOUR, reading, undated
from tests.test_blocks_quiet_summary import BEGINS, ENDS, QUIET
from tests.test_health_table import FAULTS
from tests.test_locale import HALF_WIDTH
from tests.test_report import LIN, WELL
from wechat_kf import OnlineKf, ResponseError, TransportError
from wechat_kf.advice import ADVICE
from wechat_kf.errors import api_error

CHINESE = replace(CONTEXT, language=Language.CHINESE, mention="<!subteam^S0CARE>")
ON_HEROKU = replace(CHINESE, hosted_by="Heroku")
IN_QUIET_HOURS = replace(CHINESE, policy=replace(CHINESE.policy, quiet=QUIET))
BEFORE_QUIET = {"before_quiet": (NOW + 10 * HOUR).timestamp()}
MEI = user_action("美")
SNOOZED = replace(MEI, until=NOW + 4 * HOUR)

# What stays as it is: commands, code, settings, IDs and accounts, the own words of WeChat, Slack and the log.
KEPT = re.compile(
    r"/kf( accounts (add|link|pause|resume)"
    r"| (list|find|show|invite|add|rename|delete|history|status|help|attention|chen\S*|dee"
    r"|(rejected|expired|expiring|waiting|idle|bound)[、]?)+)*"
    r"|/invite @wechat-kf|```[^`]*```|`[^`]*`|<[!@#][^>]*>|\S*@\S+|\w*•••\w*|[A-Z0-9]+_[A-Z0-9_]+|C0\w+"
    r"|日志中的 \*?row failed\*? 一行|(web|worker) 进程|启动 python -m bot (web|worker)|python -m bot doctor"
    r"|改由 worker|/slack/\w+|docs/platform\.md"
    r"|(hooks\.)?slack(-status)?\.com|errcode|rid( \S+)?|AppSecret|AppID|API IP|access_token|stable_token"
    r"|refresh_token"
    r"|OpenID|HTTP|NTP|UTF8?|UTC|JPG|JSON|https?\S+|KF|Slack|PostgreSQL|SQLite|bot token|token|manifest|xoxb-…"
    r"|Request URL|Interactivity|Socket Mode|Signing Secret|Basic Information|Heroku|Fly|Railway|Render|Fixie"
    r"|QuotaGuard Static|fly ips allocate-egress|grant_type|ticket|quota/get|返回 success|的 media|kf_\w+"
    r"|IP (列表|白名单|地址)|出口 IP|频道的 ID|\w+_(example|\d+)|ALERTS(=on|=off| 已关闭)|WECHAT_\w+"
    r"|invalid ip [0-9.]+"
    # the words of states in the help, each before its Chinese
    r"|(expiring|rejected|expired|waiting|idle|bound) (?=[已等未即])"
)
NAMES = "Chen|Dee|Eve|Anna|Jia|Fan|Iris|Momo|Bo|Gao|Hu|Wen\\d|Lin|Night 1"
IDS = "(?<!@)harbour_tea|eve|wf|lin_xiao88|momo_cs|shifu_chen|star_wx|someone_wx|wx_night_01"
FOREIGN = re.compile(
    rf"“[^”]*”|＜!channel＞ ＊sale＊|\b({NAMES}|{IDS}|\w+Error)\b|" + "|".join(sorted(CODES, key=len, reverse=True))
)


def alerts(context: RenderContext) -> Iterator[Message]:
    states = [(state, problem(state)) for state in EpisodeState]
    waiting = [(EpisodeState.WAITING, leads(*hours)) for hours in ((24,), (24, 6), (24, 6, 1))]
    for (state, events), action, extra, payload, posting in product(
        [*states, *waiting],
        ({}, {"acked": MEI}, {"snoozed": SNOOZED}),
        ({}, {"invite_wx": "", "expires_at": None}, {"replaced_at": NOW - HOUR, "confirmed_at": NOW - HOUR}),
        ({}, BEFORE_QUIET, {"repeat": True}),
        (True, False),
    ):
        about = episode(state, **{"kf_nick": "小波", "events": events, **action, **extra})
        yield render(MessageKind.ALERT, payload, [about], None, context, posting=posting)
    for successor in ("", "bo_example", "lin_example"):
        about = episode(EpisodeState.REPLACED, kf_nick="小波", successor_wx=successor)
        yield render(MessageKind.ALERT, {}, [about], None, context)
        yield render(MessageKind.REPLY, {"state": "replaced"}, [about], None, context)
        about = replace(about, successor_expires_at=NOW + DAY)
        yield render(MessageKind.ALERT, {}, [about], None, context)


def thread_replies(context: RenderContext) -> Iterator[Message]:
    for state, call in product(EpisodeState, (True, False)):
        for about in (episode(state, kf_nick="小波"), episode(state, kf_nick="", invite_wx="", expires_at=None)):
            facts = {"state": state.value, "call": call, **BEFORE_QUIET}
            yield render(MessageKind.REPLY, facts, [about], None, context, posting=True)
    for hours, call, kind in product((72, 6, 1), (True, False), ("expiring", "rejected", "expired")):
        facts = {"kind": kind, "lead": hours * 3600, "call": call}
        yield render(MessageKind.REPLY, facts, [episode(kf_nick="小波")], None, context, posting=True)
    for deed, number, until, found in product(ActionKind, (1, 7), (None, SNOOZED.until.timestamp()), (1, 0)):
        facts = {"deed": deed.value, "name": "美", "count": number, "until": until}
        yield render(MessageKind.REPLY, facts, [episode(kf_nick="小波")] * found, None, context)


def crowd(number: int) -> list[Episode]:
    states = [*EpisodeState][: 3 + number % 5]
    return [
        episode(
            states[index % len(states)], f"n{index}", id=f"n{index}", kf_nick=f"号{index}", state_since=NOW - HOUR
        )
        for index in range(number)
    ]


def summaries(context: RenderContext) -> Iterator[Message]:
    rejected = [episode(EpisodeState.REJECTED, f"r{one}", id=f"r{one}", kf_nick=f"号{one}") for one in range(58)]
    taken = [replace(one, acked=replace(MEI, batch="m1")) for one in rejected[:12]]
    over = [replace(one, state=EpisodeState.BOUND) for one in rejected]
    urgent = [episode(name="u", id="u", kf_nick="小波", events=leads(24, 6, 1)), *crowd(11)]
    payload = {"noticed": NOW.timestamp(), "total": 40, "counts": {"rejected": 3, "idle": 2, "bound": 35}}
    payload |= {"begins": BEGINS.timestamp(), "ends": ENDS.timestamp(), "held": {"n0": ["expiring", "rejected"]}}
    kinds = (MessageKind.DIGEST, MessageKind.FIRST_RUN, MessageKind.QUIET_SUMMARY, MessageKind.MEMBER_LIST)
    for kind, members in product(kinds, (rejected, rejected[:2], taken, over, urgent, crowd(7), rejected + over)):
        for shown_in in (context, replace(context, policy=IN_QUIET_HOURS.policy)):
            yield render(kind, payload, members, None, shown_in, message_id="m1", posting=True)


def notices(context: RenderContext) -> Iterator[Message]:
    faults = [ErrorDetails.of(api_error(code, "invalid ip 203.0.113.7 rid: x")) for code in (*ADVICE, 99999)]
    faults += [
        ErrorDetails("TransportError", detail=detail)
        for detail in ("", "HTTP 502", "time-out after 3 attempts", "no connection after 1 attempt", "4 min")
    ]
    faults += [ErrorDetails("TransportError", detail="proxy after 2 attempts"), ErrorDetails.of(ResponseError())]
    for fault, cause, over in product(faults, Cause, (None, NOW + HOUR)):
        if (cause is Cause.CLOCK_PROBLEM) != (fault.detail == "4 min"):
            continue
        yield render(MessageKind.INCIDENT, {}, [], Incident("1", cause, NOW, fault, over), context)
        facts = {"cause": cause.value, "over": bool(over), "seconds": 3600, "fault": vars_of(fault)}
        yield render(MessageKind.INCIDENT_REPLY, facts, [], None, context)
    for kind, over in product((NO_TICKET, RIVAL), (None, NOW + HOUR)):
        of_platform = Incident("1", Cause.PLATFORM_PROBLEM, NOW, ErrorDetails(kind), over)
        yield render(MessageKind.INCIDENT, {"accounts": 2}, [], of_platform, context)
    yield render(MessageKind.ALERT, {}, [], None, context)


def vars_of(fault: ErrorDetails) -> dict[str, object]:
    return {name: getattr(fault, name) for name in ErrorDetails.__slots__}


def lists(context: RenderContext) -> Iterator[Message]:
    owners = [
        replace(row, owner=owner)
        for row, owner in zip(reading(*FORTY_THREE).rows, [MEI, SNOOZED] * 30, strict=False)
    ]
    read = reading(*FORTY_THREE)
    for snapshot in (read, reading(*FORTY), reading(), reading(unreadable=2), replace(read, rows=tuple(owners))):
        yield overview(snapshot, context)
        for states, page in product(((), *((one,) for one in AccountStatus), ("rejected", "expired")), (1, 2)):
            yield account_list(snapshot, tuple(map(AccountStatus, states)), page, context)
        yield no_match(snapshot, "波波", context, replies.Suggestion("find 波波", "kf.list", "v1:x"))
        if snapshot.rows:
            yield search_results(snapshot, snapshot.rows, "号", 2, context)
    yield overview(reading(*FORTY[:20]), context)
    broken = replace(read, rows=tuple(AccountRow.placeholder(row.account, ValueError("x")) for row in read.rows))
    yield overview(broken, context)
    yield account_details(broken, broken.rows[0], None, context, "")
    for row, online in product(read.rows, (None, [], [OnlineKf("bo@harbour_tea", 1, "2001", 7)])):
        yield account_details(read, row, online, context, "")
    for state in EpisodeState:
        about = episode(state, kf_nick="小波", acked=MEI, snoozed=SNOOZED, events=leads(24, 6))
        why = explain_error(TransportError("x", attempts=3, timed_out=True), context)
        yield last_known_details(about, "C0ALERTS", why, context)
        yield last_known_details(about, "", None, context)
        yield Message(timeline(about, "C0ALERTS", context), [])


def failures(context: RenderContext) -> Iterator[Message]:
    errors = [api_error(code, "invalid ip 203.0.113.7", rid="a-b") for code in (*ADVICE, 99999)]
    errors += [TransportError("x", attempts=2, timed_out=True), TransportError("x", attempts=1), ResponseError()]
    errors += [TransportError("x", status=502, attempts=1), TransportError("x", attempts=1, proxy=True)]
    for error, last_good in product(errors, (None, reading(*FORTY), reading(*FORTY[:20]))):
        yield read_failure(explain_error(error, context), NOW, context, retry="v1:overview", last_good=last_good)


def answers(context: RenderContext) -> Iterator[Message]:
    simple = (replies.out_of_date, replies.restarting, replies.reading, replies.failed, replies.database_away)
    yield administration_replies.owner_link("https://kf.example.com/wechat/platform/start?s=abc", context)
    yield administration_replies.no_platform(context)
    for state in AUTHORISATION:
        failed = explain_error(NotPolledError(state), context)
        yield read_failure(failed, NOW, context, retry="v1:overview", last_good=None)
    refusals = (replies.admission_not_checked, replies.not_a_member, replies.membership_not_checked)
    for answer in (*simple, *refusals, guide):
        yield answer(context)
    for topic in ("find", "show", "rename", "delete"):
        yield guide(context, topic)
    yield guide(context, operations=True)
    yield replies.corrected("rejected", replies.out_of_date(context), context)
    yield replies.not_admitted(["S0CARE", *(f"U{number:04}" for number in range(9))], context)
    for kind, acted in product(ActionKind, ({"acked": MEI}, {"snoozed": SNOOZED}, {})):
        yield replies.carried_out(kind, [episode(**acted)], context)
        for action_id, user in product(("alert.ack", "alert.snooze", "alert.undo"), ("U0美", "U0TOM", "")):
            yield replies.unchanged(action_id, [episode(**acted)], user, context)
    yield replies.unchanged("alert.ack", [episode(EpisodeState.BOUND)], "", context)
    yield operation_refusals.not_an_operator(["S0CARE", "U0LIN"], context)
    for availability in Availability:
        yield operation_refusals.operations_off(availability, context)
    for typed in (True, False):
        yield operation_refusals.too_late_to_open(context, typed=typed)
    yield operation_refusals.only_in_console(context)
    yield operation_refusals.operators_not_checked(context)


def reports(context: RenderContext) -> Iterator[Message]:
    yield status_answer(WELL, NOW, context)
    for state in AUTHORISATION:
        yield status_answer(replace(WELL, state=state), NOW, context)
        about = [TenantOverview(TenantName("wx", "harbour_tea", "微光"), state=state)]
        yield accounts_page(about, AccountsOverview(tenant_state=state), NOW, context)
    for fault in FAULTS:
        facts = replace(fault.known, failed_rows=("bo@harbour_tea",), refused=1, unconfirmed=2, failed=1)
        for shown in (fault.known, replace(facts, pending=3, oldest_pending=NOW - HOUR)):
            status = replace(WELL, facts=shown, snoozed=(LIN,) * 5, quiet=QUIET, quiet_until=NOW + HOUR)
            yield status_answer(status, NOW, context)
            yield status_answer(replace(status, channel="", token_expires_at=NOW, snoozed=()), NOW, context)
    for error in (*CODES, "restricted_action_x"):
        found = explain(Problem(ProblemKind.SLACK_BLOCKED, error=error, count=1), context, "C0CARE")
        yield Message(f"{found.title} {found.why} {found.next}", [])


def histories(context: RenderContext) -> Iterator[Message]:
    ends = [(state, Outcome(EndReason.NOT_CONFIRMED, expires_at=NOW + DAY)) for state in OperationState]
    ends += [(state, Outcome(EndReason.NO_CHANGE, 0)) for state in OperationState]
    ends += [(OperationState.REFUSED, Outcome(reason)) for reason in EndReason]
    ends += [(OperationState.REFUSED, Outcome(EndReason.ERRCODE, code)) for code in (*WHY_BY_CODE, 45009)]
    notes = [EpisodeNote(kind, NOW, episode(acked=MEI), state) for kind, state in product(NoteKind, EpisodeState)]
    done = [
        operation(kind, by="琳", nickname="晚班", state=state, outcome=outcome, status=status)
        for kind, (state, outcome), status in product(OperationKind, ends, ("idle", "rejected"))
    ]
    for first, key in product(range(0, len(done), 10), (CHEN.key, "")):
        page = AccountHistoryPage(tuple(done[first : first + 10]), 2, True, key, "小波")
        yield history(page, context, account=CHEN if key else None)
    for first in range(0, len(notes), 10):
        yield history(AccountHistoryPage(tuple(notes[first : first + 10]), 1, True, CHEN.key, "小波"), context)
    about = episode(EpisodeState.REJECTED, "chen", kf_nick="小波", first_seen=NOW - DAY)
    yield from (Message(timeline(about, "", context, [one]), []) for one in done)
    for key, listed in ((CHEN.key, CHEN), (CHEN.key, None), ("", None)):
        yield history(AccountHistoryPage(account_key=key), context, account=listed)


KINDS = (alerts, thread_replies, summaries, notices, lists, failures, answers, reports, histories)


def texts_of(content: object) -> Iterator[str]:
    """Return every text that a reader sees or hears, at any depth of the blocks."""
    if isinstance(content, list | tuple):
        for each in content:
            yield from texts_of(each)
    elif isinstance(content, dict):
        for name, each in content.items():
            if name in ("text", "accessibility_label") and isinstance(each, str):
                yield each
            else:
                yield from texts_of(each)


def shown(message: Message) -> Iterator[str]:
    yield message.text
    yield from texts_of(message.blocks)


def assert_chinese(text: str) -> None:
    """Assert that a text has no English words, and no half-width mark beside a Chinese character."""
    plain = FOREIGN.sub("", undated(text))
    assert re.findall(r"[A-Za-z]{2,}", KEPT.sub("", plain)) == [], text
    assert not HALF_WIDTH.search(plain), text


@pytest.mark.parametrize("kind", KINDS)
def test_chinese_message_has_no_english(kind):
    for context in (CHINESE, ON_HEROKU):
        for message in kind(context):
            for text in shown(message):
                assert_chinese(text)


def test_chinese_modal_has_no_english():
    for context in (CHINESE, ON_HEROKU):
        for text in {text for view in every_modal(context) for text in texts_of(view)}:
            assert_chinese(text)


@for_each("language", Language)
@for_each("kind", KINDS)
def test_message_in_either_language_is_fit_for_slack(kind, language):
    for message in kind(replace(ON_HEROKU, language=language)):
        if message.blocks:
            assert blockkit.problems({"text": message.text, "blocks": list(message.blocks)}) == []


@pytest.mark.parametrize(
    ("language", "wrong"),
    [
        # Slack writes "Today" with a capital where the token begins with the day.
        (Language.ENGLISH, re.compile(r"[A-Za-z,] <!date\^\d+\^\{date_short_pretty")),
        (Language.CHINESE, re.compile(r"<!date\^\d+\^[^|]*(?<![{\w])[A-Za-z]")),
    ],
    ids=["en", "zh"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_words_before_a_day_are_in_its_token_in_english_only(kind, language, wrong):
    found = [
        text
        for message in kind(replace(ON_HEROKU, language=language))
        for text in shown(message)
        if wrong.search(text)
    ]
    assert found == []


def texts(message: Message) -> list[str]:
    return list(shown(message))


SIXTY = [
    episode(EpisodeState.REJECTED, f"r{one}", id=f"r{one}", kf_nick=name)
    for one, name in enumerate(["Chen", "夜班一号", "Gao", "Hu", *(f"号{one:02}" for one in range(54))])
] + [episode(EpisodeState.EXPIRED, name.lower(), id=name, kf_nick=name) for name in ("Dee", "Eve")]


def test_chinese_texts_are_those_of_the_design():
    """Ten texts with numbers, plurals and lists, as people who write Chinese have written them."""
    first, pages = texts(overview(reading(*FORTY), CHINESE)), account_list(reading(*FORTY_THREE), (), 2, CHINESE)
    digest = render(MessageKind.DIGEST, {"noticed": NOW.timestamp()}, SIXTY, None, CHINESE, message_id="m1")
    status = texts(status_answer(replace(WELL, quiet=QUIET), NOW, CHINESE))
    summary = texts(digest)
    assert first[1] == "40 个账号中有 5 个需要处理"
    assert first[0].startswith(
        "40 个客服账号中有 5 个需要处理。即将过期：小波（还剩 41 分钟，11月23日 周一 01:53（UTC））、林晓"
    )
    assert "其余：4 个等待确认、2 个未绑定、29 个已绑定。" in first[0]
    assert "其余\u2002✉️\u00a0等待确认\u00a04\u2002⚪\u00a0未绑定\u00a02\u2002✅\u00a0已绑定\u00a029" in first
    assert texts(pages)[1] == "账号：第 11–20 个，共 43 个"
    assert summary[1] == "同时有 60 个变化：58 个已拒绝、2 个已过期"
    assert summary[0].startswith("同时有 60 个邀请发生变化：58 个已拒绝、2 个已过期。已拒绝：")
    assert "⌛ *已过期*\nDee、Eve" in summary
    assert any(text.startswith("⛔ *已拒绝*\n") and text.endswith(" 等 58 个") for text in summary)
    assert {"确认知悉 60 个？", "这 60 个邀请不再提醒，之后的变化仍会显示在这里。", "全部知道了"} <= set(summary)
    assert "*提醒时间*\n截止前 24 小时、6 小时和 1 小时" in status
    assert "*免打扰时段*\n22:00 至 08:00（北京时间）" in status
    assert "*access_token*\n剩余有效期 1 小时 12 分钟" in status


def test_word_for_a_person_without_an_id_stands_without_blanks():
    about = episode(invite_wx="", kf_nick="小波", events=leads(24, 6, 1))
    alert = render(MessageKind.ALERT, {}, [about], None, CHINESE)
    assert "请提醒对方在微信中接受邀请。过期后需要重新邀请。" in texts(alert)
    assert "请提醒对方在微信中接受邀请；过期后需要重新邀请。" in alert.text


def test_time_zone_and_date_are_written_as_in_china():
    when = replace(CHINESE, text_zone=QUIET.zone, around=NOW).as_text
    assert date(NOW, when) == "11月23日 周一 09:12（北京时间）"
    assert date(NOW - 400 * DAY, when, times.DAY) == "2025年10月19日 周日"
    assert date(NOW, CHINESE) == "<!date^1795396320^{date_short_pretty} {time}|11月23日 周一 01:12（UTC）>"


def test_blank_in_a_chinese_paragraph_only_follows_what_is_not_a_full_stop():
    assert CHINESE.paragraph("请等一分钟。", "", "再试。", "*下一步：* 等。", "<@U0MEI> 请看。") == (
        "请等一分钟。再试。 *下一步：* 等。 <@U0MEI> 请看。"
    )
    assert CONTEXT.paragraph("Wait.", "", "Again.") == "Wait. Again."


@pytest.mark.parametrize("language", Language)
def test_braces_in_a_name_have_no_effect(language):
    context = replace(CONTEXT, language=language)
    about = episode(EpisodeState.REJECTED, kf_nick="{number} {0} {x.y}")
    assert "{number} {0} {x.y}" in render(MessageKind.ALERT, {}, [about], None, context).text
