"""A small share of `make crash-test`: a real process is killed. And tests of the oracle and the report."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from bot.demo.slack_simulator import Message, SlackSimulator
from bot.operations.operation import OperationKind, OperationState
from bot.outbox.event_keys import EventKeys
from bot.store.tables import episode, message, operation, poll_state
from tests.accounts import invited
from tests.bots import Bot, rejected
from tests.budgets import TEST_ALL
from tests.crash import failpoint_bot, report
from tests.crash.__main__ import KILLS, _parser, main
from tests.crash.accounts import ALONE, THREE
from tests.crash.confusion import foreign_data, is_about
from tests.crash.environment import CrashEnvironment
from tests.crash.failpoint_bot import CommitFailpoint, commit_kind
from tests.crash.failpoints import (
    FAILPOINTS,
    ON_EMPTY_STORE,
    CommitKind,
    Failpoint,
    Precondition,
    RequestPhase,
    Site,
    plan,
)
from tests.crash.operation_oracle import Claim, OperationVerdict, RequestedOperation, claim_of, words_of
from tests.crash.operation_oracle import judge as judge_operations
from tests.crash.oracle import ChannelRecorder, Oracle, Verdict, merged
from tests.crash.runner import ERROR_LINE, CrashResult, CrashRun
from tests.crash.several import is_of_several, part_of
from tests.crash.stores import KINDS, SEVERAL, SKEW
from tests.crash.watched_account import WatchedAccount
from tests.crash.workload import LAST_REMINDER, REJECTED, ExpectedEvent, Outcome, SentInvitation
from tests.documents import ROOT
from tests.fakes import LOST
from tests.for_each import for_each

NOW = datetime(2026, 11, 23, 1, 12, tzinfo=UTC)

# One of each kind. The edit has its turn once a message is old enough to be edited.
SHARE = [
    Failpoint(Site.POST, RequestPhase.TAKEN),
    Failpoint(Site.LOOKUP, RequestPhase.TAKEN, Precondition.LOST_RESPONSE),
    Failpoint(Site.EDIT, RequestPhase.TAKEN, Precondition.CHANGED_MESSAGE),
    Failpoint(Site.BEFORE, CommitKind.NEWS),
    Failpoint(Site.AFTER, CommitKind.CLAIM),
    Failpoint(Site.BEFORE, CommitKind.SENT),
    Failpoint(Site.POST, RequestPhase.LOST),
    Failpoint(Site.TIME),
    Failpoint(Site.BEFORE, CommitKind.OPERATION_ASKED, Precondition.SUBMITTED_FORM),
    Failpoint(Site.AFTER, CommitKind.OPERATION_SENT, Precondition.SUBMITTED_FORM),
    Failpoint(Site.WRITE, RequestPhase.TAKEN, Precondition.SUBMITTED_FORM),
    Failpoint(Site.AFTER, CommitKind.OPERATION_ANSWERED, Precondition.SUBMITTED_FORM),
    Failpoint(Site.AFTER, CommitKind.OPERATION_ENDED, Precondition.SUBMITTED_FORM),
    Failpoint(Site.BEFORE, CommitKind.OPERATION_CLAIMED, Precondition.LOST_ANSWER),
]
# In `make test`, a few of each: at the others, tests.test_kills and tests.test_execution kill inside one process.
SHARE_OF = {
    "sqlite": [SHARE[0], SHARE[10]],
    "postgresql": [SHARE[4], SHARE[13]],
}
ACCOUNTS = {"sqlite": ALONE, "postgresql": THREE if TEST_ALL else ALONE}


@pytest.mark.process
@pytest.mark.timeout(240)  # the run has its own timeouts, with better messages
async def test_killed_bot_loses_and_repeats_no_alert_and_no_operation_on_both_stores(tmp_path, postgres_url):
    urls = {"sqlite": f"sqlite:///{tmp_path / 'kf.db'}", "postgresql": postgres_url}
    for store, url in urls.items():  # one after the other: a busy machine misses the short leases
        (tmp_path / store).mkdir()
        points = SHARE if TEST_ALL else SHARE_OF[store]
        result = await CrashRun(url, tmp_path / store, f"share {store}", accounts=ACCOUNTS[store]).run(points)
        assert result.complaints == {}, store
        assert result.kills.total() >= len(points)
        assert result.verdict.reported >= 3
        assert result.operations.requested >= sum(point.precondition.needs_form for point in points) // 2


def test_share_has_a_failpoint_of_each_kind_and_only_those_of_the_full_run():
    assert {point.site for point in SHARE} >= set(Site) - {Site.TWO, Site.VIEW}
    assert {point.what for point in SHARE} >= {one for one in CommitKind if one.startswith("operation")}
    assert set(SHARE) <= set(FAILPOINTS)


def test_full_run_kills_at_every_failpoint_on_each_store():
    assert set(plan(KILLS // len(KINDS), random.Random(1))) == {*ON_EMPTY_STORE, *FAILPOINTS}


def test_full_run_has_both_stores_a_pooler_clocks_that_differ_and_several_accounts():
    several = ["three-sqlite", "three-postgresql"]
    assert _parser().parse_args([]).stores == ["sqlite", "postgresql", "pgbouncer", "skewed", *several]
    assert KILLS >= 200
    assert SKEW == {"skewed": 180}
    assert dict.fromkeys(several, THREE) == SEVERAL


COMPLAINTS = (
    *(
        "lost",
        "repeated",
        "untrue",
        "stale",
        "data of another account",
        "posts beyond their attempts",
        "unexpected",
    ),
    *("repeated writes", "reported failed though effective", "reported done though not"),
    *("unreported", "reported again", "writes without a form"),
)


def test_committed_report_has_no_complaint():
    text = (ROOT / "tests" / "crash" / "REPORT.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"```text\n(.*?)\n```", text, re.DOTALL)
    header, *lines = table.splitlines()
    rows = {name.strip(): numbers.split() for name, _, numbers in (line.strip().partition("  ") for line in lines)}
    *kinds, total = header.split()
    assert kinds == [*KINDS[: len(kinds)]]
    assert len(kinds) >= 4
    assert total == "total"
    assert int(rows["kills"][-1]) >= 200
    counted = {name: rows[name] for name in COMPLAINTS if name in rows}
    assert len(counted) >= 12
    assert counted == dict.fromkeys(counted, ["0"] * (len(kinds) + 1))


def test_run_of_some_stores_replaces_no_report(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["--stores", "sqlite", "--write", str(tmp_path / "REPORT.md")])
    assert refused.value.code == 2
    assert "--write needs all stores" in capsys.readouterr().err


# How commits are recognised


def update(table: sa.Table, **values: Any) -> str:
    return str(sa.update(table).where(sa.column("id") == "x").values(values))


@for_each(
    ("statements", "expected"),
    [
        (["BEGIN IMMEDIATE", str(sa.select(poll_state.c.appid))], None),
        ([str(CreateTable(poll_state)), "INSERT INTO alembic_version VALUES (?)"], CommitKind.SCHEMA),
        ([update(poll_state, next_poll_at=NOW)], CommitKind.POLL),
        ([update(poll_state, next_poll_at=NOW, poll_wait=15)], CommitKind.POLL),
        ([update(poll_state, last_read_at=NOW, accounts=3)], CommitKind.READ),
        ([update(episode, pending_state=None), update(message, is_final=True)], CommitKind.READ),
        ([update(episode, state="expired"), str(sa.insert(message).values(id="x"))], CommitKind.NEWS),
        ([update(message, status="sending", lease_until=NOW, attempt=message.c.attempt + 1)], CommitKind.CLAIM),
        ([update(message, lease_until=NOW, attempt=message.c.attempt + 1)], CommitKind.LOOKUP),
        ([update(message, failed_lookups=1, next_lookup_at=NOW)], CommitKind.ABSENT),
        ([update(message, status="sent", channel_id="C", ts="1.0", sent_at=NOW)], CommitKind.SENT),
        ([update(message, status="pending", not_before=NOW)], CommitKind.BACK),
        ([update(message, applied_hash="x", next_edit_at=NOW)], CommitKind.EDIT),
    ],
)
def test_commit_kind_follows_from_the_columns_written(statements, expected):
    assert commit_kind(statements, is_lookup=False) is expected


def operation_values(**values: Any) -> dict[str, Any]:
    return {"state": OperationState.OPEN, "ended_at": None, "errcode": None, **values}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (operation_values(sent_at=NOW), CommitKind.OPERATION_SENT),
        (operation_values(errcode=0), CommitKind.OPERATION_ANSWERED),
        (operation_values(state=OperationState.UNSURE), CommitKind.OPERATION_ANSWERED),
        (operation_values(state=OperationState.DONE, ended_at=NOW, errcode=0), CommitKind.OPERATION_ENDED),
        (operation_values(state=OperationState.FAILED, ended_at=NOW), CommitKind.OPERATION_ENDED),
        ({"attempt": 2, "lease_until": NOW}, CommitKind.OPERATION_CLAIMED),
    ],
)
def test_commit_of_an_operation_follows_from_the_values_written(values, expected):
    statements = [update(operation, attempt=2), update(episode, state="replaced"), str(sa.insert(message))]
    assert commit_kind(statements, is_lookup=False, updated_operation=values) is expected


def test_commit_that_inserts_an_operation_is_asked():
    assert commit_kind([str(sa.insert(operation).values(id="x"))], is_lookup=False) is CommitKind.OPERATION_ASKED


async def test_commit_that_records_a_found_message_is_adopted(store, clock, monkeypatch):
    """The store's own statements are executed: they must name the message as the failpoint expects it."""
    kills = []
    monkeypatch.setattr(failpoint_bot, "kill_self", lambda: kills.append(len(bot.slack.posted)))
    failpoint, bot = CommitFailpoint("before", CommitKind.ADOPTED, 1), Bot(store, clock)
    with failpoint.installed():
        bot.slack.outcomes = [LOST]
        await bot.reads(invited("bo"))
        await bot.reads(rejected("bo"))
        assert kills == []
        await bot.waits_out_a_lease()
    assert kills == [1]


