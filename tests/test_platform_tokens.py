"""Tokens of a platform and of its accounts: renewed in time, by one process, and used until then by all."""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from tests.conftest import NOW, VirtualClock
from tests.token_rows import LIFE, MERCHANT, PLATFORM, SECRET, Fleet, KilledError, Row, fleet
from tests.wechat import chain, http_client, refusal
from wechat_kf import APIError, KfError, QuotaError, ResponseError, SetupError, TokenError, TransportError, platform
from wechat_kf.errors import BusyError
from wechat_kf.platform_tokens import (
    ComponentToken,
    NoRefreshTokenError,
    NoTicketError,
    PlatformToken,
    call_platform,
)
from wechat_kf.token_store import TokenKind, TokenPolicy

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
MARGIN, LEASE = TokenPolicy().margin, TokenPolicy().lease
ACCOUNT = (MERCHANT, TokenKind.AUTHORIZER)


@pytest.fixture
async def place() -> Fleet:
    return fleet()


def stored(place: Fleet, left: timedelta = LIFE, value: str = "old") -> Row:
    """Give the platform a token with so much of its life left."""
    row = place.rows.row()
    row.value, row.expires_at = value, place.clock() + left
    place.issuer.valid_until[value] = row.expires_at
    return row


async def failure(tokens, *args: str) -> KfError:
    with pytest.raises(KfError) as failed:
        await (tokens.refresh(*args) if args else tokens.get())
    return failed.value


# When a token is renewed


async def test_first_token_is_requested_with_the_ticket_and_stored_for_all_processes(place: Fleet):
    token = await place.component().get()
    assert place.issuer.requests == [
        {
            "component_appid": PLATFORM,
            "component_appsecret": SECRET,
            "component_verify_ticket": "ticket@@@HUSH",
        }
    ]
    assert place.rows.row() == Row(token, NOW + LIFE, fence=2)
    assert await place.component().get() == token
    assert len(place.issuer.requests) == 1


async def test_first_token_of_an_account_is_requested_with_the_platforms(place: Fleet):
    token = await place.merchant().get()
    assert place.issuer.issued == [place.rows.row().value, token]
    assert place.issuer.requests[1] == {
        "component_appid": PLATFORM,
        "authorizer_appid": MERCHANT,
        "authorizer_refresh_token": "refreshtoken@@@HUSH",
    }
    assert place.rows.row(*ACCOUNT) == Row(token, NOW + LIFE, fence=2)
    assert place.renewals == [("component", ""), ("authorizer", "")]


@pytest.mark.parametrize(
    ("left", "expected"),
    [(LIFE, "old"), (MARGIN + SECOND, "old"), (MARGIN, "HUSH-component-1"), (-SECOND, "HUSH-component-1")],
)
async def test_token_is_renewed_ten_minutes_before_its_end(place: Fleet, left: timedelta, expected: str):
    stored(place, left)
    assert await place.component().get() == expected


