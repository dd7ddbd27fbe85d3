"""The envelope of WeChat's pushes: what opens, what is refused, and that no text shows a secret."""

from __future__ import annotations

import base64
import encodings
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from tests.for_each import for_each
from tests.vectors_of_pushes import (
    AES_KEY,
    AES_KEY_BYTES,
    AUTHORISATION,
    BARE_SIGNATURE,
    NONCE,
    OLD_KEY,
    PLATFORM_APPID,
    PREVIOUS_AES_KEY,
    RANDOM,
    TICKET,
    TIMESTAMP,
    TOKEN,
    VECTORS,
    WITHDRAWAL,
    Vector,
)
from tests.wechat import chain
from wechat_kf.envelope import MAX_BODY, MalformedPushError, Push, RefusedPushError, open_push

CREATED = datetime.fromtimestamp(1795003200, UTC)
KEYS = (AES_KEY, PREVIOUS_AES_KEY)
FIRST = "<AppId>" + PLATFORM_APPID + "</AppId><CreateTime>1795003200</CreateTime>"


def sealed(text: str, *, key: str = AES_KEY, appid: str = PLATFORM_APPID, random: bytes = RANDOM) -> str:
    """Seal a text as WeChat does."""
    inside = content(text, appid, random)
    padding = 32 - len(inside) % 32
    return encrypted(inside + bytes([padding]) * padding, key)


def content(text: str, appid: str = PLATFORM_APPID, random: bytes = RANDOM) -> bytes:
    """Return what is sealed, without its padding."""
    message = text.encode()
    return random + len(message).to_bytes(4, "big") + message + appid.encode()


def encrypted(padded: bytes, key: str = AES_KEY) -> str:
    decoded = base64.b64decode(key + "=")
    encryptor = Cipher(algorithms.AES(decoded), modes.CBC(decoded[:16])).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def signed(encrypt: str) -> Vector:
    """Return a push with this `Encrypt` and its signature."""
    parts = sorted([TOKEN, TIMESTAMP, NONCE, encrypt])
    return Vector("", encrypt, hashlib.sha1("".join(parts).encode()).hexdigest())


def opened(
    push: Vector, *, body: bytes | None = None, query: Mapping[str, str] | None = None, keys: tuple[str, ...] = KEYS
) -> Push:
    return open_push(
        push.body if body is None else body,
        push.query if query is None else query,
        token=TOKEN,
        keys=keys,
        appid=PLATFORM_APPID,
    )


def is_accepted(body: bytes, query: Mapping[str, str], key: str = AES_KEY) -> bool:
    try:
        open_push(body, query, token=TOKEN, keys=[key], appid=PLATFORM_APPID)
    except (MalformedPushError, RefusedPushError):
        return False
    return True


# What opens


def test_pushes_of_another_implementation_open():
    ticket = Push("component_verify_ticket", CREATED, ticket="ticket@@@EXAMPLE-not-a-real-ticket")
    assert opened(TICKET) == ticket
    assert opened(WITHDRAWAL) == Push("unauthorized", CREATED + timedelta(minutes=2), "wx00000000000000a1")
    assert opened(AUTHORISATION) == Push(
        "authorized",
        CREATED + timedelta(minutes=1),
        "wx00000000000000a1",
        code="queryauthcode@@@EXAMPLE",
        code_until=CREATED + timedelta(minutes=61),
    )


def test_sealing_function_of_these_tests_makes_the_same_pushes():
    for vector in VECTORS:
        assert sealed(vector.message, key=vector.key) == vector.encrypt
        assert signed(vector.encrypt).msg_signature == vector.msg_signature


def test_previous_key_opens_what_it_sealed_and_the_present_one_alone_does_not():
    assert opened(OLD_KEY) == opened(TICKET)
    with pytest.raises(RefusedPushError):
        opened(OLD_KEY, keys=(AES_KEY,))


def test_unused_bits_of_the_last_character_of_a_key_do_not_matter():
    for last in "EFGH":
        key = AES_KEY[:-1] + last
        assert base64.b64decode(key + "=") == AES_KEY_BYTES
        assert opened(TICKET, keys=(key,)) == opened(TICKET)


def test_body_may_have_line_breaks_and_a_declaration():
    body = (
        TICKET.body.decode()
        .replace("><", ">\r\n  <")
        .replace("<xml>", '<?xml version="1.0" encoding="UTF-8"?><xml>')
    )
    assert opened(TICKET, body=f"\ufeff{body}\n".encode()) == opened(TICKET)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.sampled_from(KEYS),
    st.binary(min_size=16, max_size=16),
)
def test_any_ticket_opens_with_the_key_that_sealed_it(text, key, random):
    ticket = base64.b64encode(text.encode()).decode() or "-"
    message = TICKET.message.replace("ticket@@@EXAMPLE-not-a-real-ticket", ticket)
    assert opened(signed(sealed(message, key=key, random=random))).ticket == ticket


