"""The documents: links lead somewhere, commands run, settings exist, and both languages agree."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from urllib.parse import unquote

import pytest

from bot.alerting.quiet_hours import SHANGHAI
from bot.blocks.answers.overview import overview
from bot.command_parser import make_parser
from bot.doctor.variables import WHERE
from bot.language import Language
from bot.manifest import create_link, manifest
from bot.runtime.logs import LogEvent
from bot.settings.values import Settings
from bot.web.guard import SLACK_PATH
from tests.conftest import NOW
from tests.documents import FENCE, ROOT, Code, Document, document, documents
from tests.samples import CONTEXT, FORTY, actions, reading, shown
from tests.test_deploy_files import HOUSE, example, procfile, text_of
from wechat_kf.advice import ADVICE

ALL = pytest.mark.parametrize("page", documents(), ids=lambda page: page.name)
AMBIENT = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
ENGLISH, CHINESE = document("README.md"), document("README.zh-CN.md")
TRANSLATED = [(ENGLISH, CHINESE), (document("docs/alerts.md"), document("docs/alerts.zh-CN.md"))]
BOTH = pytest.mark.parametrize(("english", "chinese"), TRANSLATED, ids=lambda page: page.name)
OF_OTHERS = {
    *AMBIENT,
    "SSL_CERT_FILE",
    "WEB_CONCURRENCY",
    "TEST_DATABASE_URL",
}  # variables that are not settings of the bot
EXPECTED = {
    *("README.md", "README.zh-CN.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md"),
    *("docs/deploy.md", "docs/runbook.md", "docs/architecture.md", "docs/slack-app.md"),
    *("docs/alerts.md", "docs/alerts.zh-CN.md"),
}


def test_every_document_is_there() -> None:
    assert {page.name for page in documents()} >= EXPECTED


@ALL
def test_every_link_inside_the_repository_has_a_target(page: Document) -> None:
    for link in page.links:
        if re.match(r"https?://", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        assert target.relative_to(ROOT).parts[0] in HOUSE, link
        if anchor:
            assert anchor in document(target).anchors, link


@ALL
def test_external_links_of_documents_use_https(page: Document) -> None:
    assert [link for link in page.links if link.startswith("http://")] == []


@ALL
def test_every_quoted_make_target_exists(page: Document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    named = {name for line in page.commands for name in re.findall(r"^make ([a-z-]+)", line)}
    assert named <= targets


@ALL
def test_every_quoted_test_exists(page: Document) -> None:
    for line in page.commands:
        for path, name in re.findall(r"\bpytest .*?(tests/\S+?\.py)(?:::(\w+))?", line):
            assert (ROOT / path).exists(), line
            assert f"def {name}(" in text_of(path) or not name, line


@ALL
def test_every_quoted_path_of_the_code_exists(page: Document) -> None:
    for section in page.sections:
        for span in section.spans:
            for path in re.findall(r"(?<![\w/.])(?:bot|wechat_kf|tests|bench|docs)/[\w./-]*\w", span):
                found = [ROOT / path, ROOT / f"{path}.py", *ROOT.glob(path)]
                assert any(one.exists() for one in found), path


def test_contributing_names_the_class_of_log_lines() -> None:
    assert f"`{LogEvent.__name__}(" in document("CONTRIBUTING.md").text


@ALL
def test_every_quoted_command_of_the_bot_exists(page: Document, capsys: pytest.CaptureFixture[str]) -> None:
    for line in page.commands:
        for found in re.findall(r"python -m bot(?![\w.])(.*)", line):
            try:
                make_parser().parse_args(shlex.split(found, comments=True))
            except SystemExit as ended:
                if ended.code:  # 0: --version
                    pytest.fail(f"python -m bot{found}: {capsys.readouterr().err}")


@ALL
def test_every_quoted_setting_exists(page: Document) -> None:
    words = {word for line in page.commands for word in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", line)}
    assert words - OF_OTHERS <= set(example())


@ALL
def test_variables_set_on_a_host_are_settings(page: Document) -> None:
    for line in page.commands:
        if re.match(r"(heroku|dokku) config:(un)?set\b", line):
            names = [word.split("=")[0] for word in shlex.split(line, comments=True) if word[:1].isupper()]
            assert names, line
            assert set(names) <= set(example()), line


BLOCKS = [(page.name, block) for page in documents() for block in page.code if block.language == "bash"]


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "block"), BLOCKS, ids=[f"{name} {index}" for index, (name, _) in enumerate(BLOCKS)]
)
def test_every_block_for_a_shell_parses(name: str, block: Code) -> None:
    bash = shutil.which("bash")
    assert bash
    parsed = subprocess.run([bash, "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (parsed.returncode, parsed.stderr) == (0, "")


def test_unit_starts_the_web_process_and_gives_it_time_to_stop() -> None:
    block = next(block.text for block in document("docs/deploy.md").code if "[Service]" in block.text)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd minds upper and lower case
    unit.read_string(block)
    service = unit["Service"]
    assert service["ExecStart"].removeprefix(f"{service['WorkingDirectory']}/.venv/bin/") == procfile()["web"]
    assert int(service["TimeoutStopSec"]) > 10  # the bot's own promise
    assert service["RestartPreventExitStatus"] == "2"  # of settings that make no sense
    assert service["Restart"] == "always"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_reverse_proxy_passes_the_paths_of_slack_and_of_the_readme() -> None:
    block = next(block.text for block in document("docs/deploy.md").code if "reverse_proxy" in block.text)
    assert re.findall(r"@open path (.+)", block) == [f"/ {SLACK_PATH}"]


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the container recipe with their arguments."""
    block = next(block for block in document("docs/deploy.md").code if block.language == "dockerfile")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in block.text.splitlines())]