@pytest.mark.parametrize("seconds", [300, 1200])
async def test_token_with_a_short_life_is_renewed_when_half_of_it_is_over(place: Fleet, seconds: int):
    place.issuer.life = timedelta(seconds=seconds)
    processes = [place.component(), place.component()]
    for _ in range(seconds // 10):
        for tokens in processes:
            assert place.issuer.valid_until[await tokens.get()] > place.clock()
        place.clock.forward(seconds=10)
    assert [claim.left for claim in place.rows.claims] == [timedelta(0), timedelta(seconds=seconds / 2)]
    merchant = place.merchant()
    assert await merchant.get() == await merchant.get()


async def test_copy_in_memory_is_used_for_a_minute_and_not_within_the_margin(place: Fleet):
    stored(place, MARGIN + 90 * SECOND)
    tokens = place.component()
    assert tokens.expires_at is None
    reads = []
    for _ in range(8):
        await tokens.get()
        reads.append(place.rows.calls.count("get"))
        place.clock.forward(seconds=15)
    assert reads == [1, 1, 1, 1, 2, 2, 3, 3]
    assert place.issuer.issued == ["HUSH-component-1"]
    assert tokens.expires_at == NOW + 90 * SECOND + LIFE


def test_margin_of_an_account_is_between_five_and_fifteen_minutes_and_stays_the_same(clock: VirtualClock):
    def margin(appid: str) -> timedelta:
        return PlatformToken(http_client(lambda _: None), PLATFORM, appid, None, None)._margin

    margins = [margin(f"wx{number}") for number in range(300)]
    assert margins == [margin(f"wx{number}") for number in range(300)]
    assert 5 * MINUTE <= min(margins) < 6 * MINUTE
    assert 14 * MINUTE < max(margins) <= 15 * MINUTE


async def test_life_beyond_a_day_is_taken_for_a_day(place: Fleet):
    place.issuer.expires_in = "99999999"
    await place.component().get()
    assert place.rows.row().expires_at == NOW + timedelta(days=1)


async def test_refresh_token_of_an_answer_is_stored_with_the_token_if_there_is_one(place: Fleet):
    place.issuer.refresh_token = "refreshtoken@@@HUSH-2"
    await place.merchant().get()
    assert place.rows.secrets[MERCHANT, "refresh_token"] == "refreshtoken@@@HUSH-2"
    place.issuer.refresh_token = ""
    place.clock.forward(hours=3)
    await place.merchant().get()
    assert place.rows.secrets[MERCHANT, "refresh_token"] == "refreshtoken@@@HUSH-2"


async def test_newer_refresh_token_that_the_list_brings_during_a_renewal_stays(place: Fleet):
    await place.component().get()
    place.issuer.open.clear()
    place.issuer.asked.clear()
    renewing = asyncio.create_task(place.merchant().get())
    await place.issuer.asked.wait()
    place.rows.secrets[MERCHANT, "refresh_token"] = "refreshtoken@@@of the list"
    place.issuer.open.set()
    assert await renewing == "HUSH-authorizer-2"
    assert place.rows.secrets[MERCHANT, "refresh_token"] == "refreshtoken@@@of the list"


# Callers of one process


async def test_concurrent_callers_share_one_renewal(place: Fleet):
    tokens = place.component()
    assert set(await asyncio.gather(*(tokens.get() for _ in range(50)))) == {"HUSH-component-1"}
    assert place.rows.calls == ["get", "claim", "secret", "put"]


async def test_renewal_goes_on_without_the_caller_that_began_it(place: Fleet, caplog: pytest.LogCaptureFixture):
    place.issuer.open.clear()
    tokens = place.component()
    impatient, patient = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await place.issuer.asked.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    place.issuer.open.set()
    assert await patient == "HUSH-component-1"
    place.clock.forward(hours=3)
    place.issuer.refusals = [refusal(40125)]
    lonely = asyncio.create_task(tokens.get())
    await asyncio.sleep(0)
    lonely.cancel()
    for _ in range(30):
        await asyncio.sleep(0)
    gc.collect()  # an exception that was never retrieved would be logged here
    assert place.renewals == [("component", ""), ("component", "SetupError")]
    assert not caplog.records


# Several processes


async def test_old_token_is_used_while_another_process_renews_it(place: Fleet):
    stored(place, MINUTE).lease_until = NOW + LEASE
    assert await place.component().get() == "old"
    assert place.issuer.requests == []


async def test_process_without_a_valid_token_waits_for_the_one_that_renews(place: Fleet):
    async def sleep(seconds: float) -> None:
        await place.sleep(seconds)
        if place.clock() > NOW + 3 * SECOND:
            place.issuer.open.set()

    place.issuer.open.clear()
    first, second = place.component(), place.component(sleep=sleep)
    renewing = asyncio.create_task(first.get())
    await place.issuer.asked.wait()
    assert await second.get() == await renewing == "HUSH-component-1"


async def test_wait_for_a_process_that_renews_ends_after_five_seconds(place: Fleet):
    place.rows.row().lease_until = NOW + LEASE
    error = await failure(place.component())
    assert isinstance(error, TransportError)
    assert error.timed_out
    assert 5 * SECOND <= place.clock() - NOW < 6 * SECOND
    assert place.rows.calls == ["get"] * 26


@pytest.mark.parametrize("at", ["secret", "put"])
async def test_killed_renewal_delays_the_next_one_by_the_lease(place: Fleet, at: str):
    stored(place, MINUTE)

    def killed(method: str) -> None:
        if method == at:
            raise KilledError

    place.rows.before = killed
    with pytest.raises(KilledError):
        await place.component().get()
    place.rows.before = lambda method: None
    requests = len(place.issuer.requests)
    place.clock.now = NOW + LEASE - SECOND
    assert await place.component().get() == "old"
    assert len(place.issuer.requests) == requests
    place.clock.now = NOW + LEASE
    assert await place.component().get() == place.issuer.issued[-1] == place.rows.row().value
    assert len(place.issuer.requests) == requests + 1


async def test_process_that_read_the_row_before_a_renewal_does_not_renew_again(place: Fleet):
    stored(place, MINUTE)
    slow, quick = place.component(), place.component()

    async def overtaken(owner: str, kind: TokenKind, fence: int, lease: timedelta) -> bool:
        place.rows.claim = claim
        assert await quick.get() == "HUSH-component-1"
        return await claim(owner, kind, fence, lease)

    claim, place.rows.claim = place.rows.claim, overtaken
    assert await slow.get() == "old"
    assert await slow.get() == "HUSH-component-1"
    assert len(place.issuer.requests) == 1


async def test_nothing_is_requested_under_a_lease_that_the_store_has_granted_late(place: Fleet):
    async def late(*args: object) -> bool:
        granted = await claim(*args)
        await asyncio.sleep(0.05)
        return granted

    claim, place.rows.claim = place.rows.claim, late
    tokens = place.component(policy=TokenPolicy(lease=timedelta(seconds=0.06)))
    assert isinstance(await failure(tokens), TransportError)
    assert place.issuer.requests == []
    assert place.rows.row().lease_until is None
    place.rows.claim = claim
    assert await place.component().get() == "HUSH-component-1"


async def test_process_that_lost_its_claim_uses_the_token_of_the_next_one(place: Fleet):
    first, second = place.component(), place.component()

    async def overtaken(*args: object, **options: object) -> bool:
        place.rows.put = put
        place.clock.now += LEASE
        await second.get()
        return await put(*args, **options)

    put, place.rows.put = place.rows.put, overtaken
    assert await first.get() == "HUSH-component-2" == place.rows.row().value
    assert place.renewals == [("component", "")]


@pytest.mark.parametrize("seed", range(4))
async def test_processes_that_race_and_die_never_renew_at_once_or_early(place: Fleet, seed: int):
    chance = random.Random(seed)
    kills = 0

    def before(method: str) -> None:
        nonlocal kills
        if method in ("secret", "put") and chance.random() < 1 / 3:
            kills += 1
            raise KilledError

    async def use(tokens: ComponentToken) -> None:
        with suppress(KilledError, TransportError):
            token = await tokens.get()
            if place.issuer.valid_until[token] <= place.clock():  # the next one died with its process
                token = await tokens.refresh(token)
            assert place.clock() < place.issuer.valid_until[token]

    place.rows.before = before
    place.issuer.life = 20 * MINUTE
    processes = [place.component() for _ in range(6)]
    for _ in range(150):
        await asyncio.gather(*map(use, chance.sample(processes, 4)))
        place.clock.forward(seconds=chance.choice([1, 5, 60, 300]))
    assert kills > 5
    assert place.issuer.most_at_once == 1
    assert max(claim.left for claim in place.rows.claims) <= MARGIN
    for first, second in pairwise(place.rows.claims):
        assert first.value != second.value or second.at - first.at >= LEASE, "the first has stored nothing"


async def test_clock_of_a_process_does_not_matter_to_the_rows(place: Fleet):
    stored(place, MARGIN + 2 * MINUTE)
    for off in (-10 * MINUTE, 10 * MINUTE):
        clock = VirtualClock(NOW + off)
        tokens = place.component(now=clock)
        assert await tokens.get() == "old"
        assert tokens.expires_at == NOW + off + MARGIN + 2 * MINUTE
    assert place.issuer.requests == []
    place.clock.forward(minutes=2)
    assert await place.component(now=VirtualClock(NOW - 10 * MINUTE)).get() == "HUSH-component-1"
    assert place.rows.row().expires_at == place.clock() + LIFE


async def test_copy_is_dropped_when_the_clock_is_set_back(place: Fleet):
    stored(place)
    clock = VirtualClock()
    tokens = place.component(now=clock)
    await tokens.get()
    stored(place, value="newer")
    clock.forward(minutes=-10)
    assert await tokens.get() == "newer"


# A refused token


async def test_refused_token_is_renewed_only_if_the_row_still_has_it(place: Fleet):
    stored(place)
    first, second = place.component(), place.component()
    assert await first.get() == await second.get() == "old"
    assert await first.refresh("old") == "HUSH-component-1"
    assert await second.refresh("old") == "HUSH-component-1"
    assert await second.refresh("older") == "HUSH-component-1"
    assert len(place.issuer.requests) == 1


async def test_refused_token_is_reported_once_when_it_was_replaced_before_its_time(place: Fleet):
    stored(place)
    processes = [place.component() for _ in range(4)]
    found = await asyncio.gather(*(one.refresh("old") for one in processes for _ in range(3)))
    assert set(found) == {"HUSH-component-1"}
    assert place.rows.reported == ["old"]


async def test_token_that_is_refused_near_its_end_or_of_an_account_is_not_reported(place: Fleet):
    stored(place, MARGIN)
    await place.component().refresh("old")
    merchant = place.merchant()
    await merchant.refresh(await merchant.get())
    assert place.rows.reported == []
    assert len(place.issuer.issued) == 3


async def test_caller_with_a_refused_token_waits_for_the_renewal_under_way(place: Fleet):
    stored(place, MINUTE)
    place.issuer.open.clear()
    tokens = place.component()
    getting = asyncio.create_task(tokens.get())
    await place.issuer.asked.wait()
    refreshing = asyncio.create_task(tokens.refresh("old"))
    place.issuer.open.set()
    assert await getting == await refreshing == "HUSH-component-1"


async def test_refused_token_is_renewed_also_if_a_read_under_way_returns_it(place: Fleet):
    stored(place)
    tokens = place.component()
    reading, refreshing = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.refresh("old"))
    assert await reading == "old"
    assert await refreshing == "HUSH-component-1"


