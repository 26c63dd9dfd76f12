# SPDX-License-Identifier: Apache-2.0
"""What an exception says of itself, for task results and for telemetry. Nothing here raises."""

from __future__ import annotations


def type_name(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__
    return name if kind.__module__ in ("builtins", "fastqueue.errors") else f"{kind.__module__}.{name}"


def stack(error: BaseException) -> str:
    import traceback

    try:
        return "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    except Exception:
        return ""


def describe(error: BaseException) -> tuple[str, str, str]:
    """(type, message, stack)"""
    try:
        message = str(error)
    except Exception:
        message = f"<{type(error).__qualname__} whose str() fails>"
    if isinstance(error, SystemExit):
        message = f"the task called exit({message})"
    return type_name(error), message.encode("utf-8", "backslashreplace").decode(), stack(error)
