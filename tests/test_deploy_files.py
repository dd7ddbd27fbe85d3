"""The files that a host or a person reads: they follow the hosts' rules and agree with one another."""

from __future__ import annotations

import ast
import fnmatch
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from dotenv import dotenv_values
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bot.manifest import PLACEHOLDER, create_link, manifest
from bot.packages import OF_QUEUE as OPTIONAL
from bot.settings import proxies
from bot.settings.reader import SettingsError
from bot.settings.values import Settings
from bot.web.guard import SLACK_PATH
from tests.for_each import for_each

ROOT = Path(__file__).resolve().parent.parent


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


HOUSE = {
    *("bot", "wechat_kf", "tests", "docs", "bench", ".ci"),
    *("pyproject.toml", "requirements.txt", "requirements-fleet.txt", ".python-version", "Procfile", "app.json"),
    "Makefile",
    *(".env.example", ".gitignore", ".git-blame-ignore-revs", "LICENSE", "CHANGELOG.md"),
    *("README.md", "README.zh-CN.md", "SECURITY.md", "CONTRIBUTING.md"),
}
# Each of these names a package manager to the host; Heroku refuses two of them.
PACKAGE_MANAGERS = {
    *("requirements.txt", "Pipfile", "Pipfile.lock", "poetry.lock", "uv.lock", "pylock.toml", "pdm.lock"),
    *("setup.py", "environment.yml", "package.json"),
}


def top_level() -> set[str]:
    """Return the top level of the repository: tracked or new files, without ignored ones."""
    return {name for name in _listed_by_git() or _not_ignored() if (ROOT / name).exists()}


def _listed_by_git() -> set[str]:
    git = shutil.which("git")
    if git is None:
        return set()
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return {path.split("/")[0] for path in listed.stdout.split("\0") if path}


def _not_ignored() -> set[str]:
    ignored = [".git", *(line.rstrip("/") for line in text_of(".gitignore").split())]
    names = {path.name for path in ROOT.iterdir()}
    return {name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)}


@pytest.mark.process  # git
def test_top_level_has_only_the_listed_files() -> None:
    assert top_level() <= HOUSE


@pytest.mark.process  # git
def test_top_level_check_without_git_finds_every_file() -> None:
    assert {name for name in _listed_by_git() if (ROOT / name).exists()} <= _not_ignored()


@pytest.mark.process  # git
def test_root_holds_exactly_one_package_manager_file() -> None:
    assert top_level() & PACKAGE_MANAGERS == {"requirements.txt"}


@pytest.mark.process  # git
def test_local_settings_and_environments_are_never_committed() -> None:
    assert {".env", ".venv/", "*.db"} <= set(text_of(".gitignore").split())
    assert not top_level() & {".env", ".venv", "venv", "runtime.txt"}


PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
LOCKS = ("requirements.txt", "requirements-fleet.txt", "tests/requirements.txt")