@pytest.mark.parametrize(
    ("line", "is_unexpected"),
    [
        ("12:00:00Z ERROR bot.runtime.tasks loop step failed loop=watcher", True),
        ("12:00:00Z CRITICAL bot.app x", True),
        ("12:00:00Z ERROR bot.health_log problem began kind=store_unknown", True),
        ("12:00:00Z ERROR bot.health_log problem began kind=poll_overdue", False),
        ("12:00:00Z WARNING bot.runtime.tasks loop paused loop=watcher", False),
    ],
)
def test_errors_in_the_log_are_unexpected_unless_the_run_caused_them(line, is_unexpected):
    assert bool(ERROR_LINE.search(line)) is is_unexpected


# The oracle

SOON = NOW + timedelta(minutes=20)
WORDS = "Rejected: S1x1 (kf1@harbour_tea). pe•••_1 declined the invitation."
EVENT_KEYS = EventKeys("app-secret", "wx")


def invitation(outcome: Outcome = Outcome.REJECTED, number: int = 1, **changed: Any) -> SentInvitation:
    parts = {"expires_at": NOW + timedelta(days=9), "outcome": outcome, "was_rejected": True, **changed}
    return SentInvitation(f"kf{number}@harbour_tea", f"S{number}x1", f"person_{number}_1", **parts)


