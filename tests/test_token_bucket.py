"""The limit of how often something happens."""

from bot.runtime.token_bucket import TokenBucket


def test_second_has_as_many_tokens_as_the_rate():
    bucket = TokenBucket(50, 0.0)
    assert bucket.available(0.0) == 50
    bucket.take(50)
    assert bucket.available(0.0) == 0
    assert bucket.available(0.1) == 5
    assert bucket.available(100.0) == 50


def test_tokens_that_were_taken_in_advance_are_paid_back():
    bucket = TokenBucket(1, 0.0)
    bucket.take(2)
    assert [bucket.available(now) for now in (1.0, 2.0)] == [0, 1]
