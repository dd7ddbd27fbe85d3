"""A message about several accounts names each of them, fits, and has buttons that carry the AppID."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot import actions
from bot.alerting.episode import AccountStatus, Episode, EpisodeState
from bot.blocks.channel.account_groups import PARTS, render_of_several
from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import NamedAccount, TenantLabel
from bot.language import Language
from bot.outbox.messages import MessageKind
from bot.ports import Message
from tests.conftest import NOW
from tests.episodes import HOSTILE, assert_fit, episode, user_action
from tests.for_each import for_each
from tests.samples import CONTEXT

ENGLISH, CHINESE = CONTEXT, replace(CONTEXT, language=Language.CHINESE)
COUNTS = dict.fromkeys(AccountStatus, 0)


def members(accounts: int, of_each: int = 2, name: str = "", **fields: Any) -> dict[str, Episode]:
    """Return rejected invitations by the AppID and number of each."""
    return {
        f"wx{account}-{number}": episode(
            EpisodeState.REJECTED, name or f"n{number}", id=f"wx{account}-{number}", **fields
        )
        for account in range(accounts)
        for number in range(of_each)
    }


def rendered(
    found: dict[str, Episode],
    kind: MessageKind = MessageKind.DIGEST,
    context: RenderContext = ENGLISH,
    *,
    title: str = "Brand",
    posting: bool = False,
    **payload: Any,
) -> Message:
    appids = {one: one.partition("-")[0] for one in found}
    accounts = {
        appid: NamedAccount(TenantLabel(appid, f"{title} {appid[2:]}"), context) for appid in set(appids.values())
    }
    values = {"noticed": NOW.timestamp(), "several": True, "total": 90, "accounts": 12, "counts": COUNTS} | payload
    message = render_of_several(
        kind, values, [*found.values()], appids, accounts, context, message_id="digest-1", posting=posting
    )
    assert_fit(message, may_mention=[context.mention] if posting else ["<@U0MEI>"])
    return message


def values_of(message: Message, action_id: str) -> list[str]:
    elements = [one for block in message.blocks if block["type"] == "actions" for one in block["elements"]]
    return [one["value"] for one in elements if one["action_id"] == action_id]


def test_digest_has_a_part_with_buttons_for_each_account():
    message = rendered(members(3))
    assert message.text == (
        "6 at once in 3 Official Accounts: 6 rejected. "
        "Brand 0: 2 rejected; Brand 1: 2 rejected; Brand 2: 2 rejected."
    )
    assert values_of(message, actions.ACKNOWLEDGE) == [f"v2:wx{one}:batch:digest-1" for one in range(3)]
    assert values_of(message, actions.LIST) == [f"v2:wx{one}:list:1:due" for one in range(3)]
    assert "*Brand 1*\\n\\u26d4 Rejected: N0, N1" in json.dumps(message.blocks)


def test_accounts_for_which_there_is_no_room_are_named():
    message = rendered(members(PARTS[0] + 15, of_each=5))
    shown = json.dumps(message.blocks)
    assert all(f"Brand {number}" in shown for number in range(PARTS[0] + 15))
    assert "Every account is named in the thread." in shown


@pytest.mark.parametrize(("accounts", "of_each"), [(1, 10), (2, 5), (10, 1)])
@pytest.mark.parametrize("title", ["Brand", "&" * 200], ids=["short names", "no room for ten parts"])
def test_digest_without_names_in_its_thread_names_every_episode(accounts, of_each, title):
    found = members(accounts, of_each)
    found = {key: replace(one, kf_nick=f"{key}{title[5:]}") for key, one in found.items()}
    message = rendered(found, title=title, posting=True)
    assert "in the thread" not in message.text
    assert all(key in json.dumps(message.blocks) for key in found)


def test_acknowledged_part_shows_who_and_an_undo():
    found = members(2)
    acked = {key: replace(one, acked=user_action(batch="digest-1")) for key, one in found.items() if key[2] == "1"}
    message = rendered(found | acked)
    assert values_of(message, actions.ACKNOWLEDGE) == ["v2:wx0:batch:digest-1"]
    assert values_of(message, actions.UNDO) == ["v2:wx1:batch:digest-1"]


def test_settled_account_is_a_grey_line_and_a_settled_digest_has_no_buttons():
    found = members(2)
    bound = {key: replace(one, state=EpisodeState.BOUND) for key, one in found.items()}
    half = rendered({key: bound[key] if key[2] == "1" else one for key, one in found.items()})
    assert half.text.startswith("4 at once in 2 Official Accounts: 2 still open. ")
    assert values_of(half, actions.LIST) == ["v2:wx0:list:1:due"]
    assert values_of(rendered(bound), actions.LIST) == []


def test_digest_mentions_people_only_when_it_is_posted():
    mentioning = replace(ENGLISH, mention="<!subteam^S0ONCALL01>")
    assert "<!subteam" in json.dumps(rendered(members(2), context=mentioning, posting=True).blocks)
    assert "<!subteam" not in json.dumps(rendered(members(2), context=mentioning).blocks)


def test_first_run_counts_all_accounts_and_names_those_with_a_problem():
    message = rendered(members(2), MessageKind.FIRST_RUN)
    assert message.text == (
        "Now watching 90 accounts of 12 Official Accounts, 4 need attention. "
        "Brand 0: 2 rejected; Brand 1: 2 rejected. From now on each change gets its own message."
    )
    assert values_of(message, actions.ACKNOWLEDGE) == []
    assert values_of(message, actions.LIST) == [f"v2:wx{one}:list:1:due" for one in range(2)]


@for_each("kind", [MessageKind.DIGEST, MessageKind.FIRST_RUN, MessageKind.MEMBER_LIST])
@for_each("context", [ENGLISH, CHINESE])
@for_each("number", [1, 12, 200])
def test_message_fits_in_both_languages_for_any_number_of_accounts(kind, context, number):
    message = rendered(members(number), kind, context, repeat=True)
    assert "Brand 0" in message.text
    if context is CHINESE:
        assert not {"account", "Rejected", "Also"} & set(message.text.replace(":", " ").split())


@for_each("hostile", HOSTILE)
@for_each("kind", [MessageKind.DIGEST, MessageKind.MEMBER_LIST])
def test_foreign_text_is_escaped(hostile, kind):
    rendered(members(12, 3, kf_nick=hostile, account_key=hostile), kind, title=hostile)


def test_account_that_is_not_here_any_more_is_named_by_its_appid():
    found = members(1)
    appids = dict.fromkeys(found, "wx0")
    payload = {"noticed": NOW.timestamp()}
    message = render_of_several(
        MessageKind.DIGEST, payload, [*found.values()], appids, {}, ENGLISH, message_id="digest-1"
    )
    assert "wx0: 2 rejected" in message.text