@given(st.integers(0, 64 * 1024))
def test_message_of_any_length_opens_until_the_body_is_too_long(length):
    message = f"<xml>{FIRST}<InfoType>news</InfoType><Text>{'x' * length}</Text></xml>"
    push = signed(sealed(message))
    if len(push.body) <= MAX_BODY:
        assert opened(push) == Push("news", CREATED)
    else:
        with pytest.raises(MalformedPushError, match="too long"):
            opened(push)


def test_every_padding_from_1_to_32_bytes_opens():
    for length in range(32):
        message = f"<xml>{FIRST}<InfoType>{'x' * (length + 1)}</InfoType></xml>"
        assert opened(signed(sealed(message))).kind == "x" * (length + 1)


# What is refused


@for_each("name", ["timestamp", "nonce", "msg_signature"])
@for_each("value", [None, "", "ä", "a b", "0" * 200, "\ud800"])
def test_query_that_is_incomplete_or_malformed_is_malformed(name, value):
    query = {key: text for key, text in {**TICKET.query, name: value}.items() if text is not None}
    with pytest.raises(MalformedPushError, match="query"):
        opened(TICKET, query=query)


@pytest.mark.parametrize(
    "changed",
    [
        {"msg_signature": "0" * 40},
        {"msg_signature": BARE_SIGNATURE},
        {"timestamp": "1795003201"},
        {"nonce": "1372623140"},
    ],
)
def test_wrong_signature_is_refused(changed):
    with pytest.raises(RefusedPushError):
        opened(TICKET, query={**TICKET.query, **changed})


def test_nothing_is_decrypted_before_the_signature_is_checked():
    unusable = ("no key",)
    with pytest.raises(ValueError, match=r"base64|Base64|key"):
        opened(TICKET, keys=unusable)
    with pytest.raises(RefusedPushError):
        opened(replace(TICKET, msg_signature="0" * 40), keys=unusable)


def many(quote: str) -> str:
    return " ".join(f"a{number}={quote}{quote}" for number in range(100))


XXE = '<!DOCTYPE xml [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
BOMB = '<!DOCTYPE xml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'


@for_each(
    "body",
    [
        b"",
        b"success",
        b"{}",
        b"<xml></xml>",
        b"<xml><Encrypt></Encrypt></xml>",
        b"<xml><Encrypt><a/></Encrypt></xml>",
        b"<xml>text" + TICKET.body[5:],
        TICKET.body[:-6],
        TICKET.body[:-6] + b"<xml>",
        TICKET.body.replace(b"</Encrypt>", b"</Encrypt>text"),
        TICKET.body + b"\0",
        TICKET.body.replace(b"wx", b"\xff"),
        b"<!DOCTYPE xml>" + TICKET.body,
        XXE.encode() + TICKET.body.replace(b"<Encrypt>", b"<Encrypt>&file;"),
        BOMB.encode() + TICKET.body.replace(b"<Encrypt>", b"<Encrypt>&b;"),
        b'<?xml version="1.0" encoding="no-such"?>' + TICKET.body,
        b'<?xml version="1.0" encoding="utf-16"?>' + TICKET.body,
        b'<?xml version="1.0" encoding="gb18030"?>' + TICKET.body,
        *(TICKET.body.decode().encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        TICKET.body + b" " * 70_000,
        b"<a>" * 20_000,
        b"<a>" * 9_000 + b"</a>" * 9_000,
        # The parser would take 50 ms for as many as fit into 64 KiB.
        TICKET.body.replace(b"<xml>", b"<xml>" + b"<a/>" * 100),
        *(TICKET.body.replace(b"<xml>", f"<xml {many(quote)}>".encode()) for quote in "\"'"),
    ],
)
def test_body_that_is_not_a_push_is_malformed(body):
    with pytest.raises(MalformedPushError):
        opened(TICKET, body=body)


TOO_LONG = 48 - len(content(TICKET.message)) % 16  # bytes of padding: whole blocks, and above 32


@for_each(
    "encrypt",
    [
        "no Base64",
        "####",
        "AAA",
        base64.b64encode(bytes(47)).decode(),
        base64.b64encode(bytes(48)).decode(),  # decrypts to a malformed padding
        sealed(TICKET.message, appid="wx00000000000000ff"),
        sealed(TICKET.message, appid=""),
        sealed(TICKET.message, appid=PLATFORM_APPID + "x"),
        sealed(TICKET.message, appid="x" + PLATFORM_APPID),
        sealed(TICKET.message, key="0" * 43),
        encrypted(RANDOM + (2**32 - 1).to_bytes(4, "big") + PLATFORM_APPID.encode().ljust(44, b"\x1a")),
        encrypted(RANDOM * 3 + b"\0" * 16),
        encrypted(RANDOM + b"\x21" * 48),
        encrypted(b"\x20" * 32),
        encrypted(b"short" + b"\x0b" * 11),
        sealed(TICKET.message)[:40] + "*" + sealed(TICKET.message)[40:],
        encrypted(content(TICKET.message).ljust(288, b"\0")[:-1] + bytes([288 - len(content(TICKET.message))])),
        encrypted(content(TICKET.message) + bytes([TOO_LONG]) * TOO_LONG),
    ],
)
def test_signed_push_that_is_not_sealed_for_this_platform_is_refused(encrypt):
    with pytest.raises(RefusedPushError):
        opened(signed(encrypt))


@pytest.mark.parametrize(
    "declaration",
    [
        '<?xml version="1.0" encoding="x-{}"?>',
        '\ufeff<?xml version="1.0" encoding="x-{}"?>',
        "<?xml version='1.0'\n encoding = 'x-{}' standalone='yes'?>",
        '<?xml encoding="x-{}"',
        '<?xml version="1>0" encoding="x-{}"?>',
    ],
)
def test_encoding_that_an_unsigned_body_declares_is_not_kept_by_python(declaration):
    kept = set(encodings._cache)
    for name in ("", "y" * 60_000):
        with pytest.raises(MalformedPushError):
            opened(TICKET, body=declaration.format(name).encode() + TICKET.body)
    assert set(encodings._cache) == kept


def test_appid_outside_must_be_the_platforms_if_there_is_one():
    other = TICKET.body.replace(PLATFORM_APPID.encode(), b"wx00000000000000c1")
    with pytest.raises(RefusedPushError):
        opened(TICKET, body=other)
    absent = TICKET.body.replace(f"<AppId><![CDATA[{PLATFORM_APPID}]]></AppId>".encode(), b"")
    assert opened(TICKET, body=absent) == opened(TICKET)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("</xml>", "<xml>"),  # as in samples of WeChat
        ("<InfoType>authorized</InfoType>", ""),
        ("<CreateTime>1795003260</CreateTime>", ""),
        ("1795003260", "soon"),
        ("1795003260", "9" * 12),
        ("<AuthorizerAppid>wx00000000000000a1</AuthorizerAppid>", ""),
        ("queryauthcode@@@EXAMPLE", " "),
        ("<xml>", "<!DOCTYPE xml><xml>"),
    ],
)
def test_signed_message_that_lacks_something_is_refused_as_a_wrong_signature_is(before, after):
    assert before in AUTHORISATION.message
    with pytest.raises(RefusedPushError):
        opened(signed(sealed(AUTHORISATION.message.replace(before, after))))


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("1795006860", CREATED + timedelta(hours=1, minutes=1)),
        ("3600", CREATED + timedelta(hours=1, minutes=1)),
        ("0", CREATED + timedelta(minutes=1)),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("9" * 12, None),
    ],
)
def test_end_of_a_code_is_a_moment_or_counts_from_the_push(written, end):
    message = AUTHORISATION.message.replace("1795006860", written)
    assert opened(signed(sealed(message))).code_until == end