def test_container_recipe_has_ten_lines_and_copies_existing_files() -> None:
    recipe = dockerfile()
    assert len(recipe) <= 10
    copied = [rest.split() for name, rest in recipe if name == "COPY"]
    assert all(len(words) == 2 and (ROOT / words[0]).exists() for words in copied)
    # All that the bot reads at run time: the manifests in docs/ too.
    assert {words[0] for words in copied} == {"requirements.txt", "bot", "wechat_kf", "docs"}


def test_container_recipe_installs_the_lock_and_runs_as_a_user() -> None:
    recipe = dockerfile()
    names = [name for name, _ in recipe]
    version = (ROOT / ".python-version").read_text().strip()
    assert recipe[0] == ("FROM", f"python:{version}-slim")
    installs = next(rest for name, rest in recipe if name == "RUN")
    assert installs.startswith("pip install ")
    assert installs.endswith("--require-hashes -r requirements.txt")
    user = dict(recipe)["USER"]
    assert user not in ("root", "0")
    assert f"useradd --system --no-create-home {user}" in [rest for name, rest in recipe if name == "RUN"]
    assert names.index("USER") < names.index("CMD") == len(names) - 1
    assert " ".join(json.loads(dict(recipe)["CMD"])) == procfile()["web"]


def test_deploy_page_names_the_reads_that_a_monthly_quota_must_hold() -> None:
    poll_seconds = Settings("", "", "").poll_seconds
    reads = 30 * 24 * 3600 // poll_seconds
    text = " ".join(document("docs/deploy.md").text.split())
    assert f"With `POLL_SECONDS={poll_seconds}` the bot reads WeChat {reads:,} times in 30 days" in text


# Pages in two languages


@BOTH
def test_translations_point_at_each_other(english: Document, chinese: Document) -> None:
    assert f"]({chinese.path.name})" in english.text.split("\n## ")[0]
    assert f"]({english.path.name})" in chinese.text.split("\n## ")[0]


@BOTH
def test_translations_have_the_same_structure(english: Document, chinese: Document) -> None:
    def structure(page: Document) -> list[tuple[int, int, int, int, int]]:
        """Return by section: its level, and its numbers of steps, points, tables and pictures."""
        return [
            (
                section.level,
                len(re.findall(r"^\d\. ", section.text, re.M)),
                len(re.findall(r"^- ", section.text, re.M)),
                len(section.tables),
                section.text.count("<img "),
            )
            for section in page.sections
        ]

    assert structure(english) == structure(chinese)


@BOTH
def test_translations_hold_the_same_code(english: Document, chinese: Document) -> None:
    def code(page: Document) -> list[Code]:
        return [block for block in page.code if block.language != "text"]  # the bot's words, which are translated

    assert code(english) == code(chinese)


