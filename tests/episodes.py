"""Episodes for tests, where only what matters is spelled out; odd ones; and how a message is judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from bot.blocks import kit
from bot.blocks.channel import Look, render
from bot.demo import blockkit
from bot.episodes import AlertPolicy, Episode, Event, How, Kind, State
from bot.outbox import Shape
from bot.ports import Message
from tests.conftest import NOW
from tests.samples import LEADS, MINUTE, sample

LOOK = Look(policy=AlertPolicy(leads=LEADS), poll=5 * MINUTE)
SMALLEST = min(LEADS)
LATER = ("alert.ack", "alert.snooze", "alert.undo")  # drawn in the samples, and not built yet
CLOSED = [state for state in State if state.closed]

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


def leads(*hours: float, how: How = How.TOLD) -> tuple[Event, ...]:
    return tuple(Event(Kind.EXPIRING, timedelta(hours=number), how) for number in hours)


def problem(state: State) -> tuple[Event, ...]:
    """What was told of an episode in this state."""
    return (Event(Kind(state)),) if state in (State.EXPIRED, State.REJECTED) else ()


def episode(state: State = State.WAITING, name: str = "bo", **fields: Any) -> Episode:
    values: dict[str, Any] = {
        "id": "9f2c41d07be3",
        "seat": f"{name}@harbour_tea",
        "kf_account": f"{name}@harbour_tea",
        "kf_nick": name.capitalize(),
        "kf_id": "2001",
        "invite_wx": f"{name}_example",
        "expires_at": DEADLINE,
        "first_seen": datetime(2026, 11, 20, 1, 12, tzinfo=UTC),
        "since": NOW,
        "told": problem(state),
    }
    return Episode(state=state, **values | fields)


def root(**fields: Any) -> Message:
    return render(Shape.PROBLEM, {}, [episode(**fields)], None, LOOK)


def drawn(name: str) -> dict[str, Any]:
    """A message as it was drawn, without the buttons that are not built yet."""
    message = sample(name)
    for block in message["blocks"]:
        if block["type"] == "actions":
            block["elements"] = [part for part in block["elements"] if part["action_id"] not in LATER]
            for part in block["elements"]:
                part.pop("style", None)
    return {"text": message["text"], "blocks": message["blocks"]}


def fields_of(message: Message) -> dict[str, Any]:
    return {"text": message.text, "blocks": list(message.blocks)}


def shown(message: Message) -> list[str]:
    """The texts of the blocks from top to bottom, without the labels of buttons."""
    return [
        block["text"]["text"] if "text" in block else element["text"]
        for block in message.blocks
        for element in block.get("elements", [block])
        if element["type"] != "button" and block["type"] != "divider"
    ]


def buttons(message: Message) -> dict[str, str]:
    """Values, or addresses, by `action_id`."""
    return {
        element["action_id"]: element.get("value") or element["url"]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    }


def loud(message: Message) -> bool:
    return message.blocks[0]["type"] == "header"


def assert_fit(message: Message) -> None:
    """Slack takes it, nobody is pinged, and `text` stands without icons and markup."""
    assert blockkit.problems(fields_of(message)) == []
    assert blockkit.mentions(fields_of(message)) == []
    assert kit.size(message.blocks) <= kit.MAX_MESSAGE
    assert not set(message.text) & set("*`⏰⛔⌛✉⚪✅➖⚠")
    assert "<!date" not in message.text


YEAR = (1_767_225_600, 1_798_761_600)  # 2026
moments = st.integers(*YEAR).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
# Our own icons are left out: `text` has none of ours, and a test looks for them.
names = st.text(st.characters(exclude_characters="⏰⛔⌛✉⚪✅➖⚠"), max_size=40) | st.sampled_from(
    [text[:200] for text in HOSTILE]
)
episodes = st.builds(
    Episode,
    id=st.text("0123456789abcdef", min_size=12, max_size=16),
    seat=names,
    invite_wx=names,
    expires_at=st.none() | moments,
    state=st.sampled_from(State),
    first_seen=moments,
    since=moments,
    kf_account=names,
    kf_nick=names,
    kf_id=names,
    confirmed_at=st.none() | moments,
    next_wx=names,
    next_expires_at=st.none() | moments,
    told=st.lists(
        st.builds(Event, st.sampled_from(Kind), st.sampled_from([timedelta(0), *LEADS]), st.sampled_from(How)),
        max_size=4,
        unique_by=lambda event: event.key,
    ).map(tuple),
)
