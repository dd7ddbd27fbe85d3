"""The paths of the platform: pushes of WeChat are stored and answered in time, and forged ones cost nothing."""

from __future__ import annotations

import asyncio
import io
import logging
import random
import shutil
import sqlite3
import string
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
import sqlalchemy as sa
from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bot.demo.process import free_port
from bot.demo.servers import serve
from bot.platform.pushes import STORE_SECONDS, Pushes
from bot.runtime import logs
from bot.sealing import StoreKeys, new_key
from bot.store import platform_rows
from bot.store.database import Store
from bot.store.sealed_secrets import TICKET
from bot.store.token_leases import StoredTokens
from bot.web.front import Front, Handlers
from bot.web.platform_endpoint import (
    AUTHORIZED_PATH,
    BODY_SECONDS,
    EVENTS_PATH,
    START_PATH,
    OwnerPage,
    PlatformEndpoint,
    PlatformHandlers,
)
from bot.web.rejections import Rejections
from bot.web.server import Readiness, make_web_app
from tests import vectors_of_pushes as vectors
from tests.budgets import share
from tests.conftest import APPID, VirtualClock, driver_threads_ended
from tests.test_authorization_events import code_of, loaded
from tests.test_envelope import encrypted, sealed, signed
from tests.vectors_of_pushes import AES_KEY, AUTHORISATION, OLD_KEY, PLATFORM_APPID, PREVIOUS_AES_KEY, TOKEN, Vector
from wechat_kf.envelope import MAX_BODY, open_push

pytestmark = pytest.mark.mostly_sqlite

KEYS = StoreKeys([new_key()])
TICKET_TEXT = "ticket@@@EXAMPLE-not-a-real-ticket"
MESSAGES = "/wechat/platform/messages/wx0123456789abcdef/callback"
HEAD = f"<AppId>{PLATFORM_APPID}</AppId><CreateTime>1795003200</CreateTime>"


def sealed_push(inside: str, **how: str) -> Vector:
    """Return a push with this message, as WeChat would send it."""
    return signed(sealed(f"<xml>{HEAD}{inside}</xml>", **how))


class Door:
    """The endpoint over a store, without sockets."""

    def __init__(
        self, store: Store, keys: tuple[str, ...] = (AES_KEY, PREVIOUS_AES_KEY), within: float = 5
    ) -> None:
        self.counts = Counter[tuple[str, str]]()
        self.woken = 0
        self.asked: list[tuple[dict[str, str], str]] = []
        self.page = OwnerPage(200, "<p>开始", {"Referrer-Policy": "origin"})
        self.store, self.tokens = store, StoredTokens(store, KEYS)
        count = lambda kind, result: self.counts.update([(kind, result)])  # noqa: E731
        pushes = Pushes(store, self.tokens, KEYS, PLATFORM_APPID, wake=self.wake, count=count, within=within)
        opening = partial(open_push, token=TOKEN, keys=keys, appid=PLATFORM_APPID)
        self.handlers = PlatformHandlers(pushes.take, self.show, self.show, count)
        self.attached = asyncio.Event()
        self.attached.set()
        self.rejections = Rejections(VirtualClock())
        self.endpoint = PlatformEndpoint(
            opening, self.present, self.rejections, body_seconds=0.05, start_seconds=0.05
        )

    async def present(self) -> PlatformHandlers:
        await self.attached.wait()
        return self.handlers

    def wake(self) -> None:
        self.woken += 1

    async def show(self, query: Mapping[str, str], language: str) -> OwnerPage:
        self.asked.append((dict(query), language))
        if "fails" in query:
            raise RuntimeError(query["fails"])
        return self.page

    async def send(self, push: Vector) -> tuple[int, bytes]:
        return await self.post(push.body, push.query)

    async def post(
        self, body: bytes, query: Mapping[str, str], *, is_whole: bool = True, **headers: str
    ) -> tuple[int, bytes]:
        """Post a body to the handler, and return status and body of its answer."""
        answer = await self.endpoint.events(
            request(f"{EVENTS_PATH}?{urlencode(query)}", body, headers, is_whole=is_whole)
        )
        assert isinstance(answer.body, bytes | None)
        return answer.status, answer.body or b""

    async def ticket(self) -> str:
        return await self.tokens.secret(PLATFORM_APPID, TICKET)