def alert(
    *news: tuple[SentInvitation, ExpectedEvent], text: str = WORDS, key: str = "a", ts: str = "1.000001"
) -> Message:
    event_keys = ",".join(Oracle(EVENT_KEYS).event_key(one, event) for one, event in news)
    return Message("C0ALERTS", ts, "U0BOT", text, metadata={"event_payload": {"k": key, "e": event_keys}})


def complaints(known: list[SentInvitation], *messages: Message, edited: str = "") -> list[str]:
    channel, oracle = ChannelRecorder(), Oracle(EVENT_KEYS)
    for one in known:
        oracle.register(one)
    for posted in messages:
        channel("posted", posted)
    if edited:
        channel("edited", replace(messages[0], text=edited))
    return [*oracle.judge(channel, known, NOW).complaints]


def test_event_reported_once_is_no_complaint():
    bo = invitation()
    assert complaints([bo], alert((bo, REJECTED))) == []


def test_event_in_the_text_counts_as_reported():
    assert complaints([invitation()], alert()) == []


@pytest.mark.parametrize(
    "one",
    [
        invitation(),
        invitation(Outcome.OPEN, expires_at=NOW),
        invitation(Outcome.OPEN, expires_at=SOON),
    ],
    ids=["a rejection", "an expiry", "a last reminder"],
)
def test_unreported_event_is_lost(one):
    assert complaints([one]) == ["lost"]


