"""One notice for the incidents of several Official Accounts: causes, names, next step, end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.alerting.incident_groups import NAMED, AccountIncident, IncidentGroup
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.blocks.channel.notifications import render
from bot.language import Language
from bot.outbox.messages import MessageKind
from bot.ports import Message
from tests.conftest import NOW
from tests.episodes import CONTEXT, HOSTILE, assert_fit, buttons, loud, shown
from tests.for_each import for_each
from wechat_kf.errors import api_error

ADDRESS = ErrorDetails.of(api_error(40164, "invalid ip", rid="a-b", address="203.0.113.7"))
SECRET = ErrorDetails.of(api_error(40125, "invalid appsecret"))
RIGHT = ErrorDetails.of(api_error(48001, "api unauthorized"))


def notice(
    *accounts: tuple[str, ErrorDetails, bool], total: int = 0, language=Language.ENGLISH, **payload
) -> Message:
    """Render the notice of these accounts: name, fault, and whether it is over."""
    named = tuple(
        AccountIncident(name, Incident(str(number), Cause.CONFIG_PROBLEM, NOW, fault, NOW if over else None))
        for number, (name, fault, over) in enumerate(accounts)
    )
    group = IncidentGroup(named, total or len(named))
    context = replace(CONTEXT, language=language)
    message = render(MessageKind.INCIDENT, payload, [], group.incident, context, group=group)
    assert_fit(message)
    return message


def test_refused_address_of_two_accounts_has_both_names_and_one_next_step():
    message = notice(("Harbour Tea", ADDRESS, False), ("Kiosk", ADDRESS, False))
    title, step, rows = shown(message)[:3]
    assert title == "⚠️ WeChat refused this server’s address"
    assert step.count("*Next:*") == 1
    assert "```203.0.113.7```" in step
    assert [line.split(" · ")[0] for line in rows.splitlines()] == ["⚠️ *Harbour Tea*", "⚠️ *Kiosk*"]
    assert message.text.endswith("It concerns Harbour Tea, Kiosk.")
    assert message.names_accounts
    assert "rid" not in f"{message.text} {message.blocks}"  # it differs at each poll, and would edit the message
    assert "health.check" not in buttons(message)
    assert shown(message)[3] == "looks again every 5 min"


def test_refused_address_of_one_of_several_accounts_has_its_name():
    alone = notice(("Kiosk", ADDRESS, False), common=True)
    assert "*Kiosk*" in shown(alone)[2]
    assert not notice(("Kiosk", ADDRESS, False)).names_accounts


def test_different_causes_have_a_line_each_and_the_command_for_their_next_steps():
    message = notice(("Harbour Tea", SECRET, False), ("Kiosk", RIGHT, False), ("Orchid", SECRET, True))
    title, step, rows = shown(message)[:3]
    assert title == "⚠️ Several Official Accounts have problems"
    assert step.endswith("*/kf status* shows the next step of each.")
    first, second, over = rows.splitlines()
    assert first.startswith("⚠️ *Harbour Tea* · WeChat refused the AppSecret · ")
    assert second.startswith("⚠️ *Kiosk* · This account may not use customer service · ")
    assert over.startswith("✅ *Orchid* · WeChat refused the AppSecret · ")


def test_notice_is_calm_when_all_incidents_are_over():
    message = notice(("Harbour Tea", SECRET, True), ("Kiosk", RIGHT, True))
    assert not loud(message)
    assert buttons(message) == {}
    assert shown(message)[0] == "✅ *WeChat answers again*"
    assert message.text == "WeChat answers again. It concerned Harbour Tea, Kiosk."


def test_more_accounts_than_fit_are_counted():
    message = notice(*((f"Shop {number}", ADDRESS, False) for number in range(NAMED)), total=200)
    assert shown(message)[2].splitlines()[-1] == "and 190 more"
    assert message.text.endswith("Shop 9 and 190 more.")


@for_each("hostile", HOSTILE)
def test_names_of_accounts_are_escaped(hostile):
    for over in (False, True):
        for total in (NAMED, 10_000):
            notice(*((hostile, ADDRESS, over) for _ in range(NAMED)), total=total)


def test_group_is_worded_in_chinese():
    message = notice(("海港茶", SECRET, False), ("Kiosk", RIGHT, False), language=Language.CHINESE)
    assert shown(message)[0] == "⚠️ 多个公众号出现问题"
    assert shown(message)[1].endswith("*/kf status* 显示各自的处理方法。")
    assert message.text == "多个公众号出现问题。涉及：海港茶、Kiosk。"


def test_incident_that_lasts_stands_for_the_group():
    over = Incident("1", Cause.QUOTA, NOW, SECRET, NOW + timedelta(hours=1))
    lasting = Incident("2", Cause.QUOTA, NOW, SECRET)
    assert IncidentGroup((AccountIncident("b", lasting), AccountIncident("a", over)), 2).incident is lasting