def pins(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Return each requirement with its hashes, continuation lines joined."""
    lines = [line for line in text_of(lock).splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    parts = [re.split(r"\s+--hash=", line) for line in joined]
    return [(Requirement(requirement), hashes) for requirement, *hashes in parts]


def versions(lock: str) -> dict[str, str]:
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin, _ in pins(lock)}


def test_python_version_is_a_minor_one_inside_requires_python() -> None:
    version = text_of(".python-version")
    assert re.fullmatch(r"[0-9]+\.[0-9]+\n", version)
    assert version.strip() in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_hashed(lock: str) -> None:
    assert pins(lock)
    for pin, hashes in pins(lock):
        assert re.fullmatch(r"==[0-9][^,*]*", str(pin.specifier)), pin.name
        assert hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", found) for found in hashes), pin.name


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_no_option_and_no_address(lock: str) -> None:
    text = text_of(lock)
    options = [line for line in text.splitlines() if line.lstrip().startswith("-")]
    assert [line for line in options if not line.startswith("    --hash=sha256:")] == []
    assert "://" not in text


@pytest.mark.parametrize(
    ("lock", "declared"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-fleet.txt", PROJECT["dependencies"]),
        ("requirements-fleet.txt", PROJECT["optional-dependencies"]["fleet"]),
        ("tests/requirements.txt", PROJECT["dependencies"]),
        ("tests/requirements.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_every_declared_dependency_is_locked_in_a_version_that_it_allows(lock: str, declared: list[str]) -> None:
    locked = versions(lock)
    for requirement in map(Requirement, declared):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement.name


EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


@pytest.mark.parametrize(
    ("lock", "declared"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-fleet.txt", [*PROJECT["dependencies"], *EXTRAS["fleet"]]),
        ("tests/requirements.txt", [*PROJECT["dependencies"], *EXTRAS["fleet"], *EXTRAS["dev"]]),
    ],
)
def test_locks_name_the_extras_that_a_package_asks_for(lock: str, declared: list[str]) -> None:
    """pip before 23.3, which Python 3.11 brings, would take the newest release for an extra that no line names."""
    pinned = {canonicalize_name(pin.name): pin for pin, _ in pins(lock)}
    asked = [*map(Requirement, declared)]
    for name, pin in pinned.items():
        if pin.marker is None or pin.marker.evaluate():
            asked += [
                needed
                for needed in map(Requirement, requires(name) or ())
                if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in (*pin.extras, ""))
            ]
    with_extras = [needed for needed in asked if needed.extras]
    assert with_extras
    for needed in with_extras:
        assert needed.extras <= pinned[canonicalize_name(needed.name)].extras, needed.name


def test_tests_run_with_the_versions_that_are_deployed() -> None:
    fleet = versions("requirements-fleet.txt")
    assert versions("requirements.txt").items() <= fleet.items() <= versions("tests/requirements.txt").items()


def procfile() -> dict[str, str]:
    lines = [line.partition(": ") for line in text_of("Procfile").splitlines()]
    return {name: command for name, _, command in lines}


def test_procfile_means_the_same_line_by_line_and_as_yaml() -> None:
    assert procfile() == yaml.safe_load(text_of("Procfile"))
    assert len(procfile()) == len(text_of("Procfile").splitlines())


def test_procfile_starts_with_web() -> None:
    assert list(procfile()) == ["web", "worker"]


@pytest.mark.parametrize("name", procfile())
def test_process_is_plain_words_that_start_a_module(name: str) -> None:
    command = procfile()[name]
    assert re.fullmatch(r"[A-Za-z0-9]+", name)
    assert re.fullmatch(r"[a-z_.-]+( [a-z_.-]+)*", command)
    python, option, module, *_ = command.split()
    assert (python, option) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__")


GIVEN_BY_THE_HOST = {
    *proxies.READ,
    *proxies.EXEMPT,
    "DYNO",
    "FLY_APP_NAME",
    "RENDER",
}  # where the process runs; the host sets it


class Recording(Mapping[str, str]):
    """An environment that remembers which names it was asked for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)  # hosts that set variables with a common beginning are recognised by it

    def __len__(self) -> int:
        return len(self._known)


def names_read() -> set[str]:
    environ = Recording({})
    with pytest.raises(SettingsError):
        Settings.from_environ(environ)
    return environ.asked - GIVEN_BY_THE_HOST


