"""Episodes for tests, where only what matters is spelled out; odd ones; and how a message is judged."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from bot.alerting.episode import AlertEvent, AlertKind, Disposition, Episode, EpisodeState, UserAction
from bot.blocks import builders
from bot.blocks.channel.notifications import render
from bot.blocks.context import RenderContext
from bot.demo import blockkit
from bot.outbox.messages import MessageKind
from bot.ports import Message
from tests.conftest import NOW
from tests.samples import CONTEXT, LEADS, MINUTE, sample

SMALLEST = min(LEADS)
MENTION = "<!subteam^S0CARE>"
OUR_ICONS = "⏰⛔⌛✉⚪✅➖⚠👤"
CLOSED = [state for state in EpisodeState if state.closed]

DEADLINE = datetime(2026, 11, 23, 1, 53, tzinfo=UTC)
HOSTILE = [
    "<!channel> *sale* <@U0MEI>",
    "&<>" * 2000,
    "&" * 5000,
    '"\\' * 2500,
    "👩‍👩‍👧‍👦" * 700,
    ":tada: `x` ~y~ _z_",
    "\u202eabc\u202c\n\n\x00\ud800",
    "",
    " ",
    "é" * 5000,
]


def leads(*hours: float, how: Disposition = Disposition.NOTIFIED) -> tuple[AlertEvent, ...]:
    return tuple(AlertEvent(AlertKind.EXPIRING, timedelta(hours=number), how) for number in hours)


def problem(state: EpisodeState) -> tuple[AlertEvent, ...]:
    """Return the events emitted for an episode in this state."""
    return (AlertEvent(AlertKind(state)),) if state in (EpisodeState.EXPIRED, EpisodeState.REJECTED) else ()


def user_action(name: str = "Mei", **fields: Any) -> UserAction:
    """Return the action of a person, 25 minutes ago."""
    values: dict[str, Any] = {"user_id": f"U0{name.upper()}", "name": name, "at": NOW - 25 * MINUTE}
    return UserAction(**values | fields)


def episode(state: EpisodeState = EpisodeState.WAITING, name: str = "bo", **fields: Any) -> Episode:
    values: dict[str, Any] = {
        "id": "9f2c41d07be3",
        "account_key": f"{name}@harbour_tea",
        "kf_account": f"{name}@harbour_tea",
        "kf_nick": name.capitalize(),
        "kf_id": "2001",
        "invite_wx": f"{name}_example",
        "expires_at": DEADLINE,
        "first_seen": datetime(2026, 11, 20, 1, 12, tzinfo=UTC),
        "state_since": NOW,
        "events": problem(state),
    }
    return Episode(state=state, **values | fields)


def parent(context: RenderContext = CONTEXT, *, posting: bool = False, **fields: Any) -> Message:
    return render(MessageKind.ALERT, {}, [episode(**fields)], None, context, posting=posting)


def drawn(name: str) -> dict[str, Any]:
    """Return a message as it was designed."""
    message = sample(name)
    return {"text": message["text"], "blocks": message["blocks"]}


def fields_of(message: Message) -> dict[str, Any]:
    return {"text": message.text, "blocks": list(message.blocks)}


def shown(message: Message) -> list[str]:
    """Return the texts of the blocks from top to bottom, without the labels of buttons and menus."""
    return [
        block["text"]["text"] if "text" in block else element["text"]
        for block in message.blocks
        for element in block.get("elements", [block])
        if block["type"] not in ("actions", "divider")
    ]


def buttons(message: Message) -> dict[str, Any]:
    """Return values, or addresses, by `action_id`; of a menu the values of its options."""
    return {
        element["action_id"]: element.get("value")
        or element.get("url")
        or [option["value"] for option in element["options"]]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    }


def loud(message: Message) -> bool:
    return message.blocks[0]["type"] == "header"


def mentions(message: Message) -> list[str]:
    """Return its mentions. Slack sends no notification for an edit."""
    return blockkit.mentions(fields_of(message))


def assert_fit(message: Message, *, may_mention: Collection[str] = ()) -> None:
    """Assert that Slack accepts it without a notification, and that `text` has no icons or markup."""
    assert blockkit.problems(fields_of(message)) == []
    assert set(mentions(message)) <= set(may_mention)
    assert builders.size(message.blocks) <= builders.MAX_MESSAGE
    assert not set(message.text) & set("*`<" + OUR_ICONS)


YEAR = (1_767_225_600, 1_798_761_600)  # 2026
CALENDAR = (1, 253_402_300_799)  # the first and the last second that WeChat may name
moments = (st.integers(*YEAR) | st.sampled_from(CALENDAR)).map(lambda second: datetime.fromtimestamp(second, UTC))
# Our own icons are left out, since `text` has none; a test checks that.
names = st.text(st.characters(exclude_characters=OUR_ICONS), max_size=40) | st.sampled_from(
    [text[:200] for text in HOSTILE]
)
user_ids = names | st.sampled_from(
    ["U0MEI", "W0TOM", "U0<!here>", "U0MEI> <!channel", "u0mei", "U" + "A" * 99, "C0CARE"]
)
batches = st.sampled_from(["", "m-1", "m-2"])
hands = st.builds(UserAction, user_id=user_ids, name=names, at=moments, until=st.none() | moments, batch=batches)
episodes = st.builds(
    Episode,
    id=st.text("0123456789abcdef", min_size=12, max_size=16),
    account_key=names,
    invite_wx=names,
    expires_at=st.none() | moments,
    state=st.sampled_from(EpisodeState),
    first_seen=moments,
    state_since=moments,
    kf_account=names,
    kf_nick=names,
    kf_id=names,
    confirmed_at=st.none() | moments,
    successor_wx=names,
    successor_expires_at=st.none() | moments,
    acked=st.none() | hands,
    snoozed=st.none() | hands,
    events=st.lists(
        st.builds(
            AlertEvent,
            st.sampled_from(AlertKind),
            st.sampled_from([timedelta(0), *LEADS]),
            st.sampled_from(Disposition),
        ),
        max_size=4,
        unique_by=lambda event: event.key,
    ).map(tuple),
)
