"""What Slack shows of an authorisation, in both languages: of a new one, and of one that was withdrawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.alerting.episode import EpisodeState
from bot.blocks.channel.account_groups import render_of_several
from bot.blocks.channel.notifications import render
from bot.blocks.channel.platform_notices import account_added
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.language import Language
from bot.outbox.messages import MessageKind
from tests.conftest import NOW
from tests.episodes import CONTEXT, assert_fit, buttons, episode, shown

CHINESE = replace(CONTEXT, language=Language.CHINESE)
WITHDRAWN = "Its owner has withdrawn the authorisation, so no more alerts about it come."
ADDED = "It is watched from now on: `/kf @harbour` shows its accounts."
GONE = {"withdrawn": "Harbour *Tea*", "handle": "harbour"}


@pytest.mark.parametrize(
    ("context", "expected", "text"),
    [
        (
            CONTEXT,
            [
                f"⚠️ *Harbour ＊Tea＊ is no longer watched*\n{WITHDRAWN}",
                "*Next:* if that was a mistake, let the owner open a new link: `/kf accounts link` gives it.",
                "`/kf @harbour` still shows what was known.",
            ],
            f"Harbour ＊Tea＊ is no longer watched. {WITHDRAWN}",
        ),
        (
            CHINESE,
            [
                "⚠️ *Harbour ＊Tea＊ 已不再值守*\n账号管理员已取消授权，不会再有它的告警。",
                "*下一步：* 如属误操作，请让账号管理员打开新的链接：用 `/kf accounts link` 获取。",
                "`/kf @harbour` 仍可查看取消授权前的情况。",
            ],
            "Harbour ＊Tea＊ 已不再值守。账号管理员已取消授权，不会再有它的告警。",
        ),
    ],
)
def test_notice_of_a_withdrawal(context, expected, text):
    message = render(MessageKind.NOTICE, GONE, [], None, context)
    assert_fit(message)
    assert (shown(message), message.text) == (expected, text)


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (CONTEXT, "No longer watched: the owner has withdrawn the authorisation."),
        (CHINESE, "已不再值守：账号管理员已取消授权。"),
    ],
)
def test_sent_alert_of_a_withdrawn_account_offers_nothing_more(context, words):
    rejected = episode(EpisodeState.REJECTED)
    alive = render(MessageKind.ALERT, {}, [rejected], None, context)
    assert buttons(alive)
    gone = render(MessageKind.ALERT, {}, [rejected], None, replace(context, is_withdrawn=True))
    assert_fit(gone)
    assert not buttons(gone)
    assert shown(gone) == [*shown(alive), words]
    assert gone.text.endswith(words)


def test_reply_in_the_thread_of_a_withdrawn_account_stays():
    context = replace(CONTEXT, is_withdrawn=True)
    reply = render(MessageKind.MEMBER_LIST, {}, [episode(EpisodeState.REJECTED)], None, context)
    assert "No longer watched" not in reply.text


def test_digest_of_several_accounts_marks_the_withdrawn_one():
    members = [episode(EpisodeState.REJECTED, name, id=name) for name in ("bo", "chen")]
    appids = {members[0].id: "wx1", members[1].id: "wx2"}
    accounts = {
        "wx1": NamedAccount(TenantLabel("wx1", "Harbour Tea"), CONTEXT),
        "wx2": NamedAccount(TenantLabel("wx2", "Night Kiosk"), replace(CONTEXT, is_withdrawn=True)),
    }
    payload = {"noticed": NOW.timestamp()}
    around = (appids, accounts, CONTEXT)
    message = render_of_several(MessageKind.DIGEST, payload, members, *around, message_id="5d31c8")
    assert_fit(message)
    parts = [part for part in shown(message) if "Harbour Tea" in part or "Night Kiosk" in part]
    assert "Bo" in parts[0]
    assert parts[1] == "*Night Kiosk* · No longer watched: the owner has withdrawn the authorisation."


@pytest.mark.parametrize(
    ("is_watched", "context", "expected"),
    [
        (True, CONTEXT, f"✅ *Harbour Tea has authorised the platform*\n{ADDED}"),
        (False, CHINESE, "⚠️ *Harbour Tea 已授权给平台*\n还不能值守：`/kf @harbour` 可查看原因。"),
    ],
)
def test_person_who_asked_for_the_link_is_informed(is_watched, context, expected):
    message = account_added("Harbour Tea", "harbour", context, is_watched=is_watched)
    assert_fit(message)
    assert shown(message) == [expected]
    assert "*" not in message.text
    assert account_added("", "harbour", context, is_watched=True).text.startswith("@harbour")