def test_event_shown_only_in_a_thread_is_lost():
    bo = invitation()
    line = replace(alert((bo, REJECTED), text="Other words."), thread_ts="0.000001")
    assert complaints([bo], line) == ["lost"]
    assert complaints([bo], replace(line, broadcast=True)) == []


def test_resolved_problem_need_not_be_reported():
    assert complaints([invitation(Outcome.BOUND)]) == []


@pytest.mark.parametrize(
    ("key", "text", "has_event_key"),
    [("a", "Other words.", False), ("b", "Other words.", True), ("b", WORDS, False)],
    ids=["message key", "event key", "text"],
)
def test_duplicate_is_recognised_by_message_key_event_key_or_text(key, text, has_event_key):
    bo = invitation()
    double = alert(*([(bo, REJECTED)] if has_event_key else []), key=key, text=text, ts="2.000001")
    assert "repeated" in complaints([bo], alert((bo, REJECTED)), double)


def test_alert_for_an_event_of_a_digest_is_a_duplicate():
    six = [invitation(number=number) for number in range(1, 7)]
    rows = [{"type": "section", "text": {"type": "mrkdwn", "text": f"⛔ *{one.nick}* · rejected"}} for one in six]
    digest = alert(*((one, REJECTED) for one in six), text="6 invitations changed at once: 6 rejected.")
    names = alert(text=", ".join(f"{one.nick} (kf)" for one in six), key="b", ts="2.000001")
    shown = [replace(digest, blocks=rows), replace(names, thread_ts=digest.ts)]
    assert complaints(six, *shown) == []
    assert complaints(six, *shown, alert(key="c", ts="3.000001")) == ["repeated"]


def test_first_run_that_lists_what_expires_beside_its_alert_is_no_duplicate():
    six = [invitation(Outcome.OPEN, number=number, expires_at=SOON) for number in range(1, 7)]
    rows = [{"text": {"text": f"⏰ *{one.nick}* · less than 50 min left"}} for one in six]
    digest = alert(*((one, LAST_REMINDER) for one in six), text="6 invitations changed at once: 6 expiring.")
    names = ", ".join(one.nick for one in six)
    first_run = alert(text=f"Now watching 9 accounts, 6 need attention. Expiring: {names}.", key="b", ts="2.000001")
    shown = [replace(one, blocks=rows) for one in (digest, first_run)]
    assert complaints(six, *shown) == []
    assert "repeated" in complaints(six, *shown, alert((six[0], LAST_REMINDER), key="c", ts="3.000001"))


def test_event_that_never_happened_is_untrue():
    bo = invitation(Outcome.BOUND, was_rejected=False)
    assert complaints([bo], alert((bo, REJECTED)), edited="Bound: S1x1 (kf1@harbour_tea).") == ["untrue"]


