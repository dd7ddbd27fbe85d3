"""The file of accounts: what is accepted, and that each mistake is named by line and key, without a secret."""

from __future__ import annotations

import time
from datetime import time as clock_time
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.tenants.accounts_file import AccountEntry, parse
from bot.tenants.table_keys import ACCOUNT, Source
from tests.for_each import for_each
from tests.test_settings import HOUR

HARBOUR = """\
[[account]]
handle = "harbour"
appid = "wx1111111111111111"
secret = "env:HARBOUR_SECRET"
"""
KIOSK = HARBOUR.replace("harbour", "kiosk").replace("HARBOUR", "KIOSK").replace("1", "2")
SECRET = "0123456789abcdef0123456789abcdef"


def accounts(text: str) -> list[AccountEntry]:
    entries, problems, *_ = parse(text, "accounts.toml")
    assert problems == ()
    return list(entries)


def mistakes(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "accounts.toml").problems]


def test_full_example_is_read() -> None:
    entries = accounts("""
        [defaults]                       # any key of an account
        channel = "C0123456789"
        poll = "5m"

        [[account]]
        handle  = "harbour"
        appid   = "wx1111111111111111"
        secret  = "env:HARBOUR_SECRET"
        name    = "Harbour Tea 海港茶"
        channel = "C0HARBOUR01"
        mention = "S0HARBOUR01"
        leads   = "24h,6h,1h"
        quiet   = "22:00-08:00"
        breakthrough = true
        timezone = "Asia/Shanghai"
        language = "zh"
        viewers = ["S0HARBOUR01", "U0MEI"]
        labels  = ["tea", "East"]

        [[account]]
        handle  = "kiosk"
        appid   = "wx2222222222222222"
        source  = "service"              # TOKEN_SERVICE_URL

        [[route]]
        label   = "east"
        channel = "C0EAST00001"
    """)
    harbour, kiosk = entries
    assert harbour.place == "accounts.toml, line 6 (@harbour)"
    assert harbour.values | {"timezone": harbour.values["timezone"].key} == {
        "handle": "harbour",
        "appid": "wx1111111111111111",
        "secret": "env:HARBOUR_SECRET",
        "name": "Harbour Tea 海港茶",
        "channel": "C0HARBOUR01",
        "mention": "<!subteam^S0HARBOUR01>",
        "leads": (24 * HOUR, 6 * HOUR, HOUR),
        "quiet": (clock_time(22), clock_time(8)),
        "breakthrough": True,
        "timezone": "Asia/Shanghai",
        "language": "zh",
        "viewers": ("S0HARBOUR01", "U0MEI"),
        "labels": ("tea", "east"),
        "poll": 300,
    }
    assert (kiosk.values["source"], kiosk.values["channel"]) == (Source.SERVICE, "C0123456789")


@for_each(
    ("line", "mistake"),
    [
        ('channel = "C0"', "channel must be a channel ID such as C0123456789"),
        ('channel = "#alerts"', "channel must be a channel ID such as C0123456789"),
        ('channel = ""', "channel must be a channel ID such as C0123456789"),
        ("channel = 5", "channel must be a text in quotes"),
        ('channel = ["C0123456789"]', "channel must be a text in quotes"),
        ('mention = "@channel"', "mention must be the ID of one user group"),
        ('leads = "24"', "leads must be like 24h,6h,1h"),
        ("leads = [24]", "leads must be a text in quotes, or a list of them"),
        ('quiet = "22-8"', "quiet must be like 22:00-08:00"),
        ("quiet = 22:00:00", "quiet must be a text in quotes"),
        ('breakthrough = "yes"', "breakthrough must be on or off"),
        ("breakthrough = 1", "breakthrough must be a text in quotes"),
        ('timezone = "Shanghai"', "timezone must be an IANA time zone such as Asia/Shanghai"),
        ('poll = "soon"', "poll must be like 5m or 300"),
        ('poll = "0"', "poll must be like 5m or 300"),
        ("poll = 0", "poll must be like 5m or 300"),
        ("poll = true", "poll must be a text in quotes"),
        ("poll = 2.5", "poll must be a text in quotes"),
        ('poll = "367d"', "poll must be like 5m or 300"),
        ('language = "de"', "language must be en (English) or zh (Chinese)"),
        ('viewers = ["mei"]', "viewers must be IDs with commas between them"),
        ("viewers = []", "viewers must be IDs with commas between them"),
        ("viewers = { mei = true }", "viewers must be a text in quotes, or a list of them"),
        ('labels = ["tea", ""]', 'labels must be labels such as ["tea", "east"]'),
        ('source = "sealed"', 'source must be "secret" or "service"'),
        ('source = "service"', 'secret is not used with source = "service". Remove one of the two.'),
        ("name = 5", "name must be a text in quotes"),
        ('chanel = "C0123456789"', "chanel is not known; the nearest is channel"),
        ('Channel = "C0123456789"', "Channel is not known; the nearest is channel"),
        ("xyz = 1", "xyz is not known; there are handle, appid, secret, name, source, channel, mention"),
        (f'"{SECRET}" = 1', "a key is not known; there are handle, appid"),
        ("child.key = 1", "child is not known"),
    ],
)
def test_mistake_in_an_account_is_named_by_the_line_of_its_header_and_the_key(line: str, mistake: str) -> None:
    (found,) = mistakes(f"# several accounts\n\n{KIOSK}\n{HARBOUR}{line}\n")
    assert found.startswith(f"accounts.toml, line 8 (@harbour): {mistake}")
    assert SECRET not in found


