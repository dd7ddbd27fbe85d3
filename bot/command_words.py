"""Words of commands in Chinese, and the spelling of words in both languages. Pure; `requests` reads English.

A new command needs its Chinese words in `_COMMANDS`, and if a text follows it, its name in `BEFORE_TEXT`; a new
state needs them in `_LISTS`. Words are in Simplified characters; `_SIMPLIFIED` has their Traditional ones.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

# By English word. The English words themselves are in `requests`.
_LISTS = {
    "list": ("列表", "全部", "清单"),
    "expiring": ("即将过期", "快过期", "将过期"),
    "rejected": ("已拒绝", "被拒绝", "拒绝"),
    "expired": ("已过期", "过期"),
    "waiting": ("等待确认", "待确认", "等待"),
    "bound": ("已绑定", "绑定"),
    "idle": ("未绑定", "空闲"),
    "unknown": ("未知状态", "未知"),
    "attention": ("需要处理", "待处理"),
}
_COMMANDS = {
    "": ("概览", "首页"),
    "find": ("查找", "搜索", "寻找", "搜寻", "搜", "找"),
    "show": ("查看", "详情", "看"),
    "invite": ("邀请", "重新邀请", "邀请绑定"),
    "add": ("添加", "新增", "新建"),
    "rename": ("改名", "重命名", "改昵称"),
    "delete": ("删除",),
    "history": ("操作记录", "记录", "历史"),
    "status": ("状态", "运行状态"),
    "help": ("帮助", "说明"),
}
# Of the installation, for `tenant_requests`. 全部 alone stays a list.
_TENANTS = {
    "accounts": ("公众号", "账号列表", "公众号列表"),
    "all": ("全部公众号", "所有公众号"),
}
# After the word for accounts: states of an authorisation.
_TENANT_STATES = {
    "unexchanged": ("授权未完成", "未完成"),
    "ungranted": ("未授权客服", "未授权"),
    "doubtful": ("授权存疑", "存疑"),
    "revoked": ("已取消授权", "取消授权", "已取消"),
    "closed": ("已封禁", "封禁", "已注销"),
}
# After the word for accounts, for administrators.
_ADMINISTRATION = {
    "add": ("添加", "新增", "新建"),
    "pause": ("停用", "暂停"),
    "resume": ("恢复", "启用"),
    "link": ("授权链接", "链接"),
}
TENANT_STATES = tuple(_TENANT_STATES)
BEFORE_TEXT = ("find", "show", "invite", "add", "rename", "delete", "history")
_SIMPLIFIED = str.maketrans(
    "覽頁單將過絕確認綁閒閑狀態處尋詳運幫說説請暱稱刪記錄歷眾號帳賬帐暫恢復啟啓",
    "览页单将过绝确认绑闲闲状态处寻详运帮说说请昵称删记录历众号账账账暂恢复启启",
)

_LIST_WORDS = {word: english for english, words in _LISTS.items() for word in words}
_ALL = {**_LIST_WORDS, **{word: english for english, words in _COMMANDS.items() for word in words}}
# Words that may be suggested: not those of the overview, which is `/kf` without a word.
_SPELLED = {word: english for word, english in _ALL.items() if english and len(word) > 1}
_ADMINISTRATION_WORDS = {word: english for english, words in _ADMINISTRATION.items() for word in (english, *words)}
_STATE_WORDS = {word: english for english, words in _TENANT_STATES.items() for word in (english, *words)}
_TENANT_WORDS = {word: english for english, words in _TENANTS.items() for word in words}
_PAGE = re.compile(r"第 ?([0-9]+) ?页")
_BEFORE_NUMBER = re.compile(rf"(?<!\S)({'|'.join(_LIST_WORDS)})(?=[0-9]+(?!\S))")
# The longest word first.
_WORD_BEFORE_TEXT = re.compile(
    rf"({'|'.join(sorted((word for word in _ALL if _ALL[word] in BEFORE_TEXT), key=len, reverse=True))})[:：]?"
)
_TENANT_WORD = re.compile("|".join(sorted(_TENANT_WORDS, key=len, reverse=True)))


def in_english(word: str) -> str | None:
    """Return the English word of a command for a Chinese one: "" for the overview, None for any other word."""
    return _ALL.get(word.translate(_SIMPLIFIED))


def list_words(text: str) -> list[str]:
    """Split the words of a list, and put them into English; words that do not belong to a list are kept.

    A page is `第2页`, with or without blanks, or a number right after a word, as in `列表2`.
    """
    text = _PAGE.sub(r" list \1 ", text.translate(_SIMPLIFIED).replace("、", " "))
    return [_LIST_WORDS.get(word, word) for word in _BEFORE_NUMBER.sub(r"\1 ", text).split()]


def split_text(typed: str, shortest: int = 2) -> tuple[str, str] | None:
    """Split `查找小波` into `find` and `小波`. Return None if `typed` does not begin with such a word.

    A word of one character is too often the beginning of a name, so `shortest` is 2. A name that begins with a
    longer word is still found: its end, which is searched for, is a part of it.
    """
    match = _WORD_BEFORE_TEXT.match(typed.translate(_SIMPLIFIED))
    if match is None or len(match[1]) < shortest:
        return None
    return _ALL[match[1]], typed[match.end() :]


def split_tenant_word(typed: str) -> tuple[str, str] | None:
    """Split `公众号已拒绝` into `accounts` and `已拒绝`. Return None if `typed` does not begin with such a word."""
    match = _TENANT_WORD.match(typed.translate(_SIMPLIFIED))
    return (_TENANT_WORDS[match[0]], typed[match.end() :]) if match else None


def tenant_state(word: str) -> str:
    """Return the English word for the state of an authorisation; "" for any other word."""
    return _STATE_WORDS.get(word.translate(_SIMPLIFIED), "")


def split_administration(typed: str) -> tuple[str, str]:
    """Split `添加` and `停用 @harbour` into the English word and the rest; ("", typed) for any other text."""
    text = typed.translate(_SIMPLIFIED)
    word = next((word for word in _ADMINISTRATION_WORDS if text == word or text.startswith(f"{word} ")), "")
    return (_ADMINISTRATION_WORDS[word], typed[len(word) :].strip()) if word else ("", typed)


def corrected(wrong: str, english: Sequence[str]) -> str | None:
    """Return the word, in English, that one edit of the wrong word makes.

    One character can change the meaning of a Chinese word: 查找 to 查看, 已绑定 to 没绑定. So both words need three
    characters or more, and the same first one, which says yes, no or not yet.
    """
    wrong = wrong.translate(_SIMPLIFIED)
    chinese = (word for word in _SPELLED if min(len(word), len(wrong)) >= 3 and word[0] == wrong[0])
    word = next((word for word in (*english, *chinese) if one_edit_apart(wrong, word)), None)
    return word and _SPELLED.get(word, word)


_NEGATIONS = ("未", "没", "不")  # 没绑定 must not suggest 已绑定


def nearest(wrong: str, english: Sequence[str]) -> str | None:
    """Return the word, in English, whose spelling in either language is most similar, if any is near."""
    wrong = wrong.translate(_SIMPLIFIED)
    same_sense = (word for word in _SPELLED if (word[0] in _NEGATIONS) == (wrong[:1] in _NEGATIONS))
    close = difflib.get_close_matches(wrong, (*english, *same_sense), n=1)
    return _SPELLED.get(close[0], close[0]) if close else None


def one_edit_apart(a: str, b: str) -> bool:
    """Return whether one letter inserted, deleted, replaced or swapped with its neighbour turns `a` into `b`."""
    shorter, longer = sorted((a, b), key=len)
    same = next((place for place, (x, y) in enumerate(zip(shorter, longer, strict=False)) if x != y), len(shorter))
    shorter, longer = shorter[same:], longer[same:]
    if len(shorter) != len(longer):
        return shorter == longer[1:]
    swapped = shorter[1::-1] + shorter[2:]
    return longer != "" and (shorter[1:] == longer[1:] or swapped == longer)
