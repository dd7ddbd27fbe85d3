"""Helpers of the tests of `wechat_kf`: a client over a function or over the simulator, raw servers, faults."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from tests.conftest import APPID, VirtualClock
from wechat_kf import FixedToken, KfClient, StableToken, TokenSource, protocol, transport
from wechat_kf.simulator import Simulator

BASE_URL = "https://api.weixin.qq.com"
SECRET = "5f1d0000aaaa1111bbbb2222cccc3333"
ACCESS_TOKEN = "87_EXAMPLE-not-a-real-token"
ANNA, BO = "anna@harbour_tea", "bo@harbour_tea"
CREDENTIALS = {"grant_type": "client_credential", "appid": APPID, "secret": SECRET}
FIXTURES = Path(__file__).parent / "fixtures" / "wechat"

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Awaitable[httpx.Response]]


def fixture(name: str) -> bytes:
    """Return an example response of the documentation, byte for byte."""
    return (FIXTURES / f"{name}.json").read_bytes()


def answer(**fields: object) -> httpx.Response:
    return httpx.Response(200, json=fields)


def refusal(errcode: int, errmsg: str = "refused") -> httpx.Response:
    return answer(errcode=errcode, errmsg=errmsg)


class Answering:
    """A server that gives each response in turn, then always the last one, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, Exception):
            raise given
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)


class Pauses:
    """A sleep that takes no time and remembers what it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def http_client(handler: Handler) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url=BASE_URL, trust_env=False)


def kf_client(handler: Handler, tokens: TokenSource | None = None, *, pauses: Pauses | None = None) -> KfClient:
    """Return our own client over a function that plays WeChat."""
    return KfClient(http_client(handler), tokens or FixedToken(ACCESS_TOKEN), sleep=pauses or Pauses())


def stable_token(handler: Handler, clock: VirtualClock | None = None, *, within: float = 10) -> StableToken:
    return StableToken(http_client(handler), APPID, SECRET, now=clock or VirtualClock(), within=within)


def mounted(simulator: Simulator, clock: VirtualClock, client_ip: str = "203.0.113.7") -> Handler:
    """Wrap the simulator for `httpx.MockTransport`; slow responses time out at once."""

    def handle(request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, dict(request.url.params)
        fault = simulator.next_request_fault(path)
        try:
            status, body = simulator.answer(
                request.method, path, query, request.content, clock(), client_ip, fault=fault
            )
        except ConnectionResetError:
            raise httpx.ReadError(f"{request.url} broke the connection", request=request) from None
        except ConnectionError:
            raise httpx.ConnectError(f"cannot reach {request.url}", request=request) from None
        if fault.seconds + fault.answer_delay >= request.extensions["timeout"]["read"]:
            raise httpx.ReadTimeout(f"nothing from {request.url}", request=request)
        headers = {"content-type": fault.content_type}
        if fault.content_encoding:
            headers["content-encoding"] = fault.content_encoding
        # As a stream: a Response decodes what it is given as content at once.
        return httpx.Response(status, stream=httpx.ByteStream(body), headers=headers)

    return handle


def simulated(
    simulator: Simulator, clock: VirtualClock, *, pauses: Pauses | None = None, client_ip: str = "203.0.113.7"
) -> KfClient:
    """Return the client of a deployment, with its AppSecret, against the simulator."""
    handler = mounted(simulator, clock, client_ip)
    return kf_client(handler, stable_token(handler, clock), pauses=pauses)


class Caller:
    """Calls the simulator as any HTTP client might, at the moment its clock shows."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.clock = VirtualClock()

    def raw(self, method: str, path: str, body: bytes = b"", **query: str) -> tuple[int, bytes]:
        return self.simulator.answer(method, path, query, body, self.clock())

    def call(self, method: str, path: str, payload: object = None, **query: str) -> dict[str, object]:
        body = b"" if payload is None else json.dumps(payload, ensure_ascii=False).encode()
        status, answer = self.raw(method, path, body, **query)
        assert status == 200
        return json.loads(answer)

    def token(self, payload: object = CREDENTIALS) -> dict[str, object]:
        return self.call("POST", protocol.TOKEN, payload)

    def get(self, path: str = protocol.KF_LIST) -> dict[str, object]:
        return self.call("GET", path, access_token=str(self.token()["access_token"]))

    def post(self, path: str, **payload: object) -> object:
        """Return the errcode of a write."""
        return self.call("POST", path, payload, access_token=str(self.token()["access_token"]))["errcode"]

    def row(self, position: int = 0) -> dict[str, object]:
        return self.get()["kf_list"][position]


def harbour_tea() -> Caller:
    """Return a caller of a simulator with a bound and an idle account."""
    simulator = Simulator(APPID, SECRET, over_limit=["crowded_example"])
    simulator.add_account(ANNA, "Anna", kf_wx="anna_example", kf_headimgurl="http://mmbiz.example/1")
    simulator.add_account(BO, "小波")
    return Caller(simulator)


def json_of(request: httpx.Request) -> dict[str, object]:
    return dict(json.loads(request.content))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return the exception, and everything that a traceback would print with it."""
    seen: list[BaseException | None] = [None]
    queue = [error]
    while queue:
        link = queue.pop()
        if link is not None and link not in seen:
            seen.append(link)
            yield link
            queue += [link.__cause__, link.__context__]


def assert_reveals_no_secret(error: BaseException, *secrets: str) -> None:
    """Assert that neither the exception nor its traceback contains a secret."""
    for link in chain(error):
        assert type(link).__module__.partition(".")[0] not in ("httpx", "httpcore")
    told = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
    for secret in (*secrets, ACCESS_TOKEN, SECRET, "access_token=", "https://"):
        assert secret not in told


@contextmanager
def all_at_debug() -> Iterator[None]:
    """Set every logger of the process to DEBUG."""
    loggers = [logging.getLogger(name) for name in [None, *transport.LOGGERS, *logging.root.manager.loggerDict]]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@asynccontextmanager
async def raw_server(reply: bytes) -> AsyncIterator[str]:
    """Serve these bytes on loopback for any request; yield host and port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