@for_each(
    ("text", "found"),
    [
        ("", "accounts.toml has no account. Each begins with [[account]], and has an appid."),
        ('[defaults]\npoll = "5m"', "accounts.toml has no account."),
        ("account = []\n# [[account]]", "accounts.toml has no account."),
        (HARBOUR.replace('appid = "wx1111111111111111"', ""), "accounts.toml, line 1 (@harbour): appid is missing"),
        (HARBOUR.replace("wx1111111111111111", "wx 1"), "accounts.toml, line 1 (@harbour): appid must be an AppID"),
        (HARBOUR.replace("wx1", "wx11"), "accounts.toml, line 1 (@harbour): appid must be an AppID"),
        (HARBOUR.replace("wx1111111111111111", "wx:1"), "accounts.toml, line 1 (@harbour): appid must be an AppID"),
        (
            HARBOUR.replace("harbour", "4"),
            "accounts.toml, line 1 (wx1111111111111111): handle must be 1 to 32 letters",
        ),
        (
            HARBOUR.replace("harbour", "help"),
            "accounts.toml, line 1 (wx1111111111111111): handle must not be a word",
        ),
        (HARBOUR.replace('"harbour"', "7"), "accounts.toml, line 1 (wx1111111111111111): handle must be a text"),
        (
            f"{HARBOUR}\n{KIOSK}\n[account]\n",
            "accounts.toml, line 11 is not valid TOML: a key or a table is there twice.",
        ),
        ('[account]\nappid = "wx1"', "accounts.toml, line 1: the header must be [[account]]"),
        ("account = [1]", "accounts.toml, line 1: the header must be [[account]]"),
        (f"{HARBOUR}\n[[defaults]]\n", "accounts.toml, line 6: the header must be [defaults]"),
        (f'{HARBOUR}\n[route]\nlabel = "x"', "accounts.toml, line 6: the header must be [[route]]"),
        (f"{HARBOUR}\n[[accounts]]\n", "accounts.toml, line 6: accounts is not known; the nearest is account"),
        (f"{HARBOUR}\n[default]\n", "accounts.toml, line 6: default is not known; the nearest is defaults"),
        (f"{HARBOUR}\n[x-y]\n", "accounts.toml, line 6: x-y is not known; there are defaults, account, route"),
        (f'poll = "5m"\n{HARBOUR}', "accounts.toml, line 1: poll must be below [[account]] or [defaults]"),
        (f'{HARBOUR}\n[defaults]\npoll = "x"', "accounts.toml, line 6: poll must be like 5m or 300"),
        (f'{HARBOUR}\n[defaults]\npol = "5m"', "accounts.toml, line 6: pol is not known; the nearest is poll"),
        (f'{HARBOUR}\n[defaults]\nhandle = "x"', "accounts.toml, line 6: handle belongs to one account"),
        (f'{HARBOUR}\n[defaults]\nsecret = "env:X"', "accounts.toml, line 6: secret belongs to one account"),
        (f'{HARBOUR}\n[[route]]\nlabel = "tea"', "accounts.toml, line 6: channel is missing"),
        (f'{HARBOUR}\n[[route]]\nchannel = "C0123456789"', "accounts.toml, line 6: label is missing"),
        (
            f'{HARBOUR}\n[[route]]\nlabel = "tea"\nchannel = "#tea"',
            "accounts.toml, line 6: channel must be a channel ID",
        ),
        (
            f'{HARBOUR}\n[[route]]\nlabel = "a,b"\nchannel = "C0123456789"',
            "accounts.toml, line 6: label must be one label",
        ),
        (
            f'{HARBOUR}\n[[route]]\nlabels = ["tea"]\nlabel = "tea"\nchannel = "C0123456789"',
            "accounts.toml, line 6: labels belongs to one account",
        ),
        (
            f"{HARBOUR}name = Harbour\n",
            "accounts.toml, line 5 is not valid TOML: Invalid value. A line is a header",
        ),
        (f"{HARBOUR}name\n", "accounts.toml, line 5 is not valid TOML: Expected '=' after a key"),
        (f'{HARBOUR}name = "', "accounts.toml, line 5 is not valid TOML: "),
        (f'{HARBOUR}handle = "x"', "accounts.toml, line 5 is not valid TOML: a key or a table is there twice."),
        (f"{HARBOUR}[account", "accounts.toml, line 5 is not valid TOML: "),
        (f"{HARBOUR}poll = {'9' * 5000}", "accounts.toml has a number with too many digits"),
    ],
)
def test_mistake_in_a_file_is_named_with_its_line(text: str, found: str) -> None:
    assert [line[: len(found)] for line in mistakes(text)] == [found]


