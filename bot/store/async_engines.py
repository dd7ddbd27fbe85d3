"""SQLAlchemy's asyncio engines without its ORM, which the bot does not use: 6 MB and a tenth of the CPU of a start.

The package `sqlalchemy.ext.asyncio` imports the sessions of the ORM; its module with the engines does not. So the
package is entered in `sys.modules` before it is executed, and executed when another part of it is needed.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

PACKAGE = "sqlalchemy.ext.asyncio"

_spec = None if PACKAGE in sys.modules else importlib.util.find_spec(PACKAGE)
if _spec:
    sys.modules[PACKAGE] = importlib.util.module_from_spec(_spec)

from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine  # noqa: E402

__all__ = ["AsyncConnection", "AsyncEngine", "create_async_engine"]


def _execute_and_get(name: str) -> Any:
    """Execute the package, and return one of its names. Python calls this for the first name that it lacks."""
    package = sys.modules[PACKAGE]
    vars(package).pop("__getattr__", None)
    if _spec and _spec.loader:
        _spec.loader.exec_module(package)
    return getattr(package, name)


if _spec:
    vars(sys.modules[PACKAGE])["__getattr__"] = _execute_and_get
