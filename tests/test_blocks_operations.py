"""Operations in the channel: the alert after one, the reply in its thread, a message of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import AlertEvent, AlertKind, Episode, EpisodeState, Operated, OperationStage
from bot.blocks.channel.notifications import render
from bot.language import Language
from bot.operations.operation import AccountFacts, EndReason, Operation, OperationKind, Outcome, Wanted
from bot.outbox import operation_messages
from bot.outbox.messages import MessageKind
from tests.episodes import HOSTILE, assert_fit, buttons, drawn, episode, fields_of, loud, mentions, user_action
from tests.for_each import for_each
from tests.samples import CONTEXT

ASKED_AT = datetime.fromtimestamp(1795396440, UTC)
NOTICED = datetime.fromtimestamp(1795394400, UTC)
DEADLINE = datetime.fromtimestamp(1795428000, UTC)
UNTIL = datetime.fromtimestamp(1795655640, UTC)
LANGUAGES = [(Language.ENGLISH, ""), (Language.CHINESE, ".zh")]
WITH_OPERATIONS = replace(CONTEXT, operations=True)
LIN = Operated("a71c", OperationKind.INVITE, "U0LIN", "lin", ASKED_AT, "chen_example", OperationStage.ACCEPTED)


def rejected(**fields: Any) -> Episode:
    return episode(EpisodeState.REJECTED, "chen", state_since=NOTICED, expires_at=DEADLINE, **fields)


def alert(shown: Episode, context: Any = WITH_OPERATIONS, *, posting: bool = False) -> Any:
    return render(MessageKind.ALERT, {}, [shown], None, context, posting=posting)


def operation(kind: OperationKind, name: str = "chen", **fields: Any) -> Operation:
    wanted = Wanted(f"{name}@harbour_tea", fields.pop("nickname", ""), fields.pop("invite_wx", ""))
    values: dict[str, Any] = {
        "id": "a71c09e2b4d5",
        "account_key": wanted.kf_account,
        "user_id": "U0LIN",
        "user_name": "lin",
        "asked_at": ASKED_AT,
        "lease_until": None,
    }
    return Operation(kind=kind, wanted=wanted, **values | fields)


INVITED = operation(
    OperationKind.INVITE,
    invite_wx="chen_example",
    before=AccountFacts("chen@harbour_tea", "Chen", status="rejected", invite_wx="chen_example"),
    outcome=Outcome(expires_at=UNTIL),
)
ADDED = operation(OperationKind.ADD, "eve", nickname="Eve")
DELETED = operation(
    OperationKind.DELETE, "dee", before=AccountFacts("dee@harbour_tea", "Dee", status="expired", invite_wx="dee_wx")
)
RENAMED = operation(
    OperationKind.RENAME, "night1", nickname="夜班一号", before=AccountFacts("night1@harbour_tea", "Night 1")
)


@pytest.mark.parametrize(("language", "suffix"), LANGUAGES)
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("alert-rejected-acting", {}),
        ("alert-unconfirmed", {"operated": LIN}),
        (
            "alert-invited-again",
            {
                "state": EpisodeState.REPLACED,
                "operated": LIN,
                "successor_wx": "chen_example",
                "successor_expires_at": UNTIL,
                "acked": user_action("Mei"),
            },
        ),
    ],
)
def test_alert_shows_how_far_an_operation_has_come(name, fields, language, suffix):
    message = alert(replace(rejected(), **fields), replace(WITH_OPERATIONS, language=language))
    assert fields_of(message) == drawn(f"{name}{suffix}")
    assert_fit(message, may_mention=["<@U0LIN>", "<@U0MEI>"])


@pytest.mark.parametrize(("language", "suffix"), LANGUAGES)
@pytest.mark.parametrize(
    ("name", "done", "parent"),
    [
        ("line-invited-again", INVITED, "alert-1"),
        ("channel-added", ADDED, None),
        ("channel-deleted", DELETED, None),
        ("channel-renamed", RENAMED, None),
    ],
)
def test_completed_operation_is_reported_without_a_mention(name, done, parent, language, suffix):
    new = operation_messages.completed(done, "9f2c" if parent else "", parent)
    message = render(new.kind, new.payload, [], None, replace(CONTEXT, language=language), posting=True)
    assert fields_of(message) == drawn(f"{name}{suffix}")
    assert mentions(message) == []


@pytest.mark.parametrize(("language", "suffix"), LANGUAGES)
def test_operation_that_did_not_happen_mentions_the_person_who_waits(language, suffix):
    new = operation_messages.not_completed(INVITED, "alert-1")
    message = render(new.kind, new.payload, [], None, replace(CONTEXT, language=language), posting=True)
    assert fields_of(message) == drawn(f"line-did-not-happen{suffix}")


@pytest.mark.parametrize(
    ("reason", "errcode", "words"),
    [
        (EndReason.NO_CHANGE, None, "WeChat's list shows no change"),
        (EndReason.STILL_LISTED, 0, "WeChat's list shows no change"),
        (EndReason.NOT_SENT, None, "nothing was sent to WeChat"),
        (EndReason.ERRCODE, 65409, "WeChat refused it (errcode 65409)"),
        (EndReason.BOUND, None, "by WeChat's list it is not possible now"),
        (EndReason.NOT_CONFIRMED, None, "It may have happened all the same"),
    ],
)
def test_failure_is_reported_by_its_reason(reason, errcode, words):
    new = operation_messages.not_completed(replace(INVITED, outcome=Outcome(reason, errcode)), None)
    text = render(new.kind, new.payload, [], None, CONTEXT, posting=True).text
    assert words in text
    assert ("did not happen" in text) is (reason is not EndReason.NOT_CONFIRMED)


def test_malformed_user_id_never_becomes_a_mention():
    forged = replace(INVITED, user_id="U0LIN> <!channel", user_name="<!channel>")
    new = operation_messages.not_completed(forged, None)
    assert mentions(render(new.kind, new.payload, [], None, CONTEXT, posting=True)) == []


def test_alert_whose_invitation_was_replaced_has_no_header_and_no_advice():
    waits = alert(rejected(operated=LIN))
    assert not loud(waits)
    assert "invite again" not in waits.text
    assert set(buttons(waits)) == {"alert.details"}


def test_alert_does_not_change_while_the_request_is_on_its_way():
    sent = rejected(operated=replace(LIN, stage=OperationStage.SENT))
    assert alert(sent) == alert(rejected())


def test_invite_button_is_offered_only_for_an_invitation_that_is_over():
    assert "op.invite" in buttons(alert(rejected()))
    assert "op.invite" in buttons(alert(rejected(acked=user_action("Mei"))))
    assert "op.invite" not in buttons(alert(episode()))
    assert "op.invite" not in buttons(alert(rejected(), CONTEXT))


@for_each("name", HOSTILE)
@for_each("done", [INVITED, ADDED, DELETED, RENAMED])
def test_hostile_names_fit_and_mention_no_user(name, done):
    before = done.before and replace(done.before, kf_nick=name)
    hostile = replace(done, user_name=name, before=before, wanted=replace(done.wanted, nickname=name))
    for parent in (None, "alert-1"):
        new = operation_messages.completed(hostile, "", parent)
        assert_fit(render(new.kind, new.payload, [], None, CONTEXT, posting=True))


def test_deleted_account_names_who_deleted_it():
    gone = rejected(operated=replace(LIN, kind=OperationKind.DELETE))
    message = alert(replace(gone, state=EpisodeState.REMOVED))
    assert message.blocks[0]["text"]["text"] == "➖ *Chen* · removed\n<@U0LIN> deleted the account."
    assert AlertEvent(AlertKind.REJECTED) in gone.events
    assert ActionKind.ACKNOWLEDGED not in message.text
