#!/usr/bin/env python3
"""A disk that another tenant fills: submits are refused with -FULL, completions go on, and submits resume when space returns."""
import contextlib
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from harness import RespError, Server

SIZE_MIB = 400


@contextlib.contextmanager
def small_disk():
    """An ext4 of its own in a file, mounted by loop; needs root, as CI is."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-disk-"))
    image, mount = folder / "image", folder / "mount"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(SIZE_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=False)
        subprocess.run(["rm", "-rf", folder], check=False)


def fill(mount: pathlib.Path, leave_mib: int) -> pathlib.Path:
    filler = mount / "filler"
    stat = os.statvfs(mount)
    amount = stat.f_bavail * stat.f_frsize - (leave_mib << 20)
    with open(filler, "wb") as file:
        while amount > 0:
            file.write(bytes(min(amount, 1 << 20)))
            amount -= 1 << 20
        file.flush()
        os.fsync(file.fileno())
    return filler


class FullDisk(unittest.TestCase):
    def test_full_disk(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("mounting a small disk needs root")
        with small_disk() as mount, Server("--data-dir", str(mount / "data")) as server, server.connect() as link:
            payload = '{"args":["%s"],"kwargs":{}}' % ("x" * 4000)
            accepted = [link.command("FQ.SUBMIT", "disk.task", payload) for _ in range(500)]
            filler = fill(mount, leave_mib=4)
            refusal = self.submit_until_refused(link, payload, accepted)
            self.assertIn("FULL", refusal)
            self.assertEqual(link.command("PING"), "PONG")
            finished = self.work_everything(link, len(accepted))
            self.assertEqual(finished, len(accepted), "completions must go on while the disk is full")
            filler.unlink()
            end = time.monotonic() + 20
            while True:
                try:
                    link.command("FQ.SUBMIT", "disk.task", payload)
                    break
                except RespError:
                    self.assertLess(time.monotonic(), end, "submits did not resume when space returned")
                    time.sleep(0.2)
            server.kill()
            server.start()
            with server.connect() as again:
                for task_id in accepted:
                    self.assertEqual(again.command("FQ.STATUS", task_id)["status"], "success")
            print(f"{len(accepted)} accepted before -FULL, all completed on the full disk")

    def submit_until_refused(self, link, payload: str, accepted: list) -> str:
        for _ in range(200_000):
            try:
                accepted.append(link.command("FQ.SUBMIT", "disk.task", payload))
            except RespError as error:
                return str(error)
        self.fail("a full disk was never noticed")

    def work_everything(self, link, count: int) -> int:
        finished = 0
        while finished < count:
            tasks = link.command("FQ.FETCH", "TASKS", "disk.task", "COUNT", "100", "BLOCK", "500")
            if not tasks:
                break
            for task in tasks:
                self.assertEqual(link.command("FQ.COMPLETE", task["id"], task["token"], '"ok"'), "OK")
                finished += 1
        return finished


if __name__ == "__main__":
    unittest.main()