def test_parent_message_with_an_old_state_is_stale():
    bo = invitation(Outcome.BOUND)
    assert complaints([bo], alert((bo, REJECTED))) == ["stale"]
    assert complaints([bo], alert((bo, REJECTED)), edited="Bound: S1x1 (kf1@harbour_tea).") == []


def test_parent_message_of_a_replaced_invitation_shows_the_outcome_of_the_new_one():
    first = invitation(Outcome.REPLACED)
    second = replace(invitation(Outcome.OPEN), nick="S1x2", invite_wx="person_1_2")
    posted = alert((first, REJECTED))
    again = "Invited again: S1x1 (kf1@harbour_tea). A new invitation went out."
    assert complaints([first, second], posted, edited=again) == []
    second.outcome = Outcome.BOUND
    assert complaints([first, second], posted, edited=again) == ["stale"]
    assert complaints([first, second], posted, edited="Bound: S1x2 (kf1@harbour_tea).") == []


def test_digest_counts_its_members_and_names_them_in_its_rows():
    six = [invitation(number=number) for number in range(1, 7)]
    digest = alert(*((one, REJECTED) for one in six), text="6 invitations changed at once: 6 rejected.")
    rows = [{"text": {"text": f"⛔ *{one.nick}* · rejected\n`kf`"}} for one in six]
    assert complaints(six, replace(digest, blocks=rows)) == []
    assert complaints(six, replace(digest, blocks=rows[1:])) == ["lost"]


def test_digest_counts_its_members_and_names_them_in_its_thread():
    six = [invitation(number=number) for number in range(6)]
    digest = alert(*((one, REJECTED) for one in six), text="6 invitations changed at once: 6 rejected.")
    names = alert(text=", ".join(f"{one.nick} (kf)" for one in six), key="b", ts="2.000001")
    assert complaints(six, digest, replace(names, thread_ts=digest.ts)) == []
    assert complaints(six, replace(digest, text="16 invitations changed at once: 16 rejected.")) == [
        "lost",
        "stale",
    ]
    assert complaints(six, digest) == ["lost"]
    six[0].outcome = Outcome.BOUND
    assert complaints(six, digest, replace(names, thread_ts=digest.ts)) == ["stale"]


def test_verdicts_on_several_accounts_are_added_and_name_their_account():
    total = merged({"A · ": Verdict(2, lost=["x"]), "B · ": Verdict(3, lost=["y"], stale=["z"])})
    assert (total.reported, total.complaints) == (5, {"lost": ["A · x", "B · y"], "stale": ["B · z"]})


# Several accounts

HARBOUR, KIOSK, ORCHID = THREE


def test_message_is_about_the_account_of_its_channel_with_whose_name_it_begins():
    about_kiosk = Message("C0HARBOUR", "1.0", "U0BOT", f"Night Kiosk · {WORDS}")
    assert [is_about(about_kiosk, account) for account in THREE] == [False, True, False]
    assert not is_about(replace(about_kiosk, channel=ORCHID.channel), KIOSK)
    assert is_about(Message("C0ALERTS", "1.0", "U0BOT", WORDS), *ALONE)


def test_name_and_appid_of_another_account_are_found_in_texts_and_buttons():
    content = {"text": "Harbour Tea · Bo", "blocks": [{"elements": [{"value": f"v2:{KIOSK.appid}:e1"}]}]}
    assert [*foreign_data(content, [KIOSK, ORCHID])] == [KIOSK.appid]
    assert [*foreign_data(content, [HARBOUR])] == ["Harbour Tea"]


def test_event_of_an_equal_account_is_found_by_its_key():
    slack = SlackSimulator(channels=[])
    mine, other = (WatchedAccount(account, slack, random.Random(1), lambda words: None) for account in THREE[:2])
    bo = invitation()
    for one in (mine, other):
        one.oracle.register(bo)
    text = f"Harbour Tea · {WORDS}"
    keys = [one.oracle.event_key(bo, REJECTED) for one in (mine, other)]
    assert keys[0] != keys[1]
    for number, key in enumerate(keys):
        mine.record("posted", replace(alert(text=text, ts=f"{number}.0"), metadata={"event_payload": {"e": key}}))
    assert [*mine.events_elsewhere([other])] == ["rejected of S1x1 of Night Kiosk, in 1.0 of Harbour Tea"]
    assert mine.channel.posted[0].text == WORDS


