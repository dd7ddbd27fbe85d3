"""The context of a rendering: every input besides its data. It translates sentences for the reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from bot.alerting.episode import AlertPolicy
from bot.alerting.quiet_hours import SHANGHAI
from bot.language import Language, catalogue
from bot.settings.values import Settings

# The words directly before a date token in a sentence: letters after the last mark, and a comma.
_BEFORE_DATE = re.compile(r"((?:, )?(?:[A-Za-z’]+ )*)<!date\^(\d+)\^([^|]*)\|")
_FULL_STOPS = "。；：，？）"


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
    platform: str = ""  # the host, if its processes have no fixed address
    mode: RenderMode = RenderMode.EDIT

    @classmethod
    def from_settings(cls, settings: Settings) -> RenderContext:
        return cls(
            policy=AlertPolicy(leads=settings.alert_leads, quiet=settings.quiet),
            poll=timedelta(seconds=settings.poll_seconds),
            language=settings.language,
            zone=settings.timezone,
            text_zone=settings.timezone,
            mention=settings.alert_mention,
            platform=settings.platform_without_proxy,
        )

    @property
    def as_text(self) -> RenderContext:
        """Return the context of the fallback text of the same message."""
        return replace(self, mode=RenderMode.TEXT)

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

    def paragraph(self, *sentences: str) -> str:
        """Put sentences one after another, and leave out empty ones. Chinese has no blank after its full stop."""
        text = ""
        for sentence in filter(None, sentences):
            glued = self.language is Language.CHINESE and text[-1:] in _FULL_STOPS and sentence[0] not in "*<`"
            text += sentence if glued or not text else f" {sentence}"
        return text

    def series(self, words: Sequence[str]) -> str:
        """Write `a, b, c`."""
        return ("、" if self.language is Language.CHINESE else ", ").join(words)

    def listed(self, words: Sequence[str]) -> str:
        """Write `a, b and c`."""
        *others, last = words
        return self.say("{words} and {last}", words=self.series(others), last=last) if others else last

    def either(self, words: Sequence[str]) -> str:
        """Write `a, b or c`."""
        *others, last = words
        return self.say("{words} or {last}", words=self.series(others), last=last) if others else last

    def some(self, words: Sequence[str], most: int) -> str:
        """Write `a, b and 48 more`: at most `most` of the words."""
        names = self.series(words[:most])
        if len(words) <= most:
            return names
        return self.say("{names} and {number} more", names=names, number=len(words) - most, total=len(words))

    def _filled(self, template: str, values: dict[str, object]) -> str:
        """Fill the places of a template.

        Slack writes "Today" with a capital at the beginning of a date token, so in English the words that precede
        the token go into it: "until today 6:00 PM". The fallback text has plain apostrophes.
        """
        if self.language is not Language.ENGLISH:
            return template.format(**values)
        if self.mode is RenderMode.TEXT:
            return template.replace("’", "'").format(**values)
        return _BEFORE_DATE.sub(r"<!date^\2^\1\3|\1", template.format(**values))
