#!/usr/bin/env python3
"""A sample of the crash states of the control plane's real system calls; `make crash-states` tries them all."""
import pathlib
import sys
import tempfile
import unittest

from harness import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests/crash"))

import run  # noqa: E402


@unittest.skipUnless((BUILD / "tests/crash/librecord_calls.so").exists(), "sanitizers cannot be preloaded beside")
class CrashStates(unittest.TestCase):
    def test_sample(self) -> None:
        with tempfile.TemporaryDirectory(prefix="fq-crash-") as folder:
            recorder = run.Recorder(BUILD, pathlib.Path(folder))
            out = recorder.record(7, 500)
            code, rows, text = recorder.recover(out, "--states", "16", "--every", "5", "--real", "6")
            self.assertEqual(code, 0, text)
            figures = {row["name"]: row["value"] for row in rows}
            self.assertGreater(figures["disk states recovered"], 500)
            self.assertGreater(figures["acknowledgements"], 400)
            self.assertGreater(figures["… of them by the real program on a real disk"], 0)
            print(text)
            # A program that forgets to sync is caught.
            for kind in ("sync", "directory"):
                code, _, text = recorder.recover(out, "--states", "8", "--every", "9", "--ignore", kind)
                self.assertEqual(code, 1, text)


if __name__ == "__main__":
    unittest.main()