async def test_refused_token_is_not_returned_while_another_process_renews_it(place: Fleet):
    stored(place).lease_until = NOW + LEASE
    assert isinstance(await failure(place.component(), "old"), TransportError)


async def test_refused_token_whose_renewal_must_wait_is_the_platforms_problem(place: Fleet):
    stored(place).next_try_at = NOW + 6 * MINUTE  # another system renews it too
    tokens = place.component()
    await tokens.get()
    error = await failure(tokens, "old")
    assert isinstance(error, TokenError)
    assert platform.concerns_platform(error)
    assert place.issuer.requests == []
    stored(place, value="of another process")
    assert await tokens.get() == "of another process"


# What WeChat refuses


async def test_spent_quota_stops_renewals_until_midnight_in_shanghai_and_the_old_token_is_used(place: Fleet):
    place.clock.now = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)  # 4:00 in Shanghai
    await place.merchant().get()
    place.clock.forward(minutes=116)
    await place.component().get()
    place.issuer.refusals = [refusal(45009)]
    assert await place.merchant().get() == "HUSH-authorizer-2"
    assert place.renewals[-1] == ("authorizer", "QuotaError")
    assert await place.merchant().get() == "HUSH-authorizer-2"
    place.clock.forward(minutes=4)
    error = await failure(place.merchant())
    assert isinstance(error, QuotaError)
    assert platform.concerns_platform(error)
    place.clock.now = datetime(2026, 11, 27, 16, 14, 59, tzinfo=UTC)
    requests, claims = len(place.issuer.requests), place.rows.calls.count("claim")
    assert isinstance(await failure(place.merchant()), QuotaError)
    assert (len(place.issuer.requests), place.rows.calls.count("claim")) == (requests, claims)
    place.clock.forward(seconds=1)
    assert await place.merchant().get() == place.issuer.issued[-1]


