"""Administrators in Slack: who may add and pause Official Accounts, what is asked, stored and shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import actions
from bot.demo import blockkit
from bot.interactions.access import Membership, OperatorPolicy
from bot.interactions.administration import Administration
from bot.ports import (
    BlockAction,
    Command,
    FieldErrors,
    HomeOpened,
    Message,
    ShowView,
    Submission,
    UnknownMembersError,
    unannounced,
)
from bot.settings.values import Settings
from bot.store import account_changes, tenants
from bot.store.database import Store
from bot.store.tables import tenant
from bot.store.tenants import COMMAND, StoredTenant
from bot.tenant_requests import Administer, Verb, parse_administration
from bot.tenant_states import TenantState
from bot.tenants.loading import load, load_defined
from bot.tenants.stored_accounts import read
from tests.conftest import at_now
from tests.fakes import FakeViews
from tests.fleets import AT_HARBOUR, fleet_world
from tests.for_each import for_each
from tests.people import shown
from tests.running import CARE, bot_in_loop, final_answer, modal_text, sqlite
from tests.test_access import installed, shared
from tests.test_accounts_file import HARBOUR, KIOSK
from tests.test_readers import People
from tests.test_settings import PLATFORM
from tests.test_tenants import BOTH, SLACK, read_file

pytestmark = pytest.mark.mostly_sqlite

BOSS, TOM = "U0BOSS1", "U0TOM"
ROSE, IRIS = "wxaaaaaaaaaaaaaaaa", "wxbbbbbbbbbbbbbbbb"
SERVICE = {"TOKEN_SERVICE_URL": "https://tokens.example/{appid}"}


class Others:
    """The handlers behind the administration: they answer everything with their own name."""

    def __init__(self) -> None:
        self.homes: list[str] = []

    async def handle_command(self, command: Command, announce: object) -> Message:
        return Message("others")

    async def handle_action(self, click: BlockAction, announce: object) -> Message:
        return Message("others")

    async def handle_submission(self, submission: Submission) -> FieldErrors:
        return FieldErrors({"others": ""})

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        self.homes.append(opened.user_id)

    def restarting(self, user_id: str) -> Message:
        return Message("restarting")

    def failed(self, user_id: str) -> Message:
        return Message("failed")


class Place:
    """A process with two accounts of the file, and an administrator."""

    def __init__(
        self, store: Store, *, chinese: bool = False, admins: str = BOSS, links: bool = False, **changed: str
    ) -> None:
        environ = SLACK | BOTH | {"KF_ACCOUNTS": HARBOUR + KIOSK, "KF_ADMINS": admins} | changed
        self.settings = Settings.from_environ(environ)
        self.store, self.views, self.others = store.of("", ""), FakeViews(), Others()
        people = People(**({BOSS: "zh-CN"} if chinese else {}))
        admitted = OperatorPolicy(self.settings.kf_admins, self._members, Membership(installed, shared))
        self.handler = Administration(
            self.others,
            load(self.settings, environ, read_file),
            load_defined(self.settings, environ, read_file),
            self.store,
            admitted,
            self.views,
            people.readers,
            at_now,
            (lambda user_id: f"https://kf.example/start?s={user_id}") if links else None,
        )

    async def _members(self, group: str) -> frozenset[str]:
        raise UnknownMembersError("ratelimited")

    async def type(self, text: str, user: str = BOSS) -> Message | None:
        answer = await self.handler.handle_command(Command(text, user, trigger_id="t"), unannounced)
        assert answer is None or answer.text in ("others", "") or blockkit.problems(_fields(answer)) == []
        return answer

    async def click(self, action_id: str, value: str, user: str = BOSS) -> Message:
        answer = await self.handler.handle_action(BlockAction(action_id, value, user, "boss"), unannounced)
        assert answer
        return answer

    async def submit(self, user: str = BOSS, **values: str) -> FieldErrors | str:
        sent = Submission(actions.ADD_TENANT, "V1", "h", "", values, user, "boss")
        answer = await self.handler.handle_submission(sent)
        if isinstance(answer, ShowView):
            assert blockkit.view_problems(answer.view) == []
            return str(answer.view["blocks"])
        return answer

    async def rows(self) -> dict[str, str]:
        """Return why each account of the store is paused, "" if it is not, by handle."""
        async with self.store.begin() as tx:
            return {row.slug: row.reason for row in (await read(tx)).rows}

    async def changes(self) -> list[tuple[str, str, str]]:
        """Return command, AppID and person of each row of the audit log."""
        async with self.store.begin() as tx:
            found = await account_changes.load(tx)
        return [(kind, wanted["appid"], person.user_id) for kind, wanted, person in found]


def _fields(message: Message) -> dict[str, object]:
    return {"text": message.text, "blocks": [*message.blocks]}


@pytest.fixture
async def place(store: Store) -> Place:
    await store.open()
    made = Place(store)
    async with made.store.begin() as tx:
        await tenants.save(tx, StoredTenant(ROSE, "rose", "Rose", COMMAND, own={"source": "secret"}))
        await tenants.pause(tx, ROSE)
    return made


@for_each(
    ("text", "request_"),
    [
        ("accounts add", Administer(Verb.ADD)),
        ("/kf ACCOUNTS  Add", Administer(Verb.ADD)),
        ("accounts pause @harbour", Administer(Verb.PAUSE, "harbour")),
        ("accounts pause ＠Harbour", Administer(Verb.PAUSE, "harbour")),
        ("accounts resume in:harbour", Administer(Verb.RESUME, "harbour")),
        (f"accounts resume {ROSE}", Administer(Verb.RESUME, ROSE)),
        ("accounts link", Administer(Verb.LINK)),
        ("公众号 授权链接", Administer(Verb.LINK)),
        ("公众号 添加", Administer(Verb.ADD)),
        ("公众号停用 @海港茶", Administer(Verb.PAUSE, "海港茶")),
        ("公眾號 暫停 @海港茶", Administer(Verb.PAUSE, "海港茶")),
        ("公众号 恢复 @海港茶", Administer(Verb.RESUME, "海港茶")),
        ("accounts", None),
        ("accounts addison", None),
        ("accounts rejected", None),
        ("add chen", None),
        ("", None),
    ],
)
def test_words_of_administrators_are_read_in_both_languages(text, request_):
    assert parse_administration(text) == request_


async def test_administrator_gets_the_link_for_an_owner_and_what_the_owner_will_see(store):
    place = Place(store, links=True)
    answer = await place.type("accounts link")
    assert answer.blocks[0]["text"]["text"] == (
        f"*Send this link to the owner of the account*\n```https://kf.example/start?s={BOSS}```"
    )
    assert "It works for 24 hours" in shown(answer)
    assert "permission set 6 for an Official Account, 19 for a Mini Program" in shown(answer)
    assert "Only some people" in (await place.type("accounts link", user=TOM)).text
    assert "把这个链接发给账号管理员" in (await Place(store, chinese=True, links=True).type("accounts link")).text


@pytest.mark.parametrize("text", ["accounts link", "accounts pause @harbour"])
async def test_without_administrators_the_answer_names_the_setting_and_the_command(store, text):
    place = Place(store, admins="", links=True)
    assert (await place.type(text)).text == (
        "Nobody may do this from Slack yet. Whoever runs the bot names administrators in KF_ADMINS, or makes the "
        "link for an owner with `python -m bot platform link`."
    )
    assert "管理员" in (await Place(store, admins="", chinese=True).type(text)).text


async def test_link_without_a_platform_is_answered_with_what_to_set_up(place):
    answer = await place.type("accounts link")
    assert answer.text == (
        "There is no third-party platform that an owner could authorise. "
        "Whoever runs the bot sets it up: PLATFORM_APPID and the settings beside it, as in docs/platform.md."
    )


async def test_everything_else_reaches_the_other_handlers(place):
    for text in ("", "accounts", "list", "accounts tea"):
        assert (await place.type(text)).text == "others"
    assert (await place.click("kf.refresh", "v1:overview")).text == "others"
    other = Submission("op.add", "V1", "h", "", {}, BOSS)
    assert await place.handler.handle_submission(other) == FieldErrors({"others": ""})
    await place.handler.handle_home_opened(HomeOpened(BOSS))
    assert place.others.homes == [BOSS]
    assert (place.handler.restarting(BOSS).text, place.handler.failed(BOSS).text) == ("restarting", "failed")


async def test_help_names_the_commands_to_administrators_alone(place):
    assert "/kf accounts add, /kf accounts pause @…" in (await place.type("help")).text
    assert "/kf accounts pause" in (await place.click("kf.help", "v1")).text
    assert (await place.type("help", TOM)).text == "others"


async def test_person_who_is_no_administrator_is_refused_everywhere(place):
    for answer in (
        await place.type("accounts add", TOM),
        await place.type("accounts pause @rose", TOM),
        await place.click(actions.RESUME_TENANT, f"v1:{ROSE}", TOM),
    ):
        assert answer.text.startswith("Only some people may add and pause Official Accounts. They are <@U0BOSS1>.")
    refused = await place.submit(TOM, appid="wxbbbbbbbbbbbbbbbb")
    assert "Only some people" in refused
    assert place.views.calls == []
    assert await place.rows() == {"rose": "person"}


async def test_group_that_slack_does_not_return_admits_no_one(store):
    await store.open()
    place = Place(store, admins="S0ADMINS")
    assert (await place.type("accounts add")).text.startswith("Slack does not say who may add")


async def test_account_is_paused_and_resumed_after_a_question(place):
    asked = await place.type("accounts resume @rose")
    assert asked.text == "Resume Rose? It is polled again, and its alerts are posted."
    (button,) = asked.blocks[1]["elements"]
    assert (button["action_id"], button["value"], "confirm" in button) == ("admin.resume", f"v1:{ROSE}", True)
    assert await place.rows() == {"rose": "person"}
    done = await place.click(actions.RESUME_TENANT, f"v1:{ROSE}")
    assert done.text == "Rose is watched again. The bot takes it over within seconds."
    assert await place.rows() == {"rose": ""}
    assert await place.changes() == [("accounts resume", ROSE, BOSS)]


async def test_account_that_this_process_watches_is_paused(store):
    await store.open()
    place = Place(store, STORE_KEYS="11" * 32, **SERVICE)
    row = StoredTenant(ROSE, "rose", "Rose", COMMAND, own={"source": "service"})
    async with place.store.begin() as tx:
        await tenants.save(tx, row)
        environ = SLACK | BOTH | {"KF_ACCOUNTS": HARBOUR} | SERVICE
        watched = load(Settings.from_environ(environ), environ, read_file, await read(tx))
    place.handler._tenants = watched
    assert (await place.type(f"accounts pause {ROSE}")).text.startswith("Pause Rose? It is not polled any more")
    assert (await place.click(actions.PAUSE_TENANT, f"v1:{ROSE}")).text.startswith("Rose is paused.")
    assert await place.rows() == {"rose": "person"}


async def test_last_account_cannot_be_paused_while_the_process_still_watches_one_that_was(store):
    place = await _place_with_two_accounts_of_commands(store)
    assert (await place.click(actions.PAUSE_TENANT, f"v1:{ROSE}")).text.startswith("rose is paused.")
    assert (await place.click(actions.PAUSE_TENANT, f"v1:{IRIS}")).text.startswith("iris cannot be paused.")
    assert await place.rows() == {"rose": "person", "iris": ""}


@pytest.mark.both_stores
async def test_account_that_its_owner_has_withdrawn_is_not_paused_and_so_never_resumed(store):
    await store.open()
    place = Place(store, **PLATFORM)
    row = StoredTenant(ROSE, "rose", "Rose", tenants.PLATFORM, TenantState.REVOKED)
    async with place.store.begin() as tx:
        await tenants.save(tx, row)
        await tx.run(sa.update(tenant).values(platform_appid=PLATFORM["PLATFORM_APPID"]))
        place.handler._tenants = load(place.settings, SLACK | BOTH, read_file, await read(tx))
    answer = await place.type("accounts pause @rose")
    assert answer.text.startswith(
        "Rose cannot be paused. The account is not watched any more. If that was a mistake"
    )
    assert await place.rows() == {"rose": ""}


async def test_of_the_last_two_accounts_only_one_is_paused_at_the_same_moment(store):
    place = await _place_with_two_accounts_of_commands(store)
    await asyncio.gather(*(place.click(actions.PAUSE_TENANT, f"v1:{appid}") for appid in (ROSE, IRIS)))
    assert sorted((await place.rows()).values()) == ["", "person"]


async def _place_with_two_accounts_of_commands(store: Store) -> Place:
    await store.open()
    place = Place(store, STORE_KEYS="11" * 32, **SERVICE)
    async with place.store.begin() as tx:
        for appid, slug in ((ROSE, "rose"), (IRIS, "iris")):
            await tenants.save(tx, StoredTenant(appid, slug, "", COMMAND, own={"source": "service"}))
        environ = SLACK | SERVICE
        place.handler._tenants = load(Settings.from_environ(environ), environ, read_file, await read(tx))
    return place


@pytest.mark.both_stores
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accounts pause", "Which Official Account do you mean? Type `/kf accounts pause @…`."),
        ("accounts pause @harbour", "harbour cannot be changed from Slack. It is kept in the settings of the bot"),
        ("accounts pause @rose", "Rose is paused already."),
        ("accounts pause @rosy", "There is no Official Account “rosy” for you here. Did you mean @rose?"),
    ],
)
async def test_change_that_is_not_possible_is_explained(place, text, words):
    assert (await place.type(text)).text.startswith(words)
    assert await place.changes() == []


async def test_button_of_an_account_that_is_gone_or_was_changed_meanwhile_changes_nothing(place):
    assert "out of date" in (await place.click(actions.PAUSE_TENANT, "v1:wx9999999999999999")).text
    assert (await place.click(actions.PAUSE_TENANT, f"v1:{ROSE}")).text == "Rose is paused already."
    assert (await place.click(actions.PAUSE_TENANT, "v1:wx1111111111111111")).text.startswith("harbour cannot be")
    assert await place.changes() == []


async def test_form_asks_for_no_secret_and_shows_the_command_for_the_host(place):
    assert await place.type("accounts add") is None
    fields = [block.get("block_id") for block in place.views.last["blocks"]]
    assert fields == ["appid", "handle", "name", "channel", None]
    assert "never in Slack" in str(place.views.last["blocks"])
    said = await place.submit(appid=" wxbbbbbbbbbbbbbbbb ", handle="Iris", name="Iris & Co's", channel="C0IRIS")
    command = "python -m bot accounts add wxbbbbbbbbbbbbbbbb --handle iris"
    assert command in said
    assert "--channel C0IRIS" in said
    assert "&amp;" in said
    assert await place.rows() == {"rose": "person"}


async def test_account_with_a_token_service_is_added_at_once(store):
    await store.open()
    place = Place(store, **SERVICE)
    await place.type("accounts add")
    assert place.views.last["blocks"][-1]["block_id"] == "source"
    assert "@iris is added." in await place.submit(appid="wxbbbbbbbbbbbbbbbb", handle="iris", source="service")
    assert await place.rows() == {"iris": ""}
    assert await place.changes() == [("accounts add", "wxbbbbbbbbbbbbbbbb", BOSS)]
    forged = await place.submit(appid="wxcccccccccccccccc", source="fixed")
    assert forged == FieldErrors({"source": "This cannot be used."})


async def test_fields_that_cannot_be_used_are_named(place):
    wrong = await place.submit(appid="no AppID", handle="list", channel="#tea")
    assert {field: text.split()[0] for field, text in wrong.errors.items()} == {
        "appid": "An",
        "handle": "1",
        "channel": "The",
    }
    assert set((await place.submit(appid="wxbbbbbbbbbbbbbbbb", handle="kiosk")).errors) == {"handle"}
    assert await place.submit(appid=ROSE) == FieldErrors({"appid": "This account is there already."})


async def test_channel_is_needed_where_there_is_no_common_one(store):
    await store.open()
    accounts = HARBOUR + 'channel = "C0HARBOUR"\n'
    place = Place(store, SLACK_ALERT_CHANNEL="", KF_ACCOUNTS=accounts)
    await place.type("accounts add")
    (channel,) = (block for block in place.views.last["blocks"] if block.get("block_id") == "channel")
    assert "optional" not in channel
    assert set((await place.submit(appid="wxbbbbbbbbbbbbbbbb")).errors) == {"channel"}


async def test_window_that_slack_does_not_open_is_asked_for_again(place):
    place.views.refusals = ["expired_trigger_id"]
    assert "type the command again" in (await place.type("accounts add")).text


async def test_answers_are_in_the_language_of_the_administrator(store):
    await store.open()
    place = Place(store, chinese=True)
    assert (await place.type("公众号 停用 @harbour")).text.startswith("不能在 Slack 里修改 harbour。")
    assert await place.type("公众号 添加") is None
    assert place.views.last["title"]["text"] == "添加公众号"


@pytest.mark.parametrize(
    ("more", "channel", "is_needed"),
    [
        ("", "", True),
        ('\n[defaults]\nchannel = "C0TEA00001"\n', "", False),
        ('\n[defaults]\nlabels = "tea"\n[[route]]\nlabel = "tea"\nchannel = "C0TEA00001"\n', "", False),
        ("", "C0ALERTS01", False),
    ],
)
async def test_form_demands_a_channel_only_where_no_default_or_route_has_one(store, more, channel, is_needed):
    of_file = f'{HARBOUR}channel = "C0HARBOUR1"\n{more}'
    place = Place(store, SLACK_ALERT_CHANNEL=channel, KF_ACCOUNTS=of_file)
    assert await place.type("accounts add") is None
    optional = {block["block_id"] for block in place.views.last["blocks"] if block.get("optional")}
    assert ("channel" not in optional) == is_needed
    answer = await place.submit(appid=ROSE, handle="rose")
    assert isinstance(answer, FieldErrors) == is_needed


async def test_store_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "kf.db").write_text("no database")
    store = Store.from_url(sqlite(tmp_path), "")
    place = Place(store)
    for answer in (await place.type("accounts pause @rose"), await place.click(actions.PAUSE_TENANT, f"v1:{ROSE}")):
        assert answer.text.startswith("The database does not answer")
    assert "The database does not answer" in await place.submit(appid="wxbbbbbbbbbbbbbbbb")
    await store.close()


@pytest.mark.server
async def test_running_bot_takes_commands_of_administrators_where_some_are_named(sqlite_url):
    async with fleet_world(sqlite_url) as world:
        world.slack.add_person(BOSS, "boss")
        async with bot_in_loop(world, KF_ADMINS=BOSS, **PLATFORM):
            link = await final_answer(await world.slack.command("accounts link", channel=CARE, user=BOSS))
            assert "https://kf.example/wechat/platform/start?s=" in shown(link)
            await world.slack.command("accounts add", channel=CARE, user=BOSS)
            assert "AppID" in await modal_text(world.slack, BOSS)
            await world.slack.submit({"appid": ROSE, "handle": "rose", "channel": "C0ROSE00001"}, user=BOSS)
            assert f"accounts add {ROSE} --handle rose --channel C0ROSE00001" in await modal_text(world.slack, BOSS)
            asked = await final_answer(
                await world.slack.command("accounts pause @harbour", channel=AT_HARBOUR, user=BOSS)
            )
            assert "cannot be changed from Slack" in asked.text
            helped = await final_answer(await world.slack.command("help", channel=CARE, user=BOSS))
            assert "/kf accounts resume" in shown(helped)