def missing(environ: Mapping[str, str]) -> set[str]:
    """Return the names of missing settings; fail when one is malformed."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ(environ)
    lines = str(refused.value).splitlines()[1:]
    assert all(line.startswith("  not set: ") for line in lines), lines
    return {line.removeprefix("  not set: ") for line in lines}


FILLED_IN = {
    "WECHAT_APPID": "wx1234567890abcdef",
    "WECHAT_SECRET": "secret",
    "SLACK_BOT_TOKEN": "xoxb-token",
    "SLACK_SIGNING_SECRET": "secret",
    "SLACK_ALERT_CHANNEL": "C0123456789",
}
EXAMPLE_LINE = re.compile(r"(?P<off># )?(?P<name>[A-Z_]+)=(?P<value>.*)")


def example() -> dict[str, re.Match[str]]:
    matches = filter(None, map(EXAMPLE_LINE.fullmatch, text_of(".env.example").splitlines()))
    return {match["name"]: match for match in matches}


def test_example_names_every_setting_that_the_code_reads() -> None:
    assert set(example()) == names_read()


def test_each_setting_of_the_example_has_one_line_of_comment_above() -> None:
    blocks = re.split(r"\n(?=\n)", text_of(".env.example").strip())[1:]
    for block in blocks:
        lines = block.strip().splitlines()
        for comment, setting in zip(lines[::2], lines[1::2], strict=True):
            assert re.fullmatch(r"# [A-Za-z].*\.", comment), comment
            assert not EXAMPLE_LINE.fullmatch(comment), comment
            assert EXAMPLE_LINE.fullmatch(setting), setting


def test_unedited_example_reports_the_settings_to_fill_in() -> None:
    environ = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}
    assert missing(environ) == {name for name, line in example().items() if not line["off"]} == set(FILLED_IN)


def test_values_of_the_example_are_the_defaults() -> None:
    values = {name: line["value"] for name, line in example().items()}
    assert Settings.from_environ(values | FILLED_IN) == Settings.from_environ(FILLED_IN)
    needed = {name for name, value in values.items() if not value}
    assert needed >= set(FILLED_IN)


APP: dict[str, Any] = json.loads(text_of("app.json"))
ENVS = {"the form": APP["env"], "a review app": APP["environments"]["review"]["env"]}
HEROKU_KEYS = {
    *("name", "description", "keywords", "website", "repository", "logo", "success_url", "env"),
    *("formation", "addons", "buildpacks", "environments"),
}


def test_app_json_holds_only_keys_that_every_host_takes() -> None:
    assert set(APP) <= HEROKU_KEYS
    assert set(APP["environments"]) == {"review"}
    assert set(APP["environments"]["review"]) <= {"env", "addons", "formation", "buildpacks"}


def test_app_json_introduces_the_app() -> None:
    assert re.fullmatch(r"[A-Za-z].{0,29}", APP["name"])
    assert APP["description"]
    assert APP["success_url"] == "/"


def test_app_json_asks_for_one_web_process_and_the_smallest_database() -> None:
    assert APP["formation"] == {
        "web": {"quantity": 1, "size": "basic"},
        "worker": {"quantity": 0, "size": "basic"},
    }
    assert APP["formation"].keys() == procfile().keys()
    assert APP["buildpacks"] == [{"url": "heroku/python"}]
    assert APP["addons"] == [{"plan": "heroku-postgresql:essential-0"}]


@pytest.mark.parametrize("env", ENVS.values(), ids=ENVS)
def test_each_variable_of_app_json_explains_itself_and_has_text_for_a_value(env: dict[str, Any]) -> None:
    for name, entry in env.items():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
        assert not name.startswith("HEROKU_")
        assert set(entry) <= {"description", "value", "required", "generator"}, name
        assert len(entry["description"].split()) > 4, name
        assert isinstance(entry.get("value", ""), str), name
        assert isinstance(entry.get("required", True), bool), name


@pytest.mark.parametrize("env", ENVS.values(), ids=ENVS)
def test_app_json_names_only_settings_of_the_example(env: dict[str, Any]) -> None:
    assert env.keys() <= example().keys()


@pytest.mark.parametrize("env", ENVS.values(), ids=ENVS)
def test_app_json_requires_exactly_what_the_settings_require(env: dict[str, Any]) -> None:
    values = {name: entry["value"] for name, entry in env.items() if "value" in entry}
    required = {name for name, entry in env.items() if entry.get("required", True)}
    assert missing(values) == required - values.keys()
    optional = dict.fromkeys(env.keys() - required - values.keys(), "")
    assert Settings.from_environ(FILLED_IN | values | optional)


def test_values_of_the_form_are_the_defaults() -> None:
    values = {name: entry["value"] for name, entry in APP["env"].items() if "value" in entry}
    assert Settings.from_environ(FILLED_IN | values) == Settings.from_environ(FILLED_IN)


def test_review_app_sends_no_alerts_and_needs_no_database() -> None:
    assert ENVS["a review app"]["ALERTS"]["value"] == "off"
    assert APP["environments"]["review"]["addons"] == []


Mode = Literal["http", "socket"]
MODES: tuple[Mode, ...] = ("http", "socket")
SCOPES = {
    *("commands", "chat:write", "chat:write.public", "channels:history", "groups:history"),
    *("channels:read", "groups:read", "usergroups:read", "users:read"),
}
# Every key that the manifests use, and the most characters that Slack takes. Unknown keys are refused.
HINT = "[list|STATE|find TEXT|show ACCOUNT|invite ACCOUNT ID|add|rename|delete|history|status|help]"
LIMITS = {
    "display_information.name": 35,
    "display_information.description": 140,
    "features.app_home.home_tab_enabled": None,
    "features.app_home.messages_tab_enabled": None,
    "features.app_home.messages_tab_read_only_enabled": None,
    "features.bot_user.display_name": 80,
    "features.bot_user.always_online": None,
    "features.slash_commands.0.command": 32,
    "features.slash_commands.0.url": None,
    "features.slash_commands.0.description": 2000,
    "features.slash_commands.0.usage_hint": 1000,
    "features.slash_commands.0.should_escape": None,
    **{f"oauth_config.scopes.bot.{number}": None for number in range(len(SCOPES))},
    "settings.event_subscriptions.request_url": None,
    "settings.event_subscriptions.bot_events.0": None,
    "settings.interactivity.is_enabled": None,
    "settings.interactivity.request_url": None,
    "settings.org_deploy_enabled": None,
    "settings.socket_mode_enabled": None,
    "settings.token_rotation_enabled": None,
}
OF_HTTP_ALONE = {
    "features.slash_commands.0.url",
    "settings.event_subscriptions.request_url",
    "settings.interactivity.request_url",
}


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of a document by their dotted paths."""
    if not isinstance(value, dict | list):
        return {path.removeprefix("."): value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {leaf: found for key, inner in items for leaf, found in flat(inner, f"{path}.{key}").items()}


def leaves(mode: Mode, url: str | None = None) -> dict[str, Any]:
    return flat(yaml.safe_load(manifest(mode, url)))


def file_of(mode: Mode) -> str:
    return text_of(f"docs/slack-manifest.{mode}.yaml")


@pytest.mark.parametrize("mode", MODES)
def test_manifest_has_the_known_keys_within_their_limits(mode: Mode) -> None:
    found = leaves(mode)
    assert found.keys() == LIMITS.keys() - (OF_HTTP_ALONE if mode == "socket" else set())
    for key, value in found.items():
        limit = LIMITS[key]
        assert limit is None or 0 < len(value) <= limit, key
    assert found["features.slash_commands.0.command"] == "/kf"
    assert found["features.slash_commands.0.usage_hint"] == HINT


@pytest.mark.parametrize("mode", MODES)
def test_manifest_has_a_home_tab_and_its_event_and_takes_no_messages(mode: Mode) -> None:
    found = leaves(mode)
    assert found["features.app_home.home_tab_enabled"] is True
    assert found["features.app_home.messages_tab_enabled"] is True
    assert found["features.app_home.messages_tab_read_only_enabled"] is True
    assert yaml.safe_load(manifest(mode, None))["settings"]["event_subscriptions"]["bot_events"] == [
        "app_home_opened"
    ]


@pytest.mark.parametrize("mode", MODES)
def test_manifest_requests_the_needed_scopes_with_reasons(mode: Mode) -> None:
    bot = yaml.safe_load(file_of(mode))["oauth_config"]["scopes"]["bot"]
    assert set(bot) == SCOPES
    lines = [line.strip() for line in file_of(mode).splitlines()]
    for scope in bot:
        assert re.match(r"# \S", lines[lines.index(f"- {scope}") - 1]), scope


def test_manifests_differ_only_where_they_must() -> None:
    http, socket = leaves("http"), leaves("socket")
    differing = {key for key in http.keys() | socket.keys() if http.get(key) != socket.get(key)}
    assert differing == OF_HTTP_ALONE | {"settings.socket_mode_enabled"}
    assert (http["settings.socket_mode_enabled"], socket["settings.socket_mode_enabled"]) == (False, True)


@pytest.mark.parametrize(
    "url",
    [
        "https://kf.example.com",
        "https://kf.example.com/",
        "https://kf.example.com/slack/events",
        "https://kf.example.com/slack/events/",
        "  https://kf.example.com\n",
    ],
)
def test_address_goes_where_slack_calls(url: str) -> None:
    found = leaves("http", url)
    assert {found[key] for key in OF_HTTP_ALONE} == {f"https://kf.example.com{SLACK_PATH}"}
    assert PLACEHOLDER not in manifest("http", url)


def test_address_may_have_a_port_and_a_path() -> None:
    found = leaves("http", "https://example.com:8443/bots/kf")
    assert {found[key] for key in OF_HTTP_ALONE} == {f"https://example.com:8443/bots/kf{SLACK_PATH}"}


def test_manifest_without_an_address_is_the_file() -> None:
    assert manifest("http", None) == file_of("http")
    assert PLACEHOLDER + SLACK_PATH in file_of("http")


def test_socket_mode_has_no_address_to_fill_in() -> None:
    assert manifest("socket", "https://kf.example.com") == manifest("socket", None) == file_of("socket")


@for_each(
    "url",
    [
        "",
        "kf.example.com",
        "http://kf.example.com",
        "https://",
        "https:///slack/events",
        "https://user:geheim@kf.example.com",
        "https://kf.example.com?x=1",
        "https://kf.example.com/#top",
        "https://kf.example.com/ a",
        'https://kf.example.com/"',
        "https://kf.example.com\nfeatures: {}",
        "https://客服.example.com",
        "https://kf.example.com:port",
    ],
)
def test_address_that_slack_could_not_call_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address must be like https://") as refused:
        manifest("http", url)
    assert "geheim" not in str(refused.value)


def test_manifest_is_found_from_another_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert manifest("http", None) == file_of("http")


@pytest.mark.parametrize("mode", MODES)
def test_create_link_decodes_to_the_manifest(mode: Mode) -> None:
    link = urlsplit(create_link(manifest(mode, None)))
    assert (link.scheme, link.netloc, link.path) == ("https", "api.slack.com", "/apps")
    assert parse_qs(link.query) == {"new_app": ["1"], "manifest_yaml": [file_of(mode)]}


def test_create_link_has_no_character_that_markdown_or_a_form_would_change() -> None:
    link = create_link("a b+c: <d> (e)\n[f] 客服 & g/h\n")
    assert re.fullmatch(r"https://api\.slack\.com/apps\?new_app=1&manifest_yaml=[A-Za-z0-9%._~-]+", link)
    assert "a%20b%2Bc" in link


def test_create_links_of_documents_decode_to_the_manifests() -> None:
    texts = [path.read_text(encoding="utf-8") for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]]
    links = re.findall(r"https://api\.slack\.com/apps\?new_app=1[^\s>)\]]*", " ".join(texts))
    assert set(links) == {create_link(file_of(mode)) for mode in MODES}