async def test_quota_that_one_account_finds_spent_stops_the_renewals_of_all(place: Fleet):
    place.clock.now = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)  # noon in Shanghai
    first, second, third = (f"wx00000000000000b{number}" for number in range(3))
    for appid in (first, second, third):
        place.rows.secrets[appid, "refresh_token"] = f"refreshtoken@@@HUSH of {appid}"
    valid = await place.merchant(appid=second).get()
    place.rows.row(second, TokenKind.AUTHORIZER).expires_at = place.clock() + 4 * MINUTE
    place.issuer.refusals = [refusal(45009)]
    assert isinstance(await failure(place.merchant(appid=first)), QuotaError)
    requests = len(place.issuer.requests)
    assert await place.merchant(appid=second).get() == valid
    error = await failure(place.merchant(appid=third))
    assert isinstance(error, QuotaError)
    assert platform.concerns_platform(error)
    assert isinstance(await failure(place.merchant(appid=second), valid), QuotaError)
    assert len(place.issuer.requests) == requests
    place.clock.now = datetime(2026, 11, 26, 16, 15, tzinfo=UTC)
    for appid in (first, second, third):
        assert await place.merchant(appid=appid).get() == place.issuer.issued[-1]


async def test_spent_quota_of_the_platforms_own_token_lasts_until_midnight_too(place: Fleet):
    place.issuer.refusals = [refusal(45009)]
    assert isinstance(await failure(place.component()), QuotaError)
    place.clock.forward(hours=1)
    assert isinstance(await failure(place.component()), QuotaError)
    place.clock.forward(hours=24)
    assert await place.component().get() == "HUSH-component-1"


