#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a file of unittest tests, and names at its end each one that passed: `passed: FILE::METHOD`.

What the runner prints itself is mixed with the output of tests, so that nothing can be read from it for certain.

  run_reported.py FILE [unittest arguments…]
"""
import pathlib
import runpy
import sys
import unittest

PASSED = []


class Result(unittest.TextTestResult):
    def addSuccess(self, test):  # noqa: N802 (unittest's name)
        super().addSuccess(test)
        PASSED.append(test._testMethodName)  # noqa: SLF001


def main():
    path = pathlib.Path(sys.argv[1]).resolve()
    sys.argv = sys.argv[1:]
    sys.path[0] = str(path.parent)
    unittest.TextTestRunner.resultclass = Result
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        print("".join(f"\npassed: {path.name}::{name}" for name in PASSED), flush=True)


if __name__ == "__main__":
    main()