def request(path: str, body: bytes, headers: Mapping[str, str], *, is_whole: bool = True) -> web.Request:
    """Return a request as a server would read it."""
    loop = asyncio.get_running_loop()
    protocol = web.Server(lambda _: None)()
    payload = StreamReader(protocol, 2**16, loop=loop)
    payload.feed_data(body)
    if is_whole:
        payload.feed_eof()
    named = CIMultiDictProxy(CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}))
    head = RawRequestMessage("POST", path, HttpVersion11, named, (), False, None, False, False, URL(path))
    return web.Request(head, payload, protocol, None, asyncio.current_task(), loop)


@pytest.fixture
def door(store: Store) -> Door:
    return Door(store)


@pytest.fixture
async def store_file(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[tuple[Store, Path]]:
    path = tmp_path / "kf.db"
    shutil.copy(migrated_sqlite, path)
    store = Store.from_url(f"sqlite:///{path}", APPID)
    async with store.begin():
        pass  # a connection that a short time limit cuts off would be left to the garbage collector
    yield store, path
    await store.close()
    await driver_threads_ended()


@asynccontextmanager
async def hanging(path: Path) -> AsyncIterator[None]:
    """Let the store wait for another transaction, which it does for five seconds. The block must not."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(4):
            yield


@contextmanager
def counted_transactions() -> Iterator[list[str]]:
    begun: list[str] = []
    note = lambda _connection: begun.append("begin")  # noqa: E731
    sa.event.listen(sa.Engine, "begin", note)
    try:
        yield begun
    finally:
        sa.event.remove(sa.Engine, "begin", note)


SUCCESS = (200, b"success")
OTHER_TICKETS = [
    sealed_push(
        f"<InfoType>component_verify_ticket</InfoType><ComponentVerifyTicket>{ticket}</ComponentVerifyTicket>"
    )
    for ticket in ("ticket@@@other", "ticket@@@third")
]


async def row(store: Store) -> platform_rows.PlatformRow:
    async with store.begin() as tx:
        return await platform_rows.load(tx, PLATFORM_APPID)


async def test_ticket_is_stored_sealed_with_the_time_of_its_arrival(door, store, clock):
    assert await door.send(vectors.TICKET) == SUCCESS
    assert await door.ticket() == TICKET_TEXT
    found = await row(store)
    assert (found.ticket_at.timestamp(), found.pushed_at) == (1795003200, clock())
    assert (door.counts, door.woken) == ({("component_verify_ticket", "taken"): 1}, 1)


async def test_repeated_ticket_and_one_that_is_not_newer_change_nothing(door, store, clock):
    await door.send(vectors.TICKET)
    before = await row(store)
    clock.forward(minutes=10)
    assert [await door.send(one) for one in (vectors.TICKET, *OTHER_TICKETS)] == [SUCCESS] * 3
    assert await row(store) == before
    assert await door.ticket() == TICKET_TEXT
    assert (door.counts["component_verify_ticket", "old"], door.woken) == (3, 1)


@pytest.mark.both_stores
async def test_authorisation_is_stored_with_its_code_and_wakes_the_exchange(door, store):
    assert await door.send(AUTHORISATION) == SUCCESS
    assert [one.slug for one in await loaded(store)] == ["wx0000a1"]
    async with store.begin() as tx:
        stored = await tx.run(sa.text("SELECT value FROM secret WHERE name = 'code'"))
    assert KEYS.open("wx00000000000000a1", "code", stored.scalar_one()) == "queryauthcode@@@EXAMPLE"
    assert await door.send(vectors.WITHDRAWAL) == SUCCESS
    assert await door.send(AUTHORISATION) == SUCCESS  # it is older
    assert [one.state for one in await loaded(store)] == ["revoked"]
    assert await code_of(store) == ""
    assert door.counts == {("authorized", "taken"): 1, ("unauthorized", "taken"): 1, ("authorized", "old"): 1}
    assert door.woken == 2


async def test_other_events_are_counted_and_cost_no_transaction(door):
    push = sealed_push("<InfoType>notify_third_fasteregister</InfoType>")
    malformed = sealed_push("<InfoType>unauthorized</InfoType><AuthorizerAppid>wx a1</AuthorizerAppid>")
    with counted_transactions() as begun:
        assert [await door.send(push), await door.send(malformed)] == [SUCCESS] * 2
    assert begun == []
    assert door.counts == {("other", "taken"): 1, ("unauthorized", "refused"): 1}


async def test_previous_key_opens_pushes_until_it_is_removed(store):
    assert await Door(store).send(OLD_KEY) == SUCCESS
    assert await Door(store, (AES_KEY,)).send(OLD_KEY) == (401, b"")


async def test_answer_is_the_word_and_nothing_around_it(door):
    path = f"{EVENTS_PATH}?{urlencode(vectors.TICKET.query)}"
    answer = await door.endpoint.events(request(path, vectors.TICKET.body, {}))
    assert (answer.body, answer.headers["Content-Type"]) == (b"success", "text/plain")


# A store that hangs


async def test_ticket_that_cannot_be_stored_in_time_is_kept_for_the_next_renewal(store_file):
    store, path = store_file
    door = Door(store, within=0.05)
    async with hanging(path):
        assert await door.send(vectors.TICKET) == SUCCESS
    assert door.counts == {("component_verify_ticket", "kept"): 1}
    assert (await row(store)).ticket_at is None
    assert await door.ticket() == TICKET_TEXT
    assert await StoredTokens(store, KEYS).secret(PLATFORM_APPID, TICKET) == TICKET_TEXT  # of another process


async def test_kept_ticket_does_not_replace_a_newer_one(store_file):
    store, path = store_file
    door = Door(store, within=0.05)
    async with hanging(path):
        await door.send(vectors.TICKET)
        await door.send(OTHER_TICKETS[0])  # of the same second
    newer = KEYS.seal(PLATFORM_APPID, TICKET, "ticket@@@newer")
    async with store.begin() as tx:
        created_at = open_push(
            vectors.WITHDRAWAL.body, vectors.WITHDRAWAL.query, token=TOKEN, keys=[AES_KEY], appid=PLATFORM_APPID
        ).created_at
        assert await platform_rows.take_ticket(tx, PLATFORM_APPID, created_at, newer)
    assert [await door.ticket(), await door.ticket()] == ["ticket@@@newer"] * 2


async def test_event_that_cannot_be_stored_in_time_is_asked_for_again(store_file, caplog):
    store, path = store_file
    door = Door(store, within=0.05)
    async with hanging(path):
        assert await door.send(AUTHORISATION) == (503, b"")
    assert (door.counts, door.woken) == ({("authorized", "lost"): 1}, 0)
    assert "push not stored kind=authorized account=wx00000000000000a1" in caplog.text
    assert await Door(store).send(AUTHORISATION) == SUCCESS


async def test_bug_loses_no_event_and_no_ticket(store_file, caplog):
    store, _ = store_file
    door = Door(store)
    async with store.begin() as tx:
        for table in ("tenant", "platform"):
            await tx.run(
                sa.text(f"CREATE TRIGGER t_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(FAIL, 'x'); END")
            )
    assert await door.send(AUTHORISATION) == (503, b"")
    assert await door.send(vectors.TICKET) == SUCCESS
    assert "push could not be handled" in caplog.text


def test_limits_of_body_and_store_leave_time_until_wechat_gives_up():
    assert BODY_SECONDS + STORE_SECONDS <= 4


# Hostile requests


def hostile(chance: random.Random) -> tuple[bytes, dict[str, str]]:
    """Return a body and a query that are not WeChat's: a push with a change in what is signed, or anything else."""
    push = chance.choice(vectors.VECTORS)
    body, query = push.body, push.query
    match chance.randrange(10):
        case 0:
            return chance.randbytes(chance.randrange(200)), query
        case 1:
            name = chance.choice(["timestamp", "nonce", "msg_signature"])
            query[name] = "".join(chance.choices(string.printable + "é码", k=chance.randrange(60)))
        case 2:
            del query[chance.choice(["timestamp", "nonce", "msg_signature"])]
        case 3:
            place = chance.randrange(len(push.encrypt) - 4)  # the last characters have bits of no meaning
            letter = chance.choice("ABCDabcd0123+/=")
            changed = push.encrypt[:place] + letter + push.encrypt[place + 1 :]
            return (replace(push, encrypt=changed).body, query) if changed != push.encrypt else (b"", query)
        case 4:
            return body[: chance.randrange(len(body) - 10)], query
        case 5:
            nested = chance.randrange(1, 9000)
            return b"<a>" * nested + b"</a>" * chance.choice([0, nested]), query
        case 6:
            dtd = chance.choice(['<!ENTITY a "aaaa">', '<!ENTITY a SYSTEM "file:///etc/passwd">', ""])
            return f"<!DOCTYPE xml [{dtd}]>".encode() + body.replace(b"<Encrypt>", b"<Encrypt>&a;"), query
        case 7:
            encoding = chance.choice(["utf-16", "utf-7", "no-such"])
            head = f'<?xml version="1.0" encoding="{encoding}"?>'
            return head.encode() + (body.decode().encode("utf-16") if encoding == "utf-16" else body), query
        case 8:
            return chance.randbytes(MAX_BODY + 1), query
        case _:  # an attacker who knows the token, but neither key
            bad = signed(encrypted(bytes(16 * chance.randrange(1, 5)), PREVIOUS_AES_KEY[::-1]))
            return bad.body, bad.query
    return body, query


@contextmanager
def whole_log() -> Iterator[io.StringIO]:
    """Collect what the bot and all libraries log at DEBUG, as the bot writes it and as it came."""
    collected = io.StringIO()
    root = logging.getLogger()
    noisy = [logging.getLogger(name) for name in (*logs.NOISY_LOGGERS, "sqlalchemy.engine", "sqlalchemy.pool")]
    levels = [one.level for one in (root, *noisy)]
    raw = logging.StreamHandler(collected)
    logs.configure("DEBUG", [], stream=collected)
    root.addHandler(raw)
    for one in noisy:
        one.setLevel(logging.DEBUG)
    try:
        yield collected
    finally:
        for one, level in zip((root, *noisy), levels, strict=True):
            one.setLevel(level)


async def test_hostile_pushes_get_an_empty_refusal_and_cost_no_transaction_and_one_line(store_file):
    door, chance = Door(store_file[0]), random.Random(17)
    number = share(500, 10_000)
    with counted_transactions() as begun, whole_log() as log:
        answers = Counter([await door.post(*hostile(chance)) for _ in range(number)])
    assert set(answers) == {(status, b"") for status in (400, 401, 413)}
    assert begun == []
    assert door.counts == {("other", "refused"): number}
    assert log.getvalue().count("request rejected reason=") == 2  # by the bot's handler, and by the other one


async def test_no_secret_of_a_push_is_in_the_log_at_debug(store_file):
    store, path = store_file
    door = Door(store)
    with whole_log() as log:
        async with hanging(path):
            for push in (vectors.TICKET, AUTHORISATION):
                await Door(store, within=0.05).send(push)
        for push in vectors.VECTORS:
            await door.send(push)
            await door.post(push.body, push.query | {"msg_signature": "0" * 40})
        assert await door.ticket() == TICKET_TEXT
        async with client_of(app(door)) as client:
            await client.post(EVENTS_PATH, params=vectors.TICKET.query, data=vectors.TICKET.body)
            await client.get(AUTHORIZED_PATH, params={"auth_code": "queryauthcode@@@EXAMPLE", "fails": "SECRET"})
    text = log.getvalue()
    assert "push not stored" in text
    assert "INSERT INTO tenant" in text
    secrets = [TICKET_TEXT, "queryauthcode@@@", "preauthcode@@@", TOKEN, AES_KEY, PREVIOUS_AES_KEY, "SECRET"]
    assert [line for line in text.splitlines() for secret in secrets if secret in line] == []


async def test_long_body_is_refused_before_it_has_arrived(door):
    query = vectors.TICKET.query
    assert await door.post(b"x" * (MAX_BODY + 1), query, is_whole=False) == (413, b"")
    assert await door.post(b"", query, is_whole=False, Content_Length=str(MAX_BODY + 1)) == (413, b"")
    assert (await door.post(b" " * MAX_BODY, query))[0] == 400


async def test_compressed_body_is_refused(door):
    assert await door.post(vectors.TICKET.body, vectors.TICKET.query, Content_Encoding="gzip") == (400, b"")


async def test_body_that_does_not_arrive_is_not_waited_for(door, caplog):
    async with serve(app(door)) as url:
        host, port = url.removeprefix("http://").split(":")
        head = f"POST {EVENTS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
        reader, slow = await asyncio.open_connection(host, int(port))
        slow.write(f"{head}<xml>".encode())
        _, gone = await asyncio.open_connection(host, int(port))
        gone.write(head.encode())
        await gone.drain()
        gone.transport.abort()
        async with asyncio.timeout(5):
            assert await reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
        slow.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


# Paths and pages


async def ready() -> Readiness:
    return Readiness()


@asynccontextmanager
async def client_of(app: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    async with serve(app) as url, aiohttp.ClientSession(url) as session:
        yield session


def app(door: Door) -> web.Application:
    return make_web_app(ready, platform=door.endpoint)


async def test_paths_exist_with_and_without_a_slash_at_the_end(door):
    push = vectors.TICKET
    async with client_of(app(door)) as client:
        for path in (EVENTS_PATH, f"{EVENTS_PATH}/"):
            answer = await client.post(path, params=push.query, data=push.body)
            assert (answer.status, await answer.read()) == SUCCESS


@pytest.mark.parametrize("path", [EVENTS_PATH, MESSAGES.rpartition("/")[0], START_PATH, AUTHORIZED_PATH])
async def test_paths_do_not_exist_without_a_platform(path):
    async with client_of(make_web_app(ready)) as client:
        for method in ("GET", "POST"):
            assert (await client.request(method, path)).status == 404


async def test_messages_of_customers_are_answered_and_not_read(door):
    async with client_of(app(door)) as client:
        for path in (MESSAGES.rpartition("/")[0], MESSAGES.rpartition("/")[0] + "/"):
            answer = await client.post(path, data=b"x" * 100_000)
            assert (answer.status, await answer.read()) == SUCCESS
    unread = request(MESSAGES, b"", {}, is_whole=False)
    assert (await door.endpoint.messages(unread)).status == 200


async def test_pages_get_the_query_and_the_languages_of_the_reader(door):
    async with client_of(app(door)) as client:
        answer = await client.get(f"{START_PATH}?s=abc", headers={"Accept-Language": "zh"})
        assert (answer.status, await answer.text()) == (200, "<p>开始")
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Referrer-Policy"] == "origin"
        assert (await client.head(f"{START_PATH}?s=abc")).status == 405
        assert (await client.get(f"{AUTHORIZED_PATH}?fails=on+purpose")).status == 503
    assert door.asked == [({"s": "abc"}, "zh"), ({"fails": "on purpose"}, "")]


async def test_event_that_comes_while_accounts_are_read_is_not_taken_and_a_ticket_may_be_missed(door, store):
    door.attached.clear()
    assert await door.send(vectors.TICKET) == SUCCESS
    assert await door.send(AUTHORISATION) == (503, b"")
    assert await loaded(store) == []
    door.attached.set()
    assert await door.send(AUTHORISATION) == SUCCESS


async def test_requests_go_to_the_handlers_of_the_last_reload(store_file):
    front, port = Front(Rejections()), free_port()
    doors = [Door(store_file[0]), Door(store_file[0])]

    async def nothing(*_: object) -> tuple[int, str]:
        return 200, ""

    async def metrics() -> bytes:
        return b""

    await front.listen(
        *("127.0.0.1", port),
        signing_secret="s",
        takes_commands=True,
        has_metrics=False,
        open_push=partial(open_push, token=TOKEN, keys=(AES_KEY,), appid=PLATFORM_APPID),
    )
    for each in doors:
        front.attach(Handlers(ready, nothing, metrics, each.handlers))
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {START_PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert b" 200 " in await reader.readline()
            writer.close()
    await front.close()
    assert [len(each.asked) for each in doors] == [1, 1]