async def test_account_that_meets_the_platforms_spent_quota_after_midnight_waits_no_longer_than_it(place: Fleet):
    place.clock.now = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)  # noon in Shanghai
    place.issuer.refusals = [refusal(45009)]
    assert isinstance(await failure(place.component()), QuotaError)
    for minute in (0, 14):
        place.clock.now = datetime(2026, 11, 26, 16, minute, 59, tzinfo=UTC)
        assert isinstance(await failure(place.merchant()), QuotaError)
    place.clock.now = datetime(2026, 11, 26, 16, 15, tzinfo=UTC)
    assert await place.merchant().get() == "HUSH-authorizer-2"
    assert len(place.issuer.requests) == 3


@pytest.mark.parametrize("errcode", [40125, 40013, 41004, 61004, 61011, 40001, 45011])
async def test_refusal_of_the_platform_is_tried_again_once_a_minute_by_all_processes(place: Fleet, errcode: int):
    place.issuer.refusals = [refusal(errcode, "invalid appsecret")]
    for process in range(3):
        error = await failure(place.component())
        assert isinstance(error, APIError)
        assert (error.errcode, error.of_platform) == (errcode, True)
        assert ("invalid appsecret" in str(error)) == (process == 0)
    assert len(place.issuer.requests) == 1
    place.clock.forward(seconds=60)
    assert await place.component().get() == "HUSH-component-1"


@pytest.mark.parametrize("fault", [refusal(-1), httpx.Response(502), httpx.ConnectError("refused")])
async def test_fault_that_passes_is_tried_again_by_the_next_caller(place: Fleet, fault):
    place.issuer.refusals = [fault]
    error = await failure(place.component())
    assert isinstance(error, BusyError | TransportError)
    assert await place.component().get() == "HUSH-component-1"


async def test_answer_without_a_token_is_an_error_and_the_old_token_is_used_while_it_lasts(place: Fleet):
    place.issuer.expires_in = "soon"
    assert isinstance(await failure(place.component()), ResponseError)
    stored(place, MINUTE)
    assert await place.component().get() == "old"
    assert place.rows.row().lease_until is None


async def test_renewal_is_given_up_before_its_lease_ends(place: Fleet):
    place.issuer.open.clear()
    error = await failure(place.component(policy=TokenPolicy(lease=timedelta(milliseconds=15))))
    assert isinstance(error, TransportError)
    assert error.timed_out
    assert str(error) == "no component token within 0.01 s"
    assert place.rows.calls[-1] == "fail"


