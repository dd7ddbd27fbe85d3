"""Requests at the same time have connections of their own, and later requests use these again."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from wechat_kf.connections import SeparateConnections


class Transport(httpx.AsyncBaseTransport):
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        if self.error:
            raise self.error
        await self.go.wait()
        return httpx.Response(200, stream=httpx.ByteStream(b"answer"))

    async def aclose(self) -> None:
        self.is_closed = True


class Made(list[Transport]):
    def __call__(self) -> Transport:
        self.append(Transport())
        return self[-1]


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
async def client(made):
    async with httpx.AsyncClient(base_url="http://wechat", transport=SeparateConnections(made)) as client:
        yield client
    assert all(transport.is_closed for transport in made)


async def start(client: httpx.AsyncClient, *paths: str) -> list[asyncio.Task[httpx.Response]]:
    tasks = [asyncio.create_task(client.get(path)) for path in paths]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


async def test_requests_at_the_same_time_do_not_share_a_transport(client, made):
    tasks = await start(client, "/1", "/2", "/3")
    assert [transport.requests for transport in made] == [["/1"], ["/2"], ["/3"]]
    for transport in made:
        transport.go.set()
    assert [(await task).text for task in tasks] == ["answer"] * 3


async def test_request_after_another_uses_its_transport_again(client, made):
    for path in ("/1", "/2"):
        (task,) = await start(client, path)
        made[0].go.set()
        await task
    assert [transport.requests for transport in made] == [["/1", "/2"]]


async def test_transport_is_not_used_again_before_the_answer_was_read(client, made):
    (task,) = await start(client, "/0")
    made[0].go.set()
    await task
    async with client.stream("GET", "/1"):
        await start(client, "/2")
        assert [transport.requests for transport in made] == [["/0", "/1"], ["/2"]]
        made[1].go.set()


async def test_transport_is_used_again_after_an_error_and_after_a_cancellation(client, made):
    (task,) = await start(client, "/1")
    task.cancel()
    await asyncio.wait([task])
    made[0].error = httpx.ConnectError("refused")
    with pytest.raises(httpx.ConnectError):
        await client.get("/2")
    made[0].error = None
    made[0].go.set()
    assert (await client.get("/3")).text == "answer"
    assert [transport.requests for transport in made] == [["/1", "/2", "/3"]]
