# SPDX-License-Identifier: Apache-2.0
"""The table of cases: every module below cases/ registers its own on import."""
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from case import CASES, Case  # noqa: E402  (needs the path)


def families() -> list[str]:
    return sorted(path.stem for path in (HERE / "cases").glob("*.py") if path.stem != "__init__")


def load() -> dict[int, Case]:
    """Every case by its number."""
    for family in families():
        importlib.import_module(f"cases.{family}")
    return dict(sorted(CASES.items()))