@BOTH
def test_translations_have_the_same_links(english: Document, chinese: Document) -> None:
    def places(page: Document) -> set[str]:
        """Return the links to other pages and pictures, each by its English name."""
        links = {link for link in page.links if not link.startswith("#")}
        return {re.sub(r"\.zh(-CN)?(?=\.(md|png)$)", "", link) for link in links} - {english.path.name}

    assert places(english) == places(chinese)


@BOTH
def test_each_section_of_translations_names_the_same_things(english: Document, chinese: Document) -> None:
    for one, other in zip(english.sections, chinese.sections, strict=True):
        assert set(one.spans) == set(other.spans), one.title


@BOTH
def test_tables_of_translations_have_the_same_rows(english: Document, chinese: Document) -> None:
    def rows(page: Document) -> list[list[str]]:
        """Return the first cell of each row, where it is code."""
        return [
            [re.sub(r"[^`]*(`[^`]*`)?", r"\1 ", row[0]).strip() for row in table[1:]]
            for section in page.sections
            for table in section.tables
        ]

    assert rows(english) == rows(chinese)


def positions(page: Document, *words: str) -> list[int]:
    """Return where each of these texts first occurs; -1 if it does not."""
    return [page.text.find(word) for word in words]


def in_order(found: list[int]) -> bool:
    return -1 not in found and found == sorted(found)


def as_in_slack(text: str, language: Language) -> str:
    """Write the date tokens of a text of the samples as Slack does for a reader in Shanghai, without the bold."""

    def written(token: re.Match[str]) -> str:
        moment = datetime.fromtimestamp(int(token[1]), SHANGHAI)
        if language is Language.CHINESE:
            day, time = "今天" if moment.date() == NOW.date() else "明天", f"{moment:%H:%M}"
        else:
            day, time = "today" if moment.date() == NOW.date() else "tomorrow", f"{moment:%I:%M %p}".lstrip("0")
        return token[2].replace("{date_short_pretty}", day).replace("{time}", time)

    return re.sub(r"<!date\^(\d+)\^([^|]*)\|[^>]*>", written, text).replace("*", "")


@pytest.mark.parametrize(("page", "language"), [(ENGLISH, Language.ENGLISH), (CHINESE, Language.CHINESE)])
def test_readme_shows_the_overview_as_slack_does(page: Document, language: Language) -> None:
    message = overview(reading(*FORTY), replace(CONTEXT, language=language))
    texts = [as_in_slack(text, language) for text in shown(message)]
    see_all, refresh = (button["text"]["text"] for button in actions(message).values())
    *rows, source = [text for text in texts if text not in (see_all, refresh)]
    (sample,) = (block.text for block in page.code if block.language == "text")
    drawn = [" ".join(line.split()) for line in sample.splitlines()[1:] if line.strip(" ─")]
    assert drawn == [" ".join(text.split()) for text in (*rows, f"[{see_all}] [{refresh}]", source)]


READMES = pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=lambda page: page.name)


def test_introductions_explain_binding_invitations() -> None:
    assert in_order(positions(ENGLISH, "binding invitation", "accept it in WeChat", "expires", "`/kf`", "```"))
    assert in_order(positions(CHINESE, "绑定邀请", "接受", "过期", "`/kf`", "```"))


@READMES
def test_readme_is_short(page: Document) -> None:
    assert len(page.text.splitlines()) <= 220


@READMES
def test_readme_has_no_long_line_of_prose(page: Document) -> None:
    exempt = re.compile(r"\||<img |\[!\[|\[[^]]+\]: ")  # tables, pictures, definitions of links
    lines = [line for line in page.text.splitlines() if not exempt.match(line.lstrip())]
    assert [line for line in lines if len(line) > 120] == []


@READMES
def test_readme_links_both_manifests_before_the_steps(page: Document) -> None:
    socket, http = "](docs/slack-app.md#socket-mode)", "](docs/slack-app.md#http)"
    assert in_order(positions(page, "- **Socket Mode**", socket, "- **HTTP**", http, "\n1. **"))


