# SPDX-License-Identifier: Apache-2.0
"""What kind of function a task is."""

from __future__ import annotations

import functools
import sys
from typing import Any

_CO_COROUTINE = 0x80


def is_coroutine_function(function: Any) -> bool:
    """inspect.iscoroutinefunction(), also of callable objects, without loading `inspect` for it."""
    while isinstance(function, functools.partial):
        function = function.func
    inspect = sys.modules.get("inspect")
    if inspect is not None and inspect.iscoroutinefunction(function):
        return True
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        code = getattr(getattr(type(function), "__call__", None), "__code__", None)
    return bool(getattr(code, "co_flags", 0) & _CO_COROUTINE)