def of_several(*keys: str) -> Message:
    text = "3 at once in 2 Official Accounts: 3 rejected. Harbour Tea: 2 rejected; Night Kiosk: 1 rejected."
    texts = ["*Harbour Tea*\n⛔ Rejected: S1x1, S2x1", "*Night Kiosk*\n⛔ Rejected: S1x1"]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in texts]
    return Message("C0HARBOUR", "5.0", "U0BOT", text, blocks, {"event_payload": {"k": "a", "e": ",".join(keys)}})


def test_part_about_an_account_is_judged_as_a_digest_of_its_own():
    digest = of_several("k1", "k2", "k3")
    part = part_of(digest, HARBOUR, {"k1", "k2"})
    assert part.text == "The part of an account changed at once: 2 rejected."
    assert part.metadata == {"event_payload": {"k": "a", "e": "k1,k2"}}
    assert [block["text"]["text"] for block in part.blocks] == ["*S1x1* · rejected", "*S2x1* · rejected"]
    assert part_of(digest, ORCHID, {"k3"}) is None


def test_part_is_settled_if_its_line_says_so_whatever_its_invitations_show():
    """An invitation that was replaced shows the new one, which may be rejected."""
    text = (
        "3 at once in 2 Official Accounts: 1 still open. Harbour Tea: 1 bound, 1 rejected; Night Kiosk: 1 rejected."
    )
    grey = {"type": "context", "elements": [{"type": "mrkdwn", "text": "✅ *Harbour Tea* · 1 bound, 1 rejected"}]}
    digest = of_several("k1", "k2", "k3")
    settled = replace(digest, text=text, blocks=[grey, digest.blocks[1]])
    parts = [part_of(settled, account, set()).text for account in (HARBOUR, KIOSK)]
    assert parts == [
        "The part of an account changed at once: 1 bound, 1 rejected, all settled.",
        "The part of an account changed at once: 1 rejected.",
    ]


def test_post_of_several_accounts_is_recognised_whichever_account_has_its_row(tmp_path):
    environment = CrashEnvironment(tmp_path / "diary.txt", random.Random(1), THREE)
    keys = {environment.message_key(one.appid, "m1", of_several=True) for one in THREE}
    assert len(keys) == 1
    assert keys.isdisjoint(environment.message_key(one.appid, "m1", of_several=False) for one in THREE)


def test_names_in_the_thread_of_several_accounts_are_those_of_each():
    text = "Harbour Tea: 1 rejected; Night Kiosk: 2 rejected."
    blocks = [{"text": {"text": "*Harbour Tea*: S1x1\n*Night Kiosk*: S1x1, S3x2"}}]
    names = Message("C0HARBOUR", "6.0", "U0BOT", text, blocks, thread_ts="5.0")
    assert is_of_several(of_several(), set())
    assert is_of_several(names, {"5.0"})
    assert not is_of_several(replace(names, thread_ts="4.0"), {"5.0"})
    assert [part_of(names, account, set()).text for account in (HARBOUR, KIOSK)] == ["S1x1 (", "S1x1 ( S3x2 ("]


# The oracle of operations


def requested(kind: OperationKind = OperationKind.RENAME, **seen: Any) -> RequestedOperation:
    return RequestedOperation(kind, "o7@harbour_tea", "O7", "O7r", "U0OPA", **{"writes": 1, **seen})


def notice(text: str, thread_ts: str | None = None, ts: str = "1.000001") -> Message:
    return Message("C0ALERTS", ts, "U0BOT", text, thread_ts=thread_ts)