async def test_platform_without_a_ticket_waits_for_one(place: Fleet):
    del place.rows.secrets[PLATFORM, "ticket"]
    error = await failure(place.component())
    assert isinstance(error, NoTicketError)
    assert (error.errcode, platform.concerns_platform(error)) == (61005, True)
    place.rows.secrets[PLATFORM, "ticket"] = "ticket@@@HUSH"
    error = await failure(place.component())
    assert isinstance(error, BusyError)
    assert (error.errcode, platform.concerns_platform(error)) == (61005, True)
    place.clock.forward(seconds=10)
    assert await place.component().get() == "HUSH-component-1"


@pytest.mark.parametrize("errcode", [61005, 61006])
async def test_refused_ticket_is_replaced_by_one_that_was_pushed_meanwhile(place: Fleet, errcode: int):
    place.issuer.refusals = [refusal(errcode)]
    error = await failure(place.component())
    assert isinstance(error, BusyError)
    assert error.errcode == errcode
    assert len(place.issuer.requests) == 1
    place.clock.forward(minutes=1)
    place.issuer.refusals = [refusal(errcode)]
    tickets = iter(["ticket@@@HUSH", "ticket@@@HUSH-2"])

    def pushed(method: str) -> None:
        if method == "secret":
            place.rows.secrets[PLATFORM, "ticket"] = next(tickets)

    place.rows.before = pushed
    assert await place.component().get() == "HUSH-component-1"
    assert place.issuer.requests[-1]["component_verify_ticket"] == "ticket@@@HUSH-2"


@pytest.mark.parametrize(
    ("errcode", "tickets", "sent"),
    [(61006, ["A", "B", "C"], ["A", "B"]), (61006, ["A", ""], ["A"]), (40125, ["A", "B"], ["A"])],
)
async def test_only_a_refused_ticket_is_replaced_and_once(place: Fleet, errcode: int, tickets, sent):
    left = iter(tickets)

    def pushed(method: str) -> None:
        if method == "secret":
            place.rows.secrets[PLATFORM, "ticket"] = next(left)

    place.rows.before = pushed
    place.issuer.refusals = [refusal(errcode)] * 3
    assert isinstance(await failure(place.component()), BusyError | SetupError)
    assert [one["component_verify_ticket"] for one in place.issuer.requests] == sent


async def test_account_without_a_refresh_token_is_not_requested(place: Fleet):
    del place.rows.secrets[MERCHANT, "refresh_token"]
    error = await failure(place.merchant())
    assert isinstance(error, NoRefreshTokenError)
    assert (error.errcode, platform.concerns_platform(error)) == (61023, False)
    assert place.issuer.requests == []
    place.rows.secrets[MERCHANT, "refresh_token"] = "refreshtoken@@@HUSH"
    assert await place.merchant().get() == "HUSH-authorizer-2"


@pytest.mark.parametrize(
    ("tokens", "refusals", "requests"), [(["A", "A"], 1, 1), (["A", "B"], 2, 2), (["A", ""], 1, 1)]
)
async def test_refused_refresh_token_without_another_is_an_error(place: Fleet, tokens, refusals, requests):
    await place.component().get()
    place.issuer.refusals = [refusal(61023, "refresh_token is invalid rid: a-b")] * refusals
    stored_tokens = iter(tokens)

    def listed(method: str) -> None:
        if method == "secret":
            place.rows.secrets[MERCHANT, "refresh_token"] = next(stored_tokens)

    place.rows.before = listed
    error = await failure(place.merchant())
    assert isinstance(error, NoRefreshTokenError)
    assert (error.errmsg, error.rid) == ("refresh_token is invalid", "a-b")
    assert [one["authorizer_refresh_token"] for one in place.issuer.requests[1:]] == tokens[:requests]


async def test_refused_refresh_token_is_replaced_by_one_that_the_list_has_brought(place: Fleet):
    await place.component().get()
    place.issuer.refusals = [refusal(61023)]
    stored_tokens = iter(["A", "B"])

    def listed(method: str) -> None:
        if method == "secret":
            place.rows.secrets[MERCHANT, "refresh_token"] = next(stored_tokens)

    place.rows.before = listed
    assert await place.merchant().get() == "HUSH-authorizer-2"
    assert [one["authorizer_refresh_token"] for one in place.issuer.requests[1:]] == ["A", "B"]


