#!/usr/bin/env python3
"""The systemd units: what they leave open, and how the control plane speaks with the one that started it."""
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import ROOT, Server

ANALYZE = shutil.which("systemd-analyze")
UNITS = {"fastqueue.service": 1.5, "fastqueue-subworker.service": 2.0}


@unittest.skipUnless(ANALYZE, "NOT TESTED: systemd-analyze is missing")
class Exposure(unittest.TestCase):
    def test_exposure_stays_below_its_limit(self) -> None:
        for unit, limit in UNITS.items():
            with self.subTest(unit=unit):
                done = subprocess.run([ANALYZE, "security", "--offline=true", "--no-pager", str(ROOT / "packaging" / unit)],
                                      capture_output=True, text=True)
                found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
                self.assertIsNotNone(found, done.stdout + done.stderr)
                self.assertLessEqual(float(found.group(1)), limit, done.stdout)

    def test_units_are_understood(self) -> None:
        """Copies, for the program is not installed here."""
        with tempfile.TemporaryDirectory() as folder:
            for unit in UNITS:
                text = (ROOT / "packaging" / unit).read_text().replace("ExecStart=fastqueue ", "ExecStart=/bin/true ")
                copy = pathlib.Path(folder) / unit
                copy.write_text(text)
                done = subprocess.run([ANALYZE, "verify", "--man=no", str(copy)], capture_output=True, text=True)
                ours = [line for line in done.stderr.splitlines() if unit in line]
                self.assertEqual(ours, [])


class Restart(unittest.TestCase):
    def test_a_failed_disk_is_read_again_and_not_for_ever(self) -> None:
        text = (ROOT / "packaging" / "fastqueue.service").read_text()
        kept_down = re.search(r"^RestartPreventExitStatus=(.*)$", text, re.M).group(1).split()
        self.assertEqual(kept_down, ["65", "75", "78"])
        self.assertRegex(text, r"(?m)^Restart=on-failure$")
        self.assertRegex(text, r"(?m)^StartLimitBurst=5$")


class Notify(unittest.TestCase):
    def test_ready_alive_and_stopping_are_told(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(f"{folder}/notify")
            told.settimeout(30)
            variables = {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "400000"}
            with Server(environment=variables) as server:
                seen = [told.recv(100)]
                while b"READY=1" not in seen or seen.count(b"WATCHDOG=1") < 3:
                    seen.append(told.recv(100))
                with server.connect() as link:
                    link.command("FQ.SUBMIT", "a.task", "{}")
                self.assertEqual(told.recv(100), b"WATCHDOG=1")
                server.terminate()
                while seen[-1] != b"STOPPING=1":
                    seen.append(told.recv(100))


if __name__ == "__main__":
    unittest.main()
