"""The wording of the Chinese documents: the words of WeChat and Slack, and full-width punctuation."""

from __future__ import annotations

import re

import pytest

from tests.documents import FENCE, SPAN, Document, documents

CHINESE = [page for page in documents() if page.name.endswith(".zh-CN.md")]
PAGES = pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.name)

# A word, as a pattern, and the one of WeChat's console, of its developer platform, or of Slack.
WORDS = {
    "消息串": "消息列",
    "私有频道": "私人频道",
    "您": "你",
    "帐号|帐户": "账号",
    "登陆": "登录",
    "机器人": "本应用",
    "客户(?!端)": "用户",
    "(?<!API )IP ?白名单": "API IP 白名单",
    "开发者密码|开发者密钥": "开发密钥",
    "基本配置|开发者设置": "微信开发者平台的基础信息",
    "静默时段|安静时段": "免打扰时段",
    "警报|报警通知": "告警",
    "工作空间": "工作区",
}
HAN = r"[\u4e00-\u9fff]"
HALF_WIDTH = re.compile(rf"{HAN}[,:;?!()]|[,:;?!()]{HAN}")
UNSPACED = re.compile(rf"{HAN}[A-Za-z0-9`]|[A-Za-z0-9`]{HAN}")
TARGET = re.compile(r"\]\([^)]*\)")
TAG = re.compile(r"<[^>]*?(?:alt=\"([^\"]*)\")?>")


def prose(text: str) -> list[str]:
    """Return the lines without code, link targets and HTML, except the descriptions of pictures."""
    text = SPAN.sub("`", FENCE.sub("", text))
    return TAG.sub(r"\1", TARGET.sub("]", text)).splitlines()


def found(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return each match with the text around it."""
    return [
        line[max(0, match.start() - 8) : match.end() + 8]
        for line in prose(text)
        for match in pattern.finditer(line)
    ]


def test_readme_and_alerts_have_chinese_pages() -> None:
    assert {page.name for page in CHINESE} == {"README.zh-CN.md", "docs/alerts.zh-CN.md"}


@PAGES
def test_chinese_page_uses_the_words_of_wechat_and_slack(page: Document) -> None:
    old = {word: found(re.compile(word), page.text) for word in WORDS}
    assert [f"{places}, better: {WORDS[word]}" for word, places in old.items() if places] == []


@PAGES
def test_chinese_page_has_no_half_width_punctuation_beside_chinese(page: Document) -> None:
    assert found(HALF_WIDTH, page.text) == []


@PAGES
def test_chinese_page_has_a_blank_between_chinese_and_latin(page: Document) -> None:
    assert found(UNSPACED, page.text) == []


@pytest.mark.parametrize(
    ("text", "half_width"),
    [
        ("微信,你", ["微信,你"]),
        ("你可以（用 HTTP）。", []),
        ("见[说明](docs/a.md)。否则", []),
        ("见[说明](docs/a.md)(英文)", ["见[说明](英文)", "见[说明](英文)"]),
        ("`a`, `b`", []),
        ('<img src="a.png" alt="频道(私人)">', ["频道(私人)", "频道(私人)"]),
        ("```\n微信: 你\n```\n", []),
    ],
)
def test_half_width_punctuation_is_found_outside_code_and_targets(text: str, half_width: list[str]) -> None:
    assert found(HALF_WIDTH, text) == half_width