def test_handles_and_appids_that_repeat_are_named_with_both_lines() -> None:
    text = f"{HARBOUR}\n{KIOSK}\n{HARBOUR.replace('harbour', 'Ｈarbour')}"
    assert mistakes(text) == [
        "accounts.toml, line 11 (@harbour): handle is the same as in accounts.toml, line 1",
        "accounts.toml, line 11 (@harbour): appid is the same as in accounts.toml, line 1",
    ]


def test_all_mistakes_are_named_at_once() -> None:
    text = f'[defaults]\npoll = "x"\n{HARBOUR}leads = "x"\nquiet = "x"\n{KIOSK}lead = "1h"\n[[route]]\n'
    assert [mistake.split(" must")[0].split(" is ")[0] for mistake in mistakes(text)] == [
        "accounts.toml, line 1: poll",
        "accounts.toml, line 14: label",
        "accounts.toml, line 14: channel",
        "accounts.toml, line 3 (@harbour): leads",
        "accounts.toml, line 3 (@harbour): quiet",
        "accounts.toml, line 9 (@kiosk): lead",
    ]


@pytest.mark.parametrize(
    "header", ['[["account"]]', "[[ account ]]", "  [[account]] # the harbour", "[['account']]"]
)
def test_headers_are_found_as_toml_allows_them(header: str) -> None:
    assert accounts(f"\n{HARBOUR.replace('[[account]]', header)}")[0].place == "accounts.toml, line 2 (@harbour)"


def test_accounts_without_headers_are_named_by_number() -> None:
    text = 'account = [{ appid = "wx1", secret = "env:X" }, { appid = "wx2", secret = "env:X", poll = "x" }]'
    (mistake,) = mistakes(text)
    assert mistake.startswith("accounts.toml, account 2 (wx2): poll must be like 5m")


def test_lines_are_counted_as_an_editor_of_windows_does() -> None:
    text = "\ufeff" + f"{HARBOUR}\n{KIOSK}name = 5\n".replace("\n", "\r\n")
    assert mistakes(text) == ["accounts.toml, line 6 (@kiosk): name must be a text in quotes"]


@for_each(
    ("line", "key", "expected"),
    [
        ('poll = "5m"', "poll", 300),
        ('poll = "300"', "poll", 300),
        ("poll = 300", "poll", 300),
        ('poll = "2H"', "poll", 7200),
        ('breakthrough = "on"', "breakthrough", True),
        ("breakthrough = false", "breakthrough", False),
        ('leads = ["1h", "24h"]', "leads", (24 * HOUR, HOUR)),
        ('leads = "90m"', "leads", (timedelta(minutes=90),)),
        ('labels = "tea, 华东,TEA"', "labels", ("tea", "华东")),
        ('viewers = "U0MEI, <@W0BOSS>"', "viewers", ("U0MEI", "W0BOSS")),
        ('name = " a\\u200bb  c "', "name", "ab c"),
        ('mention = ""', "mention", ""),
        ('quiet = ""', "quiet", None),
        ("labels = []", "labels", ()),
    ],
)
def test_values_are_read_as_people_write_them(line: str, key: str, expected: object) -> None:
    defaults = '[defaults]\nmention = "S0CARE"\nquiet = "22:00-08:00"\nlabels = ["all"]\n'
    assert accounts(f"{HARBOUR}{line}\n{defaults}")[0].values[key] == expected


