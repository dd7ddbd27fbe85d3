"""Several simulated Official Accounts at one address: each request reaches its own account, and no other."""

from __future__ import annotations

import json

import httpx
import pytest

from bot.demo.servers import serve_wechat
from tests.conftest import VirtualClock
from tests.fleets import HARBOUR, ORCHID
from wechat_kf import KfClient, SetupError, StableToken, protocol
from wechat_kf.simulator import Fault, FaultMode, Simulator, World


@pytest.fixture
def world() -> World:
    made = World([Simulator(HARBOUR, "secret-1"), Simulator(ORCHID, "secret-3", suffix="orchid")])
    made[HARBOUR].add_account("bo@harbour_tea", "Bo")
    made[ORCHID].add_account("bo@harbour_tea", "小波")
    return made


class Caller:
    """Calls the world without a network, at the moment that its clock shows."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = VirtualClock()

    def call(self, method: str, path: str, body: bytes = b"", **query: str) -> dict[str, object]:
        account = self.world.addressed(path, query, body)
        return json.loads(account.answer(method, path, query, body, self.clock())[1])

    def token(self, appid: str, secret: str) -> dict[str, object]:
        asked = {"grant_type": "client_credential", "appid": appid, "secret": secret}
        return self.call("POST", protocol.TOKEN, json.dumps(asked).encode())


@pytest.fixture
def caller(world: World) -> Caller:
    return Caller(world)


def test_access_token_reads_the_list_of_its_own_account(caller):
    harbour = str(caller.token(HARBOUR, "secret-1")["access_token"])
    orchid = str(caller.token(ORCHID, "secret-3")["access_token"])
    assert "Bo" in str(caller.call("GET", protocol.KF_LIST, access_token=harbour))
    assert "小波" in str(caller.call("GET", protocol.KF_LIST, access_token=orchid))
    # A token that is no longer valid reaches no other account either.
    caller.world[HARBOUR].tokens.kill()
    assert caller.call("GET", protocol.KF_LIST, access_token=harbour)["errcode"] == 40001
    assert "小波" in str(caller.call("GET", protocol.KF_LIST, access_token=orchid))


@pytest.mark.parametrize("query", [{"access_token": "87_of_no_account"}, {"access_token": ""}, {}])
def test_token_of_no_account_is_refused(caller, query):
    assert caller.call("GET", protocol.KF_LIST, **query)["errcode"] in (40001, 41001)
    assert [len(one.log) for one in caller.world.accounts.values()] == [0, 0]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [(b"", 44002), (b"{", 47001), (b"[]", 47001), (b'{"grant_type":"client_credential"}', 41002)],
)
def test_request_for_a_token_without_an_account_is_refused_as_by_one_account(caller, body, errcode):
    assert caller.call("POST", protocol.TOKEN, body)["errcode"] == errcode


def test_secret_of_another_account_is_refused(caller):
    assert caller.token(HARBOUR, "secret-3")["errcode"] == 40125
    assert caller.token("wx9999999999999999", "secret-1")["errcode"] == 40013


def test_account_is_created_when_its_first_token_is_requested():
    made: list[str] = []

    def create(appid: str) -> Simulator | None:
        made.append(appid)
        return Simulator(appid, "secret-1") if appid == HARBOUR else None

    caller = Caller(World(create=create))
    assert caller.world.accounts == {}
    token = str(caller.token(HARBOUR, "secret-1")["access_token"])
    caller.world[HARBOUR].add_account("bo@harbour_tea", "Bo")
    assert "Bo" in str(caller.call("GET", protocol.KF_LIST, access_token=token))
    caller.token(HARBOUR, "secret-1")
    assert caller.token(ORCHID, "secret-3")["errcode"] == 40013
    assert made == [HARBOUR, ORCHID]


async def test_one_server_answers_for_every_account_with_the_faults_of_each(world):
    async with serve_wechat(world) as url, httpx.AsyncClient(base_url=url) as http:
        clock = VirtualClock()
        harbour, orchid = (
            KfClient(http, StableToken(http, appid, secret, now=clock))
            for appid, secret in ((HARBOUR, "secret-1"), (ORCHID, "secret-3"))
        )

        async def nicks(client: KfClient) -> list[str]:
            return [account.kf_nick for account in (await client.kf_list()).accounts]

        assert (await nicks(harbour), await nicks(orchid)) == (["Bo"], ["小波"])
        world[ORCHID].inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001))
        assert await nicks(harbour) == ["Bo"]
        with pytest.raises(SetupError, match="48001"):
            await orchid.kf_list()
        world.clear_faults()
        assert await nicks(orchid) == ["小波"]
        world.inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001))
        for client in (harbour, orchid):
            with pytest.raises(SetupError, match="48001"):
                await client.kf_list()
