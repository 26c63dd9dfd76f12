# SPDX-License-Identifier: Apache-2.0
"""What fuzzing found once, and some inputs by chance, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fastqueue._core

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> str:
    script = ROOT / "fuzz" / "python" / "fuzz_python.py"
    done = subprocess.run([sys.executable, str(script), fastqueue._core.__file__, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_corpus() -> None:
    assert "inputs replayed" in run("--replay", str(ROOT / "fuzz" / "corpus" / "python"))


def test_inputs_by_chance() -> None:
    assert int(run("--random", "2").split()[-1]) > 0