def test_slack_page_offers_each_manifest_with_its_file() -> None:
    page = document("docs/slack-app.md")
    for title, mode in (("Socket Mode", "socket"), ("HTTP", "http")):
        text = page.section(title).text
        assert text.count(create_link(manifest(mode, None))) == 1
        assert f"](slack-manifest.{mode}.yaml)" in text


@READMES
def test_readme_names_the_fork_before_the_deploy_button(page: Document) -> None:
    assert in_order(positions(page, "fork", "[![Deploy]"))
    assert "OWNER/REPO" not in page.text.split("[![Deploy]")[1].split("\n", 1)[1]


def test_readmes_name_the_proxy_before_the_allow_list() -> None:
    assert in_order(positions(ENGLISH, "proxy add-on", "IP allow-list"))
    assert in_order(positions(CHINESE, "代理附加组件", "IP 白名单"))


# Where WeChat keeps the AppSecret and the allow-list

PATH = re.compile(r"\(the account, ([^);:]*)[);:]")
PATHS = {
    "basic information",
    "basic information, development keys",
    "basic information, development information",
}


def sentences() -> Iterator[tuple[str, str]]:
    """Yield the sentences of documents, advice and doctor's remedies, each with its origin."""
    texts = [(page.name, FENCE.sub("", page.text)) for page in documents()]
    texts += [(f"advice {errcode}", known.text) for errcode, known in ADVICE.items()]
    texts += [(f"doctor {name}", remedy) for name, remedy in WHERE.items()]
    for name, text in texts:
        for paragraph in re.split(r"\n\n|\n(?=[-|>#]|\d\. )", text):
            yield from ((name, " ".join(one.split())) for one in re.split(r"(?<=[.。;；])\s|。", paragraph))


def test_no_text_looks_for_the_appsecret_or_the_allow_list_in_the_console() -> None:
    moved, console = re.compile(r"AppSecret|allow-list|白名单"), re.compile(r"console|公众平台")
    assert [found for found in sentences() if moved.search(found[1]) and console.search(found[1])] == []


def test_every_text_gives_the_same_paths_on_the_developer_platform() -> None:
    named = [(name, path) for name, text in sentences() for path in PATH.findall(text)]
    assert [found for found in named if found[1] not in PATHS] == []
    assert {path for _, path in named} == PATHS


@READMES
def test_readme_names_the_pages_of_the_developer_platform_in_their_steps(page: Document) -> None:
    text = " ".join(page.text.split())
    keys = text.index("我的业务 › 公众号/服务号 › 基础信息 › 开发密钥")
    information = text.index("开发信息")
    third, fourth, eighth = (text.index(f" {step}. **") for step in (3, 4, 8))
    assert third < text.index("](https://developers.weixin.qq.com/platform/)") < fourth
    assert third < keys < fourth < eighth < information


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("README.md", "the server's address, which it checks at every call"),
        ("README.zh-CN.md", "服务器的地址，每次调用都会检查"),
        ("docs/deploy.md", "WeChat checks the address at every call, also when the token is still valid"),
        ("docs/runbook.md", "WeChat checks it at every call, with a valid token too"),
    ],
)
def test_page_says_that_wechat_checks_the_address_at_every_call(name: str, words: str) -> None:
    assert words in " ".join(document(name).text.split())


def settings_of(page: Document) -> dict[str, str]:
    """Return the default, code or a number, by the first cell of a row."""
    (table,) = (
        table
        for section in page.sections
        for table in section.tables
        if any("`SLACK_BOT_TOKEN`" in row[0] for row in table)
    )
    return {row[0]: " ".join(re.findall(r"`[^`]+`|\d+", row[2])) for row in table[1:]}


def test_both_readmes_name_the_same_settings_with_the_same_defaults() -> None:
    assert settings_of(ENGLISH) == settings_of(CHINESE)


def test_defaults_in_the_readme_are_those_of_the_example() -> None:
    for names, cell in settings_of(ENGLISH).items():
        defaults = [word.strip("`") for word in re.findall(r"`[^`]+`|\d+", cell)]
        named = re.findall(r"`([A-Z_]+)`", names)
        for name, default in zip(named, defaults, strict=False):
            assert example()[name]["value"] in ("", default), name
        without_default = named[len(defaults) :]
        assert [name for name in without_default if example()[name]["value"]] == []