def first_cells(path: str) -> str:
    rows = [line for line in text_of(path).splitlines() if line.startswith("|")]
    return " ".join(row.split("|")[1] for row in rows)


def test_readme_explains_every_setting_in_a_row() -> None:
    assert [name for name in example() if f"`{name}`" not in first_cells("README.md")] == []


def test_slack_page_explains_every_scope_in_a_row() -> None:
    scopes = yaml.safe_load(file_of("http"))["oauth_config"]["scopes"]["bot"]
    assert [name for name in scopes if f"`{name}`" not in first_cells("docs/slack-app.md")] == []


def imported(package: str) -> set[str]:
    """Return the top-level names of all imports in a package's files."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / package).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return {name.split(".")[0] for name in plain} | {
        node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module
    }


def test_packages_of_the_queue_are_in_the_lock_of_fleets() -> None:
    assert {*OPTIONAL.values()} <= versions("requirements-fleet.txt").keys() - versions("requirements.txt").keys()


installed = cache(packages_distributions)


@pytest.mark.parametrize("package", ["bot", "wechat_kf"])
def test_imported_packages_are_in_the_deployed_lock(package: str) -> None:
    """Compare imports with the lock: the tests run with more packages than a host installs."""
    libraries = imported(package) - OPTIONAL.keys() - sys.stdlib_module_names - {"bot", "wechat_kf"}
    providers = installed()
    deployed = set(versions("requirements.txt"))
    assert {name for name in libraries if not deployed & set(map(canonicalize_name, providers[name]))} == set()
