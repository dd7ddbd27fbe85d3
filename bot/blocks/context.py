"""The context of a rendering: every input besides its data. It translates sentences for the reader."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from bot.alerting.episode import AlertPolicy
from bot.alerting.quiet_hours import SHANGHAI
from bot.language import Language, catalogue, pgettext_noop
from bot.settings.values import Settings

# What directly precedes a date token: small letters, with a capital at the beginning of the sentence; or a comma.
_BEFORE_DATE = re.compile(r"(^[A-Z][a-z]+ (?:[a-z]+ )*|(?<![A-Za-z])(?:[a-z]+ )+|, )<!date\^(\d+)\^(\{[^|]*)\|")
STATES = (  # the words of `AccountStatus` and `EpisodeState`
    pgettext_noop("state", "expiring"),
    pgettext_noop("state", "rejected"),
    pgettext_noop("state", "expired"),
    pgettext_noop("state", "unknown"),
    pgettext_noop("state", "waiting"),
    pgettext_noop("state", "idle"),
    pgettext_noop("state", "bound"),
    pgettext_noop("state", "removed"),
    pgettext_noop("state", "invited again"),
    pgettext_noop("state", "invitation withdrawn"),
)
_FULL_STOPS = "。；：，？）"
_AFTER_STOP = re.compile(r"(?<=[。；：，？）]) (?=[^<])")
_OWN_WORDS = ("对方", "有人")  # a person whose ID or name is not known


class RenderMode(Enum):
    """Where the words appear, which decides how moments and users are written."""

    POST = "post"  # blocks of a message about to be posted: a link to a user would notify that user
    EDIT = "edit"  # blocks of an edit, or of an answer to one person: they notify no user
    TEXT = "text"  # fallback text for notifications and screen readers: no date tokens, no links


@dataclass(frozen=True, slots=True)
class RenderContext:
    """Settings, reader and purpose of one rendering."""

    policy: AlertPolicy
    poll: timedelta = timedelta(minutes=5)  # the interval of polls that succeed
    language: Language = Language.ENGLISH
    zone: ZoneInfo = SHANGHAI  # of "tomorrow 9:00"
    text_zone: ZoneInfo | None = None  # of moments that Slack does not convert to the reader's zone; None: UTC
    around: datetime | None = None  # a moment more than ten months from this one is written with its year
    mention: str = ""  # of the on-call user or group, as mrkdwn: `<!subteam^S…>`
    operations: bool = False  # the reader, or a user in the channel, can invite from Slack, so that is offered
    history: bool = False  # operations are on, so their history is offered
    in_modal: bool = False  # the words lie on top of the account's details, which need not be offered again
    handle: str = ""  # of the Official Account, where commands name one of several
    accounts_file: str = ""  # its name, if the Official Account is defined there, and not in the environment
    account_command: str = ""  # the one that changes the account, if the database has it
    is_withdrawn: bool = False  # its owner has withdrawn the authorisation: it is no longer watched
    hosted_by: str = ""  # the host, if its processes have no fixed address
    mode: RenderMode = RenderMode.EDIT

    @classmethod
    def from_settings(cls, settings: Settings) -> RenderContext:
        return cls(
            policy=settings.policy,
            poll=timedelta(seconds=settings.poll_seconds),
            language=settings.language,
            zone=settings.timezone,
            text_zone=settings.timezone,
            mention=settings.alert_mention,
            hosted_by=settings.hosted_by_without_proxy,
        )

    @property
    def as_text(self) -> RenderContext:
        """Return the context of the fallback text of the same message."""
        return replace(self, mode=RenderMode.TEXT)

    @property
    def kf(self) -> str:
        """Return the command that shows the account."""
        return f"/kf @{self.handle}" if self.handle else "/kf"

    @property
    def channel_setting(self) -> str:
        """Return what decides to which channel the account posts."""
        if self.account_command:
            return f"`--channel` (`{self.account_command}`)"
        return f"`channel` (`{self.accounts_file}`)" if self.accounts_file else "SLACK_ALERT_CHANNEL"

    def say(self, sentence: str, **values: object) -> str:
        """Translate a sentence, and fill its places. `sentence` is the key of the catalogue, so it is a literal.

        Values are clean and escaped already, and braces in them have no effect.
        """
        return self._filled(catalogue(self.language).gettext(sentence), values)

    def count(self, one: str, more: str, number: int, **values: object) -> str:
        """Translate a sentence with `{number}` in it, in its singular or plural."""
        sentence = catalogue(self.language).ngettext(one, more, number)
        return self._filled(sentence, {"number": number, **values})

    def term(self, context: str, words: str, **values: object) -> str:
        """Translate words whose translation depends on where they stand, which `context` names."""
        return self._filled(catalogue(self.language).pgettext(context, words), values)

    def state(self, word: str) -> str:
        """Translate the word for a state, an `AccountStatus` or an `EpisodeState`."""
        return self.term("state", str(word))

    def capitalized(self, words: str) -> str:
        """Begin words with a capital, as a sentence or a line does in English."""
        return words[:1].upper() + words[1:] if self.language is Language.ENGLISH else words

    def uncapitalized(self, sentence: str) -> str:
        """Begin a sentence that follows a colon with a small letter, in English."""
        return sentence[:1].lower() + sentence[1:] if self.language is Language.ENGLISH else sentence

    def paragraph(self, *sentences: str) -> str:
        """Put sentences one after another, and leave out empty ones. Chinese has no blank after its full stop."""
        text = ""
        for sentence in filter(None, sentences):
            marked = sentence.startswith(("*", "`", "<")) and not sentence.startswith("<#")
            glued = self.language is Language.CHINESE and text[-1:] in _FULL_STOPS and not marked
            text += sentence if glued or not text else f" {sentence}"
        return text

    def plain(self, text: str) -> str:
        """Remove the markup of a text. In Chinese, the blanks go that bold text had after a full stop."""
        text = text.replace("*", "").replace("`", "").replace("’", "'")
        return _AFTER_STOP.sub("", text) if self.language is Language.CHINESE else text

    def series(self, words: Sequence[str]) -> str:
        """Write `a, b, c`."""
        return ("、" if self.language is Language.CHINESE else ", ").join(words)

    def counted(self, numbers: Mapping[str, int]) -> str:
        """Write `12 rejected, 9 expired`; the keys are words for states."""
        counts = [
            self.say("{number} {state}", number=number, state=self.state(word)) for word, number in numbers.items()
        ]
        return self.series(counts)

    def clauses(self, words: Sequence[str]) -> str:
        """Write `a, b, c`, of phrases that are more than names."""
        return ("，" if self.language is Language.CHINESE else ", ").join(words)

    def listed(self, words: Sequence[str]) -> str:
        """Write `a, b and c`."""
        if len(words) < 2:
            return self.series(words)
        return self.say("{words} and {last}", words=self.series(words[:-1]), last=words[-1])

    def either(self, words: Sequence[str]) -> str:
        """Write `a, b or c`."""
        if len(words) < 2:
            return self.series(words)
        return self.say("{words} or {last}", words=self.series(words[:-1]), last=words[-1])

    def some(self, words: Sequence[str], most: int, total: int | None = None) -> str:
        """Write `a, b and 48 more`: at most `most` of the words, of `total` if these are not all."""
        return self._and_more(self.series(words[:most]), len(words) if total is None else total, most)

    def some_clauses(self, clauses: Sequence[str], most: int) -> str:
        """Write `a, as b; c, as d; and 48 more`: at most `most` of the clauses, which contain commas."""
        mark = "；" if self.language is Language.CHINESE else "; "
        return self._and_more(mark.join(clauses[:most]), len(clauses), most)

    def _and_more(self, names: str, total: int, most: int) -> str:
        if total <= most:
            return names
        return self.say("{names} and {number} more", names=names, number=total - most, total=total)

    def _filled(self, template: str, values: dict[str, object]) -> str:
        """Fill the places of a template.

        Slack writes "Today" with a capital at the beginning of a date token, so in English the words that precede
        the token go into it: "until today 6:00 PM". The fallback text has plain apostrophes.
        """
        if self.language is Language.CHINESE:
            for place, value in values.items():
                if value in _OWN_WORDS:  # a blank is beside names and IDs only
                    template = re.sub(rf" ?\{{{place}\}} ?", f"{{{place}}}", template)
            filled = template.format(**values)
            return _AFTER_STOP.sub("", filled) if self.mode is RenderMode.TEXT else filled
        if self.mode is RenderMode.TEXT:
            return template.replace("’", "'").format(**values)
        filled = template.format(**values)
        return _BEFORE_DATE.sub(r"<!date^\2^\1\3|\1", filled) if "<!date^" in filled else filled
