"""The only reader of `os.environ`: the variables of the process, with the file `.env` below them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

# Bolt reads these: a client ID would switch it to OAuth, a token would make it call Slack in an ack.
BOLT = ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET")
# HTTP clients read these when they are created, each in its own way. `settings.proxies` chooses one for all.
ALL_PROXY = ("ALL_PROXY", "all_proxy")
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
# Python opens this file whenever a TLS context is made, and writes the keys of every connection to it.
TLS_KEYS = "SSLKEYLOGFILE"
HIDDEN = (*BOLT, *PROXIES)


def take() -> dict[str, str]:
    """Return the variables of the process, and hide from libraries those that they would read on their own."""
    variables = dict(os.environ)
    for name in (*HIDDEN, *ignored(variables)):
        os.environ.pop(name, None)
    return variables


def with_file(variables: Mapping[str, str], path: str = ".env") -> dict[str, str]:
    """Return the variables, with those of a file below them.

    Raises:
        OSError, UnicodeError: the file exists, and cannot be read.
    """
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path).items() if value is not None} | dict(variables)


def read_file(path: str) -> str:
    """Return the text of a file that a setting names.

    Raises:
        OSError, UnicodeError: it cannot be read.
    """
    return Path(path).read_text(encoding="utf-8")


def ignored(variables: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that are set, and that the bot does not use.

    Among them those that lead OpenSSL to no certificate: it would trust no server.
    """
    usable: Mapping[str, Callable[[str], bool]] = {
        "SSL_CERT_FILE": _holds_certificates,
        "SSL_CERT_DIR": _names_a_folder,
    }
    unusable = [name for name, check in usable.items() if variables.get(name) and not check(variables[name])]
    return [*(name for name in (*ALL_PROXY, TLS_KEYS) if variables.get(name)), *unusable]


@cache
def _holds_certificates(path: str) -> bool:
    """Return whether OpenSSL reads all certificates of a file. It takes 30 ms for those of a system."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return False
    return True


def _names_a_folder(paths: str) -> bool:
    return any(Path(path).is_dir() for path in paths.split(os.pathsep))