@pytest.mark.parametrize(("errcode", "of_platform"), [(61003, False), (61007, False), (61004, True), (40125, True)])
async def test_refusal_of_an_account_tells_whose_problem_it_is_and_the_next_poll_tries_again(
    place: Fleet, errcode: int, of_platform: bool
):
    await place.component().get()
    place.issuer.refusals = [refusal(errcode)]
    error = await failure(place.merchant())
    assert isinstance(error, SetupError)
    assert (error.errcode, error.of_platform) == (errcode, of_platform)
    assert await place.merchant().get() == "HUSH-authorizer-2"


async def test_refused_token_of_the_platform_is_replaced_and_the_call_repeated_once(place: Fleet):
    stored(place, value="stolen")
    place.issuer.valid_until["stolen"] = NOW
    assert await place.merchant().get() == "HUSH-authorizer-2"
    assert place.rows.reported == ["stolen"]
    place.clock.forward(hours=1, minutes=59)
    place.issuer.refusals = [refusal(40001)] * 3
    merchant = place.merchant(place.component())
    place.rows.row(*ACCOUNT).expires_at = NOW
    error = await failure(merchant)
    assert isinstance(error, TokenError)
    assert error.of_platform


async def test_calls_of_the_platform_use_its_token_and_say_whose_problem_a_refusal_is(place: Fleet):
    answers = iter([refusal(42001), httpx.Response(200, json={"total_count": 0, "list": []}), refusal(61003)])
    used: list[str] = []

    def wechat(request: httpx.Request) -> httpx.Response:
        used.append(request.url.params["component_access_token"])
        return next(answers)

    component = place.component()
    async with http_client(wechat) as http:
        page = await call_platform(http, component, lambda token: platform.authorizer_list(PLATFORM, 0, token))
        assert platform.parse_authorizer_list(page).total == 0
        with pytest.raises(SetupError) as refused:
            await call_platform(http, component, lambda token: platform.authorizer_info(PLATFORM, MERCHANT, token))
    assert used == ["HUSH-component-1", "HUSH-component-2", "HUSH-component-2"]
    assert not refused.value.of_platform


@pytest.mark.parametrize("errcode", [40013, 40125, 41004, 45009, 45011, 61004])
async def test_refusal_of_the_platforms_own_call_is_the_platforms_problem(place: Fleet, errcode: int):
    async with http_client(lambda _: refusal(errcode)) as http:
        with pytest.raises(APIError) as refused:
            await call_platform(
                http, place.component(), lambda token: platform.authorizer_info(PLATFORM, MERCHANT, token)
            )
    assert refused.value.of_platform


# The store fails, and what texts show


@pytest.mark.parametrize("method", ["get", "claim", "secret", "put", "note_refused", "fail"])
@pytest.mark.parametrize("kind", [TimeoutError, ConnectionError])
async def test_exception_of_the_store_passes_through_unchanged(place: Fleet, method: str, kind: type[Exception]):
    stored(place)
    fault = kind("the store")

    def failing(called: str) -> None:
        if called == method:
            raise fault

    place.rows.before = failing
    if method == "fail":
        place.issuer.refusals = [refusal(-1)]
    with pytest.raises(kind) as raised:
        await place.component().refresh("old")
    assert raised.value is fault


async def test_no_error_and_no_repr_shows_a_credential(place: Fleet):
    component, merchant = place.component(), place.merchant()
    await component.get()
    for tokens in (component, merchant):
        for errcode in (40125, 61006, 61023, 40001):
            place.issuer.refusals = [errcode, errcode]
            place.rows.row().next_try_at = None
            for link in chain(await failure(tokens, "HUSH-component-1")):
                assert "HUSH" not in f"{link!r}{vars(link)}"
    shown = f"{component!r}{component._copy!r}{await place.rows.get(PLATFORM, TokenKind.COMPONENT)!r}"
    assert "HUSH" not in shown