RENAMED = notice("Renamed by opa: O7r (o7@harbour_tea), was O7.")
DELETED = notice("Deleted by opa.", "0.000001")
SAID_NO = notice(
    "<@U0OPA> what you asked for *O7r* did not happen: WeChat’s list shows no change. Please try again."
)


def wrong(one: RequestedOperation, *posted: Message) -> list[str]:
    return [*judge_operations([one], posted, {"0.000001": "o7@harbour_tea"}).complaints]


@pytest.mark.parametrize(
    ("one", "posted"),
    [
        (requested(took_effect=True), RENAMED),
        (requested(OperationKind.DELETE, took_effect=True, claims={Claim.DONE}), DELETED),
        (requested(writes=0, claims={Claim.FAILED}), SAID_NO),
    ],
)
def test_operation_reported_once_as_it_ended_is_no_complaint(one, posted):
    assert wrong(one, posted) == []


@pytest.mark.parametrize(
    ("one", "posted", "complaint"),
    [
        (requested(took_effect=True, writes=2), [RENAMED], "repeated writes"),
        (requested(took_effect=True), [RENAMED, SAID_NO], "reported failed though effective"),
        (requested(took_effect=True, claims={Claim.FAILED}), [RENAMED], "reported failed though effective"),
        (requested(), [RENAMED], "reported done though not"),
        (requested(claims={Claim.DONE}), [], "reported done though not"),
        (requested(took_effect=True), [], "unreported"),
        (requested(took_effect=True), [notice("Deleted by opa.", "9.000001")], "unreported"),
        (requested(took_effect=True), [RENAMED, DELETED], "reported again"),
    ],
)
def test_wrong_report_of_an_operation_is_a_complaint(one, posted, complaint):
    assert wrong(one, *posted) == [f"operations: {complaint}"]


def test_write_that_no_form_asked_for_is_a_complaint():
    assert judge_operations([], [], {}, ["o9@harbour_tea"]).complaints == {
        "operations: writes without a form": ["o9@harbour_tea"]
    }


@pytest.mark.parametrize(
    ("words", "claim"),
    [
        ("✅ *Renamed*\nO7 is now O7r.", Claim.DONE),
        ("*Asking WeChat…*\nThis takes up to 10 s.", None),
        ("⚠️ *WeChat did not answer in time*\nIt may have happened all the same.", None),
        ("⚠️ *It did not happen*\nWeChat’s list shows no change.", Claim.FAILED),
        ("This is the present name.", Claim.FAILED),
        ("This could not be answered. The fault is in the bot, and its log has the reason.", None),
    ],
)
def test_claim_of_a_modal_follows_from_its_words(words, claim):
    content = {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": words}}, {"type": "input"}]}
    assert claim_of(words_of(content)) is claim


# The report


def test_table_sums_the_stores_and_page_lists_complaints():
    well, ill = CrashResult(kills=Counter({"post: taken": 3})), CrashResult(kills=Counter({"any time": 1}))
    ill.verdict = Verdict(reported=7, lost=["rejected of S1x1"])
    ill.operations = OperationVerdict(requested=3, took_effect=2, repeated_writes=["rename o7: 2 requests"])
    results = {"sqlite": well, "postgresql": ill}
    rows = {line[:28].strip(): line[28:].split() for line in report.table(results).splitlines()}
    assert rows["kills"] == ["3", "1", "4"]
    assert rows["post: taken"] == ["3", "0", "3"]
    assert rows["lost"] == ["0", "1", "1"]
    assert (rows["took effect"], rows["repeated writes"]) == (["0", "2", "2"], ["0", "1", "1"])
    complaints = "\n".join(report.complaints(results))
    assert complaints == (
        "postgresql, lost:\n  rejected of S1x1\npostgresql, operations: repeated writes:\n  rename o7: 2 requests"
    )
    assert complaints in report.page(report.table(results), complaints, 7)
    assert "lost:" not in report.page(report.table({"sqlite": well}), "", 7)
