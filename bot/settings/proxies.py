"""The proxy of the host's environment, for all traffic but WeChat's, whose proxy has its own settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from bot.settings import parsers
from bot.settings.reader import InvalidSetting, VariableReader

READ = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")  # the order of Slack's SDK
EXEMPT = ("no_proxy", "NO_PROXY")  # the order of Python's library


@dataclass(frozen=True, slots=True)
class AmbientProxy:
    """One HTTP proxy, and the hosts that are called without it."""

    variable: str = ""  # whose value it is; "" without a proxy
    url: str = field(default="", repr=False)
    exempt: str = ""  # host names and their endings, with commas between; * for all
    unusable: tuple[InvalidSetting, ...] = ()  # variables that do not hold the URL of an HTTP proxy

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Choose the first usable proxy. An unusable variable of the host is noted, but stops no process."""
        reader = VariableReader(environ)
        urls = {name: reader.read(name, "", parsers.proxy_url) for name in READ}
        variable = next((name for name, url in urls.items() if url), "")
        exempt = next((environ[name] for name in EXEMPT if reader.is_set(name)), "")
        return cls(variable, urls.get(variable, ""), exempt, reader.problems)

    def of(self, url: str) -> str:
        """Return the proxy through which a URL is called; "" for a direct connection."""
        host = urlsplit(url).hostname or ""
        names = {name.lstrip("*.").lower() for name in re.split(r"[,\s]+", self.exempt) if name}
        # "*" alone is "" now, which every host ends with.
        exempt = any(host == name or host.endswith(name and f".{name}") for name in names)
        return "" if exempt else self.url