def flipped(text: bytes, bit: int) -> bytes:
    changed = bytearray(text)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_push_with_any_bit_of_the_body_flipped_is_not_accepted():
    body, query = TICKET.body, TICKET.query
    assert is_accepted(body, query)
    assert [bit for bit in range(len(body) * 8) if is_accepted(flipped(body, bit), query)] == []


@pytest.mark.parametrize("name", ["timestamp", "nonce", "msg_signature"])
def test_push_with_any_bit_of_its_query_flipped_is_not_accepted(name):
    value = TICKET.query[name].encode()
    for bit in range(len(value) * 8):
        query = {**TICKET.query, name: flipped(value, bit).decode("latin-1")}
        assert not is_accepted(TICKET.body, query), bit


def test_push_does_not_open_with_any_bit_of_the_key_flipped():
    for bit in range(256):
        key = base64.b64encode(flipped(AES_KEY_BYTES, bit)).decode()[:43]
        assert not is_accepted(TICKET.body, TICKET.query, key), bit


# What texts show


def test_no_error_quotes_the_push_or_a_key_in_its_whole_chain():
    secrets = (TOKEN, AES_KEY, "EXAMPLE", TICKET.encrypt[:20], "no-such", "passwd", PLATFORM_APPID)
    wrong = signed(sealed(TICKET.message, appid="wx00000000000000ff"))
    broken = signed(sealed(TICKET.message.replace("</xml>", "<xml>")))
    odd = [TICKET.body + b"<", XXE.encode() + TICKET.body, b'<?xml version="1.0" encoding="no-such"?><xml/>']
    for body, query in [(push.body, push.query) for push in (wrong, broken, signed("####"))] + [
        (body, TICKET.query) for body in odd
    ]:
        with pytest.raises((MalformedPushError, RefusedPushError)) as refused:
            opened(TICKET, body=body, query=query)
        text = f"{refused.value!r} {vars(refused.value)}"
        assert not any(secret in text for secret in secrets)
        assert list(chain(refused.value)) == [refused.value]


def test_every_refusal_has_the_same_text():
    texts = set()
    for push in (
        signed("####"),
        signed(sealed(TICKET.message, appid="wx00000000000000ff")),
        signed(sealed(TICKET.message.replace("</xml>", "<xml>"))),
        signed(sealed("no XML")),
        replace(TICKET, msg_signature="0" * 40),
    ):
        with pytest.raises(RefusedPushError) as refused:
            opened(push)
        texts.add(str(refused.value))
    assert len(texts) == 1


def test_repr_of_a_push_shows_no_ticket_and_no_code():
    assert "@@@" not in f"{opened(TICKET)!r}{opened(AUTHORISATION)!r}"
