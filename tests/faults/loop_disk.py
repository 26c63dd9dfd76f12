# SPDX-License-Identifier: Apache-2.0
"""A small ext4 of its own on a loop device whose image lies on a tmpfs: a disk that can be cut off, copied, filled, broken."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile


def sh(*line, check: bool = True) -> str:
    done = subprocess.run([str(word) for word in line], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise OSError(f"{' '.join(map(str, line))}: {done.stderr.strip()}")
    return done.stdout.strip()


class Disk:
    """Mounted at `mount`; the image is `image`, on a tmpfs of `backing_mib`."""

    def __init__(self, size_mib: int, backing_mib: int):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-fault-disk-"))
        self.backing, self.mount, self.second = (self.folder / name for name in ("backing", "mount", "second"))
        for place in (self.backing, self.mount, self.second):
            place.mkdir()
        sh("mount", "-t", "tmpfs", "-o", f"size={backing_mib}m", "tmpfs", self.backing)
        self.image = self.backing / "image"
        with open(self.image, "wb") as file:
            file.truncate(size_mib << 20)
        sh("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        self.loop = sh("losetup", "-f", "--show", self.image)
        sh("mount", "-o", "errors=remount-ro", self.loop, self.mount)

    @property
    def name(self) -> str:
        """As the kernel calls the device: loop3."""
        return pathlib.Path(self.loop).name

    @contextlib.contextmanager
    def copied(self):
        """What is on the device at this instant, mounted: all that a power cut would leave. Whoever writes is stopped. The
        copy lies in memory of its own, for the backing may be full."""
        room = self.folder / "room"
        room.mkdir(exist_ok=True)
        sh("mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", room)
        copy = room / "copy"
        sh("cp", "--sparse=always", self.image, copy)
        loop = sh("losetup", "-f", "--show", copy)
        try:
            sh("mount", loop, self.second)
            try:
                yield self.second
            finally:
                sh("umount", self.second)
        finally:
            sh("losetup", "-d", loop, check=False)
            sh("umount", "-l", room, check=False)

    def fill(self, leave_mib: int) -> pathlib.Path:
        """Somebody else takes all but `leave_mib` of the space."""
        filler = self.mount / "filler"
        facts = os.statvfs(self.mount)
        left = facts.f_bavail * facts.f_frsize - (leave_mib << 20)
        with open(filler, "wb") as file:
            while left > 0:
                file.write(bytes(min(left, 1 << 20)))
                left -= 1 << 20
            file.flush()
            os.fsync(file.fileno())
        return filler

    def close(self) -> None:
        for place in (self.second, self.mount):
            sh("umount", "-l", place, check=False)
        sh("losetup", "-d", self.loop, check=False)
        sh("umount", "-l", self.backing, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def loop_disk(size_mib: int = 700, backing_mib: int = 2000):
    disk = Disk(size_mib, backing_mib)
    try:
        yield disk
    finally:
        disk.close()
