"""The owner's browser: the page of the link, WeChat's consent, and the page that its redirect leads to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest
import sqlalchemy as sa

from bot.language import Language
from bot.platform import authorization, owner_visits
from bot.platform.links import make_link
from bot.platform.owner_visits import OwnerVisits
from bot.platform.pages import Ending, ending_page, reader_language
from bot.runtime.tasks import BackgroundTasks
from bot.store import tenants
from bot.store.authorizer_rows import Authorizer
from bot.store.database import Store
from bot.store.tenants import StoredTenant
from bot.web.platform_endpoint import AUTHORIZED_PATH, START_PATH, OwnerPage
from tests.authorizations import PlatformBot, platform_bot, platform_settings
from tests.conftest import VirtualClock
from tests.platforms import DOMAIN, SHOP
from wechat_kf.simulator import Fault, FaultMode
from wechat_kf.simulator.component import Consent, LinkRefusedError, Profile

pytestmark = pytest.mark.mostly_sqlite

QUERY_AUTH = "/cgi-bin/component/api_query_auth"
PRE_AUTH_CODE = "/cgi-bin/component/api_create_preauthcode"
INFO = "/cgi-bin/component/api_get_authorizer_info"
ENGLISH, CHINESE = "en-GB,en;q=0.9", "zh-CN,zh;q=0.9,en;q=0.8"


class Owner:
    """The browser of an owner who was sent a link."""

    def __init__(self, bot: PlatformBot) -> None:
        self.bot = bot
        self.tasks = BackgroundTasks()
        self.informed: list[tuple[str, str]] = []
        self.woken = 0
        self.visits = OwnerVisits(bot.services, self.tasks, self._wake, self._inform)
        self.link = make_link(platform_settings(), "U0MEI", bot.clock())
        bot.platform.profiles[SHOP] = Profile("Harbour <Tea>", "harbour")

    def _wake(self) -> None:
        self.woken += 1

    async def _inform(self, user_id: str, account: Authorizer) -> None:
        self.informed.append((user_id, account.name))

    async def opens(self, address: str, language: str = ENGLISH) -> OwnerPage:
        parts = urlsplit(address)
        page = {START_PATH: self.visits.start, AUTHORIZED_PATH: self.visits.authorized}[parts.path]
        return await page(dict(parse_qsl(parts.query)), language)

    async def consents(self, *sets: int, on_phone: bool = True) -> Consent:
        """Open the link, and authorise at WeChat."""
        phone, desktop = links(await self.opens(self.link))
        link, account = phone if on_phone else desktop, self.bot.wechat[SHOP]
        referer = f"https://{DOMAIN}/"
        return self.bot.platform.authorize(link, account, sets or (6,), self.bot.clock(), referer=referer)


def links(page: OwnerPage) -> list[str]:
    assert page.status == 200
    return [unescape(address) for address in re.findall(r'href="([^"]*)"', page.html)]


@pytest.fixture
async def owner(store: Store, clock: VirtualClock) -> AsyncIterator[Owner]:
    async with platform_bot(store, clock) as bot:
        await bot.ticket()
        made = Owner(bot)
        yield made
        await made.tasks.drain(1)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page wait for tenths of a second where it waits for seconds."""
    monkeypatch.setattr(owner_visits, "PUSH_FIRST", (0.05, 0.1, 0.2))
    monkeypatch.setattr(authorization, "RETRIES", (0.7,))


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page wait for less than a retry takes."""
    monkeypatch.setattr(owner_visits, "PATIENCE", 0.5)


@pytest.mark.parametrize("on_phone", [True, False])
async def test_wechat_accepts_both_links(owner, on_phone):
    consent = await owner.consents(on_phone=on_phone)
    assert urlsplit(consent.address).path == AUTHORIZED_PATH
    page = await owner.opens(consent.address)
    assert (page.status, "Harbour ＜Tea＞ is authorised" in page.html) == (200, True)


@pytest.mark.parametrize("push", ["before", "after", pytest.param("during", marks=pytest.mark.both_stores)])
async def test_page_and_push_come_in_either_order(owner, push):
    bot = owner.bot
    consent = await owner.consents()

    async def pushed() -> None:
        await bot.pushed(consent.push)

    if push == "before":
        await pushed()
        await bot.step()
    if push == "during":
        bot.meanwhile["api_query_auth"] = pushed
    page = await owner.opens(consent.address)
    assert "Harbour ＜Tea＞ is authorised" in page.html
    await owner.tasks.drain(1)
    assert owner.informed == [("U0MEI", "Harbour <Tea>")]
    await owner.opens(consent.address)
    await owner.tasks.drain(1)
    assert owner.informed == [("U0MEI", "Harbour <Tea>")]  # also if the page is reloaded
    if push == "after":
        await pushed()
    for _ in range(3):
        await bot.step(timedelta(seconds=61))
    account = await bot.account()
    assert (account.state, account.slug, account.duty_at) == ("active", "harbour", None)
    assert await bot.poll() == 0


async def test_push_that_is_exchanged_at_the_same_time_is_waited_for(owner):
    bot = owner.bot
    consent = await owner.consents()
    await bot.pushed(consent.push)
    page = asyncio.create_task(owner.opens(consent.address))
    duties = asyncio.create_task(bot.step())
    assert "Harbour ＜Tea＞ is authorised" in (await page).html
    await duties


@pytest.mark.parametrize(
    ("language", "sentence", "tag"),
    [
        (ENGLISH, "permission set 6 of an Official Account, 19 of a Mini Program", 'lang="en"'),
        (CHINESE, "权限集", 'lang="zh-CN"'),
    ],
)
async def test_page_names_the_permission_in_the_language_of_the_browser(owner, language, sentence, tag):
    page = await owner.opens(owner.link, language)
    assert sentence in page.html
    assert tag in page.html


async def test_pages_have_no_script_and_no_cookie_and_keep_the_origin_only(owner):
    for page in (await owner.opens(owner.link), ending_page(Language.ENGLISH, Ending.ADDED, "<script>x</script>")):
        assert "<script" not in page.html
        assert not re.search(r"\son\w+=|javascript:", page.html)
        assert page.headers["Referrer-Policy"] == "origin"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "Set-Cookie" not in page.headers
        style = page.html.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", [START_PATH, AUTHORIZED_PATH])
async def test_link_that_is_not_signed_or_too_old_leads_nowhere(owner, path):
    page = await owner.opens(f"https://{DOMAIN}{path}?s=AAAA&auth_code=x")
    assert (page.status, "This link is not valid" in page.html) == (403, True)
    owner.bot.clock.now += timedelta(hours=27)
    page = await owner.opens(owner.link.replace(START_PATH, path) + "&auth_code=x")
    assert page.status == 403
    assert owner.bot.calls("") == 0


async def test_owner_who_takes_two_hours_is_welcome(owner):
    owner.bot.clock.now += timedelta(hours=23, minutes=59)
    await owner.bot.ticket()
    consent = await owner.consents()
    owner.bot.clock.now += timedelta(minutes=30)
    assert "is authorised" in (await owner.opens(consent.address)).html


async def test_page_of_an_unpublished_platform_says_so(owner):
    owner.bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=61028, path=PRE_AUTH_CODE))
    assert "not published" in (await owner.opens(owner.link)).html
    owner.bot.platform.is_published = False
    with pytest.raises(LinkRefusedError):
        await owner.consents()
    owner.bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=61028, path=QUERY_AUTH))
    owner.bot.platform.is_published = True
    consent = await owner.consents()
    assert "not published" in (await owner.opens(consent.address)).html


async def test_page_before_the_first_ticket_asks_for_patience(store, clock):
    async with platform_bot(store, clock) as bot:
        owner = Owner(bot)
        page = await owner.opens(owner.link)
        assert (page.status, "in some minutes" in page.html) == (503, True)


async def test_page_says_that_customer_service_was_deselected(owner):
    owner.bot.platform.sets = (6, 11)
    consent = await owner.consents(11)
    assert "without customer service" in (await owner.opens(consent.address)).html
    await owner.tasks.drain(1)
    assert owner.informed == [("U0MEI", "Harbour <Tea>")]


async def test_page_says_that_the_account_is_frozen_or_paused(owner):
    owner.bot.platform.profiles[SHOP] = Profile("Tea", account_status=19)
    consent = await owner.consents()
    assert "has frozen or closed it" in (await owner.opens(consent.address)).html
    async with owner.bot.store.begin() as tx:
        await tenants.pause(tx, SHOP)
    consent = await owner.consents()
    assert "It is paused" in (await owner.opens(consent.address)).html


async def test_code_of_someone_else_is_refused(owner):
    address = owner.link.replace(START_PATH, AUTHORIZED_PATH)
    page = await owner.opens(f"{address}&auth_code=queryauthcode@@@x&expires_in=0000000")
    assert "was used before, or has expired" in page.html
    assert owner.informed == []
    assert "not valid" in (await owner.opens(address)).html


async def test_account_with_an_appsecret_needs_no_authorisation(owner):
    async with owner.bot.store.begin() as tx:
        await tenants.save(tx, StoredTenant(SHOP, "shop", "Shop", "command"))
    consent = await owner.consents()
    assert "The account is authorised" in (await owner.opens(consent.address)).html
    assert await owner.bot.secrets() == set()


@pytest.mark.usefixtures("short_patience")
async def test_silent_wechat_is_tried_again_behind_the_page(owner):
    owner.bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, times=1, path=QUERY_AUTH))
    consent = await owner.consents()
    page = await owner.opens(consent.address)
    assert "Your authorisation has arrived" in page.html
    async with asyncio.timeout(5):
        while not owner.informed:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await owner.bot.state(), owner.woken) == ("active", 1)


@pytest.mark.usefixtures("short_patience")
@pytest.mark.both_stores
async def test_store_that_is_away_is_tried_again_behind_the_page(owner):
    consent = await owner.consents()
    owner.bot.clock.now += timedelta(minutes=2)  # the token of the platform is read again
    await _run(owner, "ALTER TABLE token RENAME TO gone")
    assert "Your authorisation has arrived" in (await owner.opens(consent.address)).html
    await _run(owner, "ALTER TABLE gone RENAME TO token")
    async with asyncio.timeout(5):
        while not owner.informed:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await owner.bot.state() == "active"


async def _run(owner: Owner, statement: str) -> None:
    async with owner.bot.store.begin() as tx:
        await tx.run(sa.text(statement))


@pytest.mark.usefixtures("short_patience")
async def test_attempt_ends_with_the_process_and_with_the_code(owner):
    owner.bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, times=None, path=QUERY_AUTH))
    consent = await owner.consents()
    assert "has arrived" in (await owner.opens(consent.address)).html
    await owner.tasks.drain(1)
    short = re.sub(r"expires_in=\d+", "expires_in=0", consent.address)
    assert (await owner.opens(short)).status == 503


async def test_missing_facts_leave_the_account_to_the_duties(owner):
    owner.bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, path=INFO))
    consent = await owner.consents()
    assert "The account is authorised" in (await owner.opens(consent.address)).html
    await owner.bot.step()
    assert (await owner.bot.account()).kind is None
    await owner.bot.step(timedelta(minutes=1))
    assert (await owner.bot.account()).name == "Harbour <Tea>"


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", Language.ENGLISH),
        ("fr-FR,fr", Language.ENGLISH),
        ("zh-TW", Language.CHINESE),
        ("en;q=0.5, zh;q=0.9", Language.CHINESE),
        ("zh;q=x, en;q=0.1", Language.ENGLISH),
        ("ZH-cn;q=0.8,en", Language.ENGLISH),
        ("*", Language.ENGLISH),
    ],
)
def test_browser_decides_the_language(accept, language):
    assert reader_language(accept, Language.ENGLISH) is language


def test_every_ending_reads_well_in_both_languages():
    for language in Language:
        for ending in Ending:
            page = ending_page(language, ending, "Tea")
            assert "{" not in page.html.partition("</style>")[2]
            assert page.status in (200, 403, 503)
