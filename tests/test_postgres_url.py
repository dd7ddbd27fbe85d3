"""Settings accept the URLs of PostgreSQL that its client library accepts, and name what it would refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from bot.demo.process import running
from bot.doctor import variables
from bot.settings.postgres_url import KNOWN_OPTIONS
from bot.settings.reader import InvalidSetting, SettingsError
from tests.for_each import for_each
from tests.test_settings import REQUIRED, complaint, read

FORM = "must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"


def test_known_options_are_those_of_the_installed_client_library() -> None:
    assert {option.keyword.decode() for option in Conninfo.get_defaults()} == KNOWN_OPTIONS


@for_each(
    ("url", "expected"),
    [
        ("postgres://", {}),
        ("postgresql:///kf", {"dbname": "kf"}),
        ("postgresql://%2Fvar%2Frun%2Fpg/db", {"host": "/var/run/pg", "dbname": "db"}),
        ("postgresql:///kf?host=/run/pg", {"host": "/run/pg", "dbname": "kf"}),
        (
            "postgres://u:p@h1:5432,h2:5433/kf?target_session_attrs=read-write",
            {
                "user": "u",
                "password": "p",
                "host": "h1,h2",
                "port": "5432,5433",
                "dbname": "kf",
                "target_session_attrs": "read-write",
            },
        ),
        ("postgres://u@h,[::1]:5433/kf", {"user": "u", "host": "h,::1", "port": ",5433", "dbname": "kf"}),
        ("postgres://u%40h:p%40@[::1]:5432/kf", {"user": "u@h", "password": "p@", "host": "::1", "port": "5432"}),
        ("postgresql://h/kf?options=-c%20search_path%3Dbots", {"options": "-c search_path=bots"}),
        ("postgresql://h/kf?options=endpoint%3Dep-cool-1&sslmode=require", {"options": "endpoint=ep-cool-1"}),
        ("postgresql://h/kf?sslmode=verify-full&sslrootcert=system&", {"sslrootcert": "system"}),
        ("postgresql://h/小波", {"dbname": "小波"}),
    ],
)
def test_accepted_url_is_read_by_the_client_library(url: str, expected: dict[str, str]) -> None:
    _, _, rest = read(DATABASE_URL=url).database_url.partition("://")
    assert conninfo_to_dict(f"postgresql://{rest}").items() >= expected.items()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ssl=true", "ssl (write sslmode=require instead)"),
        ("pgbouncer=true", "pgbouncer (remove it)"),
        ("pgbouncer=true&connection_limit=1&ssl=1", "connection_limit (remove it), pgbouncer (remove it), ssl ("),
        ("schema=bots", "schema (write options=-c%20search_path%3DNAME instead)"),
        ("supa=base-pooler.x", "supa (remove it)"),
        ("SSLMODE=require", "SSLMODE (remove it)"),
        ("prepare_threshold=0", "prepare_threshold (remove it)"),
    ],
)
def test_option_that_the_client_library_does_not_know_is_named_with_its_replacement(query: str, said: str) -> None:
    (line,) = complaint(REQUIRED | {"DATABASE_URL": f"postgresql://u:geheim@h/kf?{query}"})
    assert line.startswith("DATABASE_URL has options that PostgreSQL's client library does not know: ")
    assert said in line


@for_each(
    ("url", "said"),
    [
        ("postgresql://h/kf?sslmode=weird", "has an unknown sslmode; there are allow, disable"),
        ("postgresql://h/kf?host=a&host=b", "has an option twice: host"),
        ("postgresql://h/kf?options=-c search_path=a", "in a value = is written %3D"),
        ("postgresql://h/kf?sslmode", "must have options like ?name=value"),
        ("postgresql://h/kf?&sslmode=require", "must have options like ?name=value"),
        ("postgresql://h/kf?geheim%20=x", "must have options like ?name=value"),
        ("postgresql://h/kf%zz", "two hexadecimal digits after each %"),
        ("postgresql://u:ge%heim@h/kf", "two hexadecimal digits after each %"),
        ("postgresql://u:x%00@h/kf", "two hexadecimal digits after each %"),
        ("postgresql://h1:5432,h2:port/kf", FORM),
        ("postgresql://h:99999/kf", FORM),
        ("postgresql://[::1/kf", FORM),
        # A bare # ? / @ in a password: the rest of the password would be taken for something else, and quoted.
        ("postgresql://u:1#geheim@h/kf", FORM),
        ("postgresql://u:1?geheim=x@h/kf", FORM),
        ("postgresql://u:1/geheim@h/kf", FORM),
        ("postgresql://u:1@geheim@h/kf", FORM),
    ],
)
def test_url_that_the_client_library_would_refuse_or_misread_is_refused(url: str, said: str) -> None:
    (line,) = complaint(REQUIRED | {"DATABASE_URL": url})
    assert said in line
    assert "geheim" not in line


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:ge%20heim@h1:5432,h2:5433/kf",
        "postgres://u:ge%20heim@h1,[::1]:5433/kf",
        "postgresql:///kf?host=/run&password=ge%20heim",
        "postgresql://u@h/kf?sslpassword=ge%20heim&sslmode=verify-full",
    ],
)
def test_passwords_of_a_url_are_secrets_wherever_they_are(url: str) -> None:
    assert {"ge%20heim", "ge heim"} <= set(read(DATABASE_URL=url).secrets)


@pytest.mark.process
async def test_process_ends_with_status_2_and_names_the_option(tmp_path: Path) -> None:
    environ = REQUIRED | {"DATABASE_URL": "postgresql://u:geheim@h/kf?ssl=true&pgbouncer=true"}
    log = tmp_path / "log"
    async with running(environ, wait=False, log=log) as bot:
        assert await bot.process.wait() == 2
    assert "pgbouncer (remove it), ssl (write sslmode=require instead)" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert "geheim" not in log.read_text()


def test_doctor_names_unknown_options_and_a_remedy() -> None:
    with pytest.raises(SettingsError) as refused:
        read(DATABASE_URL="postgresql://h/kf?pgbouncer=true")
    name, _, why = str(refused.value).splitlines()[1].strip().partition(" ")
    (finding,) = variables.findings([InvalidSetting(name, why)])
    assert "pgbouncer (remove it)" in finding.said
    assert finding.remedy.startswith("Correct it")
