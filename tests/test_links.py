"""The owner's link: it opens with any key until it ends, and no changed letter of it is accepted."""

from __future__ import annotations

import string
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.platform.links import PURPOSE, VALID, LinkRequest, make_link, signed, verified
from bot.sealing import StoreKeys
from bot.settings.values import Settings
from tests.conftest import NOW

OLD, NEW = "11" * 32, "22" * 32
KEYS = StoreKeys([OLD]).derived(PURPOSE)
LETTERS = string.ascii_letters + string.digits + "-_ ."


def test_link_leads_to_the_platform_and_names_who_asked_for_it():
    settings = Settings("", "", "", store_keys=(OLD,), platform_url="https://kf.example.com")
    link = urlsplit(make_link(settings, "U0MEI", NOW))
    assert (link.netloc, link.path) == ("kf.example.com", "/wechat/platform/start")
    assert verified(parse_qs(link.query)["s"][0], KEYS, NOW) == LinkRequest("U0MEI", NOW + VALID)


@given(st.from_regex(r"[UW][A-Z0-9]{0,20}|", fullmatch=True))
def test_link_opens_with_every_key_until_it_ends(user_id):
    s, both = signed(LinkRequest(user_id, NOW + VALID), KEYS), StoreKeys([NEW, OLD]).derived(PURPOSE)
    assert verified(s, both, NOW + VALID - timedelta(seconds=1)) == LinkRequest(user_id, NOW + VALID)
    assert verified(s, both, NOW + VALID) is None
    assert verified(s, StoreKeys([NEW]).derived(PURPOSE), NOW) is None


@given(st.data())
def test_no_changed_letter_is_accepted(data):
    s = signed(LinkRequest("U0MEI", NOW + VALID), KEYS)
    at = data.draw(st.integers(0, len(s) - 2))  # the last letter has bits that mean nothing
    other = data.draw(
        st.sampled_from(string.ascii_letters + string.digits + "-_ .").filter(lambda one: one != s[at])
    )
    assert verified(s[:at] + other + s[at + 1 :], KEYS, NOW) is None


@pytest.mark.parametrize("s", ["", "=", "a", "é", "A" * 1000, "aaaa====", "\0", "A" * 43])
def test_malformed_link_is_refused(s):
    assert verified(s, KEYS, NOW) is None


def test_derived_key_is_that_of_the_standard():
    # HKDF of the library that RFC 5869's own vectors are tested with, for a key that is not secret.
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    expected = HKDF(hashes.SHA256(), 32, None, PURPOSE.encode()).derive(bytes.fromhex(OLD))
    assert [expected] == KEYS
