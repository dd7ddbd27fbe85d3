"""Official Accounts with equal accounts, people and deadlines: nothing of one is in a message about another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from bot.demo.slack_simulator import Message
from bot.outbox.event_keys import EventKeys
from bot.store.database import Store
from bot.store.tables import emitted_event, episode, message, operation
from tests.fleets import (
    AT_HARBOUR,
    AT_ORCHID,
    BO,
    HARBOUR,
    KIOSK,
    ORCHID,
    SECRETS,
    FleetWorld,
    fleet_world,
    polled,
)
from tests.people import LIN, TOM, shown
from tests.running import bot_in_loop, until

pytestmark = [pytest.mark.server, pytest.mark.story]

NAMES = {HARBOUR: "Harbour Tea", KIOSK: "Night Kiosk", ORCHID: "兰花"}


@pytest.fixture
async def place(sqlite_url: str) -> AsyncIterator[FleetWorld]:
    async with fleet_world(sqlite_url, invited=["bo"], may_mention={f"<@{LIN}>"}) as made:
        made.slack.add_person(LIN, "lin")
        made.environ["KF_OPERATORS"] = LIN
        yield made


def posted(place: FleetWorld) -> list[Message]:
    return [*place.slack.messages(AT_HARBOUR), *place.slack.messages(AT_ORCHID)]


def about(place: FleetWorld, appid: str) -> list[Message]:
    """Return the messages about an account, in their present form."""
    return [one for one in posted(place) if one.text.startswith(f"{NAMES[appid]} · ")]


async def rows(place: FleetWorld) -> dict[str, list[tuple[object, ...]]]:
    """Return what the store holds of each account: invitations, operations and messages, and what was emitted."""
    store, found = Store.from_url(place.environ["DATABASE_URL"], HARBOUR), defaultdict(list)
    async with store.begin() as tx:
        for columns in (episode.c, operation.c, (message.c.appid, message.c.id, message.c.status, message.c.ts)):
            for row in await tx.run(sa.select(*columns)):
                found[row.appid].append(tuple(map(str, row)))
        joined = sa.select(episode.c.appid, *emitted_event.c).join(
            episode, episode.c.id == emitted_event.c.episode_id
        )
        for row in await tx.run(joined):
            found[row.appid].append(tuple(map(str, row)))
    await store.close()
    return {appid: sorted(kept) for appid, kept in found.items()}


async def test_messages_have_the_keys_of_their_account_and_buttons_leave_equal_accounts_alone(place):
    async with bot_in_loop(place):
        await polled(place)
        for appid in SECRETS:
            place.wechat[appid].reject(BO)
        await until(lambda: len(posted(place)) == 3)
        await polled(place)
        before, messages = await rows(place), {appid: about(place, appid) for appid in SECRETS}
        (alert,) = messages[HARBOUR]

        await place.slack.click(alert, "alert.ack", user=TOM)
        await until(lambda: "alert.undo" in str(place.slack.present(alert)), within=20)
        await place.slack.click(place.slack.present(alert), "alert.details", user=TOM)
        await place.slack.click(place.slack.present(alert), "op.invite", user=LIN)
        await until(lambda: (view := place.slack.views.visible(LIN)) is not None and "submit" in view.content)
        await place.slack.submit({"wx": "bo_new"}, user=LIN)
        await until(lambda: "bo_new" in str(place.slack.modal(LIN).blocks), within=20)
        place.wechat[HARBOUR].accept(BO)
        await until(lambda: place.slack.present(alert).text.startswith("Harbour Tea · Bound"), within=30)
        await polled(place)
        after = await rows(place)
    assert after[HARBOUR] != before[HARBOUR]
    for appid in (KIOSK, ORCHID):
        assert after[appid] == before[appid]
        assert about(place, appid) == messages[appid]

    # Every message has the keys and the AppID of the account that it names.
    assert sum(len(about(place, appid)) for appid in SECRETS) == len(posted(place))
    for appid in SECRETS:
        others = {*SECRETS, *NAMES.values()} - {appid, NAMES[appid]}
        keys = EventKeys(SECRETS[appid], appid)
        own = {keys.message_key(str(row[1])) for row in after[appid]}
        for one in about(place, appid):
            assert one.metadata["event_payload"]["k"] in own
            assert not any(other in f"{one.text}{shown(one)}" for other in others)
