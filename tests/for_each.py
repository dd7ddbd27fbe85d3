"""Many values in one test. A test of its own for each value would take five milliseconds more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any


def for_each(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[Callable[..., Any]], Any]:
    """Run a test with one value after the other. It must leave nothing behind that the next run meets.

    The arguments are those of `pytest.mark.parametrize`. The first failure ends the test; a note has its value.
    """
    named = [*map(str.strip, names.split(","))] if isinstance(names, str) else [*names]
    cases = [dict(zip(named, value if len(named) > 1 else (value,), strict=True)) for value in values]
    assert cases, "there is no value"

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(test):

            @wraps(test)
            async def with_all(**fixtures: Any) -> None:
                for case in cases:
                    with noted(case):
                        await test(**fixtures, **case)
        else:

            @wraps(test)
            def with_all(**fixtures: Any) -> None:
                for case in cases:
                    with noted(case):
                        test(**fixtures, **case)

        signature = inspect.signature(test)
        left = [one for name, one in signature.parameters.items() if name not in named]
        with_all.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]  # read by pytest
        return with_all

    return decorate


@contextmanager
def noted(case: Mapping[str, Any]) -> Iterator[None]:
    """Add the values of a case to an exception as a note."""
    try:
        yield
    except BaseException as exc:
        exc.add_note(f"with {', '.join(f'{name}={value!r}' for name, value in case.items())}")
        raise
