"""The order of every list, and the counts."""

from __future__ import annotations

import pytest

from bot.accounts import Snapshot
from bot.alerting.episode import AccountStatus, AlertPolicy
from tests.accounts import account, invited
from tests.conftest import NOW
from tests.samples import ANNA, BO, CHEN, DAY, DEE, EVE, FORTY, HOUR, LEADS, LIN, NO_DEADLINE, reading
from wechat_kf import KfList


def names(read: Snapshot) -> list[str]:
    return [row.account.kf_nick for row in read.rows]


def test_accounts_that_expire_within_the_hour_sort_first_then_lost_ones_then_the_rest():
    odd = invited("odd", status="pondering", kf_nick="Odd")
    waits = invited("wei", expires_in=3 * DAY, kf_nick="Wei")
    assert names(reading(ANNA, EVE, waits, odd, LIN, DEE, CHEN, BO)) == [
        "小波",
        "Chen",
        "Dee",
        "林晓",
        "Odd",
        "Wei",
        "Eve",
        "Anna",
    ]


def test_accounts_of_equal_priority_sort_by_deadline_with_missing_ones_last():
    later = invited("a", expires_in=4 * DAY, kf_nick="A")
    sooner = invited("b", expires_in=3 * DAY, kf_nick="B")
    assert names(reading(NO_DEADLINE, later, sooner)) == ["B", "A", "客服 08"]


def test_names_sort_as_their_readers_expect():
    mixed = ["☆", "周", "Jia", "陈师傅", "anna", "客服 10", "客服 08", "Fan", "Chen", "Ａnna 2", "(x)", "龘"]
    ordered = names(reading(*map(_named, mixed)))
    assert ordered == [
        "anna",
        "Ａnna 2",
        "Chen",
        "陈师傅",
        "Fan",
        "Jia",
        "客服 08",
        "客服 10",
        "周",
        "龘",
        "(x)",
        "☆",
    ]


def test_accounts_without_a_name_sort_by_their_account():
    assert [row.account.key for row in reading(_named("Cai"), account("bo", kf_nick="")).rows] == [
        "bo@harbour_tea",
        "Cai@harbour_tea",
    ]


def test_counts_add_up():
    read = reading(*FORTY)
    assert read.counts == {"expiring": 2, "rejected": 2, "expired": 1, "waiting": 4, "idle": 2, "bound": 29}
    assert read.counts.total() == len(read.rows) == 40
    assert read.due == read.rows[:5]
    assert len(read.only(AccountStatus.REJECTED)) == 2
    assert read.only(None) == read.rows


@pytest.mark.parametrize("leads", [LEADS, tuple(reversed(LEADS))])
def test_result_does_not_depend_on_the_order_of_the_leads(leads):
    read = Snapshot.of(KfList((LIN, CHEN, BO)), NOW, AlertPolicy(leads=leads))
    assert names(read) == ["小波", "Chen", "林晓"]


def test_invitation_of_a_bound_account_is_ignored():
    (row,) = reading(invited(kf_wx="bo_example", expires_in=HOUR)).rows
    assert (row.status, row.deadline, row.invite_wx) == (AccountStatus.BOUND, None, "")


def _named(nick: str):
    return account(nick, kf_nick=nick, kf_wx="x")
