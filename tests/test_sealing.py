"""Sealed secrets: who can open one, what is refused, and that no text shows a key or a secret."""

from __future__ import annotations

import base64
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import sealing
from bot.sealing import DamagedSecretError, StoreKeys, UnknownKeyError, key_id, parse_keys

OLD, NEW = "11" * 32, base64.b64encode(bytes(range(32))).decode()
APPID, SECRET = "wx1111111111111111", "0123456789abcdef0123456789abcdef"


@given(st.text(), st.text(), st.text(), st.permutations([OLD, NEW]))
def test_any_secret_opens_again_with_each_key_of_the_setting(owner, name, secret, keys):
    text = StoreKeys([OLD]).seal(owner, name, secret.encode("utf-8", "replace").decode())
    assert StoreKeys(keys).open(owner, name, text) == secret.encode("utf-8", "replace").decode()


def test_first_key_seals_and_the_value_names_it():
    sealed = StoreKeys([NEW, OLD]).seal(APPID, "appsecret", SECRET)
    assert sealed.startswith(f"{key_id(NEW)}:")
    assert sealing.sealing_key(sealed) == key_id(NEW)
    assert len(base64.b64decode(sealed.partition(":")[2])) == 60
    assert sealed != StoreKeys([NEW, OLD]).seal(APPID, "appsecret", SECRET)  # another nonce
    assert SECRET not in sealed


def test_key_in_hexadecimal_and_in_base64_is_the_same_key():
    in_hex = bytes(range(32)).hex()
    sealed = StoreKeys([NEW]).seal(APPID, "appsecret", SECRET)
    assert StoreKeys([in_hex.upper()]).open(APPID, "appsecret", sealed) == SECRET
    assert key_id(in_hex) == key_id(NEW) == "630dcd29"


@pytest.mark.parametrize(("owner", "name"), [("wx2222222222222222", "appsecret"), (APPID, "ticket"), ("", "")])
def test_value_that_was_moved_to_another_row_does_not_open(owner, name):
    sealed = StoreKeys([OLD]).seal(APPID, "appsecret", SECRET)
    with pytest.raises(DamagedSecretError):
        StoreKeys([OLD]).open(owner, name, sealed)


def test_value_with_any_character_changed_or_cut_does_not_open():
    keys = StoreKeys([OLD])
    sealed = keys.seal(APPID, "appsecret", SECRET)
    changed = [sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :] for at in range(9, len(sealed))]
    for text in (*changed, *(sealed[:end] for end in range(len(sealed))), f"{sealed}A", "", "no"):
        with pytest.raises(DamagedSecretError):
            keys.open(APPID, "appsecret", text)


def test_value_under_a_key_that_is_missing_names_the_key_alone():
    with pytest.raises(UnknownKeyError) as missing:
        StoreKeys([NEW]).open(APPID, "appsecret", StoreKeys([OLD]).seal(APPID, "appsecret", SECRET))
    assert str(missing.value) == f"no key {key_id(OLD)}"


@pytest.mark.parametrize(
    "text", ["hush", "11" * 31, "11" * 33, f"{OLD},", f"{OLD},hush", "g" * 64, "A" * 44, ",".join([OLD] * 10), ""]
)
def test_malformed_keys_are_refused_without_a_quote(text):
    with pytest.raises(ValueError, match="64 hexadecimal digits or of 44 characters of Base64") as refused:
        parse_keys(text)
    assert OLD not in str(refused.value)
    assert "hush" not in str(refused.value)


def test_one_key_in_two_spellings_is_refused():
    with pytest.raises(ValueError, match="same key twice"):
        parse_keys(f"{NEW},{bytes(range(32)).hex()}")


def test_new_keys_are_accepted_and_differ():
    first, second = sealing.new_key(), sealing.new_key()
    assert parse_keys(f" {first} , {second}") == (first, second)
    assert StoreKeys([first, second]).ids == (key_id(first), key_id(second))


def test_nothing_of_a_key_is_in_its_repr():
    keys = StoreKeys([OLD])
    keys.seal(APPID, "appsecret", SECRET)
    assert OLD not in repr(keys)
    assert bool(keys)
    assert not StoreKeys([])


def test_error_about_a_secret_quotes_neither_it_nor_a_key_in_its_whole_chain():
    sealed = StoreKeys([OLD]).seal(APPID, "appsecret", SECRET)
    for keys, owner in ((StoreKeys([OLD]), "other"), (StoreKeys([NEW]), APPID)):
        with pytest.raises((DamagedSecretError, UnknownKeyError)) as refused:
            keys.open(owner, "appsecret", sealed)
        chain = "".join(traceback.format_exception(refused.value, chain=True))
        assert not any(text in chain for text in (SECRET, OLD, NEW, sealed))
        assert refused.value.__cause__ is None
