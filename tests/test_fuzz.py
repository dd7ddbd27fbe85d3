"""Whatever arrives with a good signature: never a 5xx, never a stuck acknowledgement, never a fault of the bot.

`make test` sends a share, `make fuzz` 50,000 (FUZZ).
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.demo.process import running
from bot.demo.slack_simulator import sign
from tests.budgets import share
from tests.running import sqlite, world

pytestmark = pytest.mark.process

EXAMPLES = int(os.environ.get("FUZZ", share(100, 3000)))
ACK_SECONDS = 3.0
BOLT = ("slack_bolt", "slack_bolt.AsyncApp")
FORM, JSON = "application/x-www-form-urlencoded", "application/json"

# Text of every kind that encodes, and the words that the bot itself knows.
words = st.sampled_from(
    [
        "",
        "list",
        "status",
        "help",
        "find chen",
        "invite chen chen_example",
        "add eve",
        "rename chen Chen Wei",
        "delete dee",
        "history",
        "history chen",
        "show anna@harbour_tea",
        "waiting",
        "list 2",
        "<!channel>",
        "‮x",
        "💥",
    ]
)
text = st.one_of(words, st.text(max_size=40), st.text(alphabet="<>&@!#^|*_~`:\u202e\x00\n 　「」", max_size=20))
ACTIONS = """
kf.list kf.page.next kf.page.prev kf.filter kf.refresh kf.retry kf.show kf.open kf.help link.console link.platform
kf.history health.check alert.ack alert.snooze alert.undo alert.details
"""
VALUES = """
v1:overview v1:status v1:help v1:list:1:all v1:list:999999999:bound v1:find:1:chen v1:show:anna@harbour_tea
v1:history:1: v1:history:999999999:chen@harbour_tea
v1:source_down v1:0123456789abcdef v1:0123456789abcdef:1h v1:0123456789abcdef:ack v1:batch:0123456789abcdef v2:x
"""
action_ids = st.one_of(st.sampled_from(ACTIONS.split()), text)
values = st.one_of(st.sampled_from(VALUES.split()), text)
# Nothing that could be asked for outside of this machine.
urls = st.sampled_from(["", "nonsense", "http://", "http://127.0.0.1:9/gone", "//x", "http://[::1", "\x00"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text)
odd = st.recursive(
    scalars,
    lambda more: st.one_of(st.lists(more, max_size=3), st.dictionaries(text, more, max_size=3)),
    max_leaves=8,
)


def mostly(likely: st.SearchStrategy) -> st.SearchStrategy:
    """Return a strategy that mostly draws the valid value, and sometimes any other."""
    return st.one_of(likely, likely, likely, odd)


people = mostly(
    st.fixed_dictionaries({"id": mostly(text)}, optional={"name": mostly(text), "username": mostly(text)})
)
actions = st.fixed_dictionaries(
    {"action_id": mostly(action_ids)},
    optional={
        "type": mostly(st.sampled_from(["button", "static_select", "overflow"])),
        "value": mostly(values),
        "block_id": mostly(text),
        "selected_option": mostly(st.fixed_dictionaries({"value": mostly(values)})),
    },
)
payloads = st.fixed_dictionaries(
    {"type": mostly(st.sampled_from(["block_actions", "view_submission", "shortcut", "message_action"]))},
    optional={
        "user": people,
        "team": mostly(st.fixed_dictionaries({"id": text})),
        "actions": mostly(st.lists(mostly(actions), max_size=3)),
        "container": mostly(st.fixed_dictionaries({"is_ephemeral": mostly(st.booleans())})),
        "response_url": mostly(urls),
        "trigger_id": mostly(text),
        "view": odd,
        "callback_id": odd,
    },
)
commands = st.fixed_dictionaries(
    {"command": st.one_of(st.just("/kf"), st.just("/kf"), text)},
    optional={"text": text, "user_id": text, "team_id": text, "response_url": urls, "trigger_id": text},
)
fields = st.lists(st.tuples(text, text), max_size=6)
events = st.fixed_dictionaries(
    {"type": mostly(st.sampled_from(["url_verification", "event_callback"]))},
    optional={"event": odd, "challenge": odd, "authorizations": odd},
)


def form(pairs: object) -> bytes:
    return urlencode(pairs, errors="surrogatepass").encode()  # type: ignore[call-overload]


bodies = st.one_of(
    st.tuples(commands.map(form), st.just(FORM)),
    st.tuples(payloads.map(lambda payload: form({"payload": json.dumps(payload)})), st.just(FORM)),
    st.tuples(fields.map(form), st.sampled_from([FORM, "text/plain", "multipart/form-data"])),
    st.tuples(mostly(events).map(lambda event: json.dumps(event).encode()), st.sampled_from([JSON, FORM])),
    st.tuples(st.binary(max_size=60), st.sampled_from([FORM, JSON, "", "application/octet-stream"])),
)
stamps = st.one_of(*[st.just(0)] * 20, st.integers(-400, 400))  # seconds off


@dataclass
class Served:
    """The bot, a process of its own, and where its log is."""

    url: str
    secret: str
    log: Path

    @property
    def faults(self) -> list[str]:
        """Return the log lines of the bot's own errors, without those about a sender's request."""
        lines = [json.loads(line) for line in self.log.read_text().split("\n") if line]
        senders = ("bot.web.guard", *BOLT)
        return [line for line in lines if line["level"] == "ERROR" and line["logger"] not in senders]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, found, stop = tmp_path_factory.mktemp("fuzz"), queue.Queue[Served](), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(_serve(folder, found, stop),))
    thread.start()
    try:
        bot = found.get(timeout=30)
        yield bot
    finally:
        stop.set()
        thread.join(20)
    assert bot.faults == []


async def _serve(folder: Path, found: queue.Queue[Served], stop: threading.Event) -> None:
    """Run the simulators and the bot until another thread stops them."""
    log = folder / "log"
    async with world(sqlite(folder)) as place:
        place.wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
        environ = place.environ | {"POLL_SECONDS": "300", "LOG_FORMAT": "json"}
        async with running(environ, log=log) as bot:
            found.put(Served(bot.url, place.slack.signing_secret, log))
            await asyncio.to_thread(stop.wait)


@pytest.mark.timeout(max(120, EXAMPLES // 10))
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(arrives=bodies, off=stamps)
def test_every_signed_request_is_acknowledged_or_refused_in_time(served, arrives, off):
    body, kind = arrives
    stamp = str(int(time.time()) + off)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": sign(body, served.secret, stamp)}
    connection = http.client.HTTPConnection(str(urlsplit(served.url).netloc), timeout=ACK_SECONDS)
    try:
        connection.request("POST", "/slack/events", body, headers | {"Content-Type": kind})
        assert connection.getresponse().status < 500
    finally:
        connection.close()
