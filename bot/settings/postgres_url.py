"""Check a PostgreSQL `DATABASE_URL` as libpq, its client library, will read it. Make no connection.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

URL = re.compile(
    r"postgres(?:ql(?:\+psycopg)?)?://(?:(?P<user>[^/?#@:]*)(?::(?P<password>[^/?#@]*))?@)?"
    r"(?P<hosts>[^/?#@]*)(?:/(?P<name>[^?#@]*))?(?:\?(?P<query>[^#]*))?"
)
HOST = re.compile(r"(?:\[[^\[\]]+\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
MALFORMED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
ESCAPES = "in a password # ? / @ are written %23 %3F %2F %40"
SSL_MODES = ("allow", "disable", "prefer", "require", "verify-ca", "verify-full")

# All options of libpq 18; a test compares them with the installed version.
_KNOWN_TO_LIBPQ = """
    application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssdelegation
    gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
    load_balance_hosts max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer
    oauth_scope options passfile password port replication require_auth requirepeer scram_client_key
    scram_server_key service ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression
    sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs
    tcp_user_timeout user
"""
KNOWN_OPTIONS = frozenset(_KNOWN_TO_LIBPQ.split())
SECRET_OPTIONS = ("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")
# Options of other clients, with libpq's equivalents. Any other unknown option is to be removed.
EQUIVALENTS = {
    "ssl": "write sslmode=require instead",
    "sslaccept": "write sslmode=verify-full, or sslmode=require without a check of the certificate",
    "schema": "write options=-c%20search_path%3DNAME instead",
    "currentschema": "write options=-c%20search_path%3DNAME instead",
    "search_path": "write options=-c%20search_path%3DNAME instead",
    "encoding": "remove it: the bot writes UTF-8",
    "statement_timeout": "remove it: the bot has a time limit of its own",
}
REMOVE = "remove it"


def check(text: str) -> None:
    """Check a URL.

    Raises:
        ValueError: what is wrong, in words that follow the variable's name and quote no value.
    """
    parts = URL.fullmatch(text)
    # A bare ? in a password would turn the rest of it into options.
    cut = parts and parts["hosts"] and parts["user"] is None and "@" in (parts["query"] or "")
    if parts is None or not _has_valid_hosts(parts["hosts"]) or cut:
        raise ValueError(f"must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; {ESCAPES}")
    if MALFORMED_ESCAPE.search(text):
        raise ValueError("must have two hexadecimal digits after each %; % itself is written %25")
    _check_options(parts["query"] or "")


def secrets(text: str) -> Iterator[str]:
    """Yield the passwords of a URL, as written and decoded."""
    parts = URL.fullmatch(text)
    if parts is None:
        return
    options = (option.partition("=") for option in (parts["query"] or "").split("&"))
    for written in (parts["password"], *(value for name, _, value in options if unquote(name) in SECRET_OPTIONS)):
        if written:
            yield from (written, unquote(written))


def _has_valid_hosts(hosts: str) -> bool:
    found = [HOST.fullmatch(unquote(host)) for host in hosts.split(",")]
    return all(host and int(host["port"] or 0) <= 65535 for host in found)


def _check_options(query: str) -> None:
    options = [option.split("=") for option in query.removesuffix("&").split("&")] if query else []
    names = [unquote(option[0]) for option in options]
    shown = [name for name in names if NAME.fullmatch(name)]
    if unknown := sorted({name for name in shown if name not in KNOWN_OPTIONS}):
        remedies = (f"{name} ({EQUIVALENTS.get(name.lower(), REMOVE)})" for name in unknown)
        raise ValueError(f"has options that PostgreSQL's client library does not know: {', '.join(remedies)}")
    if len(shown) < len(names) or any(len(option) != 2 for option in options):
        raise ValueError("must have options like ?name=value&name=value; in a value = is written %3D and & %26")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"has an option twice: {', '.join(repeated)}")
    if not {unquote(value) for name, value in options if name == "sslmode"} <= {*SSL_MODES}:
        raise ValueError(f"has an unknown sslmode; there are {', '.join(SSL_MODES)}")