@pytest.mark.parametrize(
    ("own", "labels", "expected"),
    [
        ('channel = "C0OWN"', ["east"], "C0OWN"),
        ("", ["east"], "C0EAST"),
        ("", ["tea", "east"], "C0EAST"),
        ("", ["tea"], "C0TEA"),
        ("", ["ＴＥＡ"], "C0TEA"),
        ("", ["west"], "C0DEFAULT"),
        ("", [], "C0DEFAULT"),
    ],
)
def test_channel_is_its_own_then_that_of_the_first_route_then_the_default(own, labels, expected) -> None:
    routes = "".join(
        f'[[route]]\nlabel = "{label}"\nchannel = "{channel}"\n'
        for label, channel in [("East", "C0EAST"), ("tea", "C0TEA"), ("east", "C0OTHER")]
    )
    (account,) = accounts(f'{HARBOUR}labels = {labels}\n{own}\n{routes}[defaults]\nchannel = "C0DEFAULT"\n')
    assert account.values["channel"] == expected


def test_route_fits_labels_of_the_defaults() -> None:
    text = f'{HARBOUR}[[route]]\nlabel = "tea"\nchannel = "C0TEA"\n[defaults]\nlabels = ["tea"]\n'
    assert accounts(text)[0].values["channel"] == "C0TEA"


@for_each(
    "secret",
    [
        SECRET,
        f"env:{SECRET}",
        f"file:{SECRET}",
        f"ENV:{SECRET}",
        f"env: {SECRET.upper()}",
        f"plain:{SECRET}",
        f" {SECRET}",
        "env:",
        "file:relative/path",
        "file:/run/\\tsecret",
        "",
    ],
)
def test_secret_in_the_file_is_refused_and_not_quoted(secret: str) -> None:
    (mistake,) = mistakes(HARBOUR.replace("env:HARBOUR_SECRET", secret))
    assert mistake == (
        'accounts.toml, line 1 (@harbour): secret must be "env:NAME", with a variable in capitals, '
        'or "file:/PATH"; the secret itself must not be here'
    )


@for_each(
    "text",
    [
        f"{HARBOUR}secret = {SECRET}",
        f'{HARBOUR}secret = "{SECRET}"',
        f'{HARBOUR}"{SECRET}" = 1',
        f"{HARBOUR}{SECRET} = 1\n{SECRET} = 1",
        f"{HARBOUR}[{SECRET}]",
        f'{HARBOUR}appid = "{SECRET}',
        f'[[account]]\nappid = "{SECRET}"\nname = 5\n',
        f'[[account]]\nappid = "wx1"\nsecret = ["{SECRET}"]\n',
        *(
            f'[[account]]\nappid = "wx1"\n{key} = "{SECRET} {SECRET}"\n'
            for key in ACCOUNT
            if key not in ("appid", "name", "labels")
        ),
    ],
)
def test_no_mistake_quotes_a_secret(text: str) -> None:
    found = mistakes(text)
    assert found
    assert SECRET not in " ".join(found)


def test_three_hundred_accounts_are_read_quickly() -> None:
    text = "".join(
        f'[[account]]\nhandle = "shop-{number}"\nappid = "wx{number:016}"\nsecret = "env:SHOP_{number}"\n'
        f'channel = "C0{number}"\nleads = "24h,6h"\nquiet = "22:00-08:00"\nlabels = ["tea", "east"]\n'
        for number in range(300)
    )
    begin = time.perf_counter()
    assert accounts(text)[-1].place == "accounts.toml, line 2393 (@shop-299)"
    assert time.perf_counter() - begin < 0.5


VALUES = st.one_of(
    st.text(max_size=20).map(lambda text: f'"{text}"'),
    st.sampled_from(
        ["", "5", "nan", "1979-05-27", "{}", "[[]]", "[1, 'a']", "true", '"22:00-08:00"', '"env:X"', "'''"]
    ),
)
LINES = st.one_of(
    st.sampled_from(["[[account]]", "[account]", "[defaults]", "[[route]]", "[[defaults]]", "[", "]]", '"""', "#"]),
    st.builds("{} = {}".format, st.sampled_from([*ACCOUNT, "account", "label", "account.x", "é", ""]), VALUES),
    st.text(max_size=30),
)


TEXTS = st.one_of(st.text(), st.lists(LINES, max_size=12).map("\n".join))


@given(TEXTS)
@example("[" * 5000)
@example("a = " + "[" * 5000)
@example("a." * 3000 + "a = 1")
@example("a = " + "9" * 5000)
@example("a = 2026-02-30")
@example("account = [nan]")
@example("\ud800 = 1")
@example(f'{HARBOUR}timezone = "\\u0000"')
def test_any_text_is_read_or_has_mistakes(text: str) -> None:
    entries, problems, *_ = parse(text, "accounts.toml")
    assert entries or problems
    assert all(str(problem).startswith("accounts.toml") for problem in problems)
