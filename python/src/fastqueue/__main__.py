# SPDX-License-Identifier: Apache-2.0
"""`python -m fastqueue`, and the `fastqueue` command of the package: the binary that ships with it."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def binary() -> str:
    """The path of the fastqueue binary: $FASTQUEUE_BINARY, else the one in the package, else one on the PATH."""
    named = os.environ.get("FASTQUEUE_BINARY")
    if named:
        return named
    shipped = os.path.join(os.path.dirname(os.path.realpath(__file__)), "bin", "fastqueue")
    if os.path.isfile(shipped):
        return shipped
    from shutil import which

    found = which("fastqueue")
    if found is not None and os.path.realpath(found) != os.path.realpath(sys.argv[0]):
        return found
    raise SystemExit("the fastqueue binary is missing from this installation: install the package anew")


def environment() -> dict[str, str]:
    """The environment of the binary: task modules in Python run with this interpreter unless another is named."""
    env = dict(os.environ)
    env.setdefault("FASTQUEUE_PYTHON", sys.executable)
    return env


def main(argv: list[str] | None = None) -> NoReturn:
    """Becomes the binary, with the arguments given (default: of this process)."""
    path = binary()
    arguments = sys.argv[1:] if argv is None else argv
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(path, [path, *arguments], environment())
    except OSError as error:
        raise SystemExit(f"cannot run {path}: {error}") from error


if __name__ == "__main__":
    main()
