# SPDX-License-Identifier: Apache-2.0
"""The power of all servers fails within a second. What was acknowledged and is gone afterwards is counted and told; that is no error unless
the servers were told to sync always. That a control plane serves anything else than a beginning of what there was, is one."""
import contextlib
import os
import pathlib
import shutil
import signal
import time

from loop_disk import Disk, loop_disk
from stage import Plane, Scene, Skipped, Stage

DISK_MIB, BACKING_MIB = 600, 700
SERVES_WITHIN_S = 90
WORK_S = (15, 45, 75)  # the kernel writes what is older than 30 s by itself


def lacking() -> str | None:
    if os.geteuid() != 0:
        return "disks of one's own need root"
    if not pathlib.Path("/dev/loop-control").exists() or shutil.which("mkfs.ext4") is None:
        return "there are no loop devices, or no mkfs.ext4"
    return None


def stop_all(scene: Scene) -> tuple[list[str], set[str]]:
    """What clients have in writing when the servers stand still: submits in their order, and ends."""
    for index in range(3):
        scene.nats.signal(index, signal.SIGSTOP)
    time.sleep(0.3)  # answers that had left are read
    known = list(scene.load.submitted), set(scene.load.completed)
    for plane in scene.planes:
        plane.kill()
    return known


@contextlib.contextmanager
def powered_again(scene: Scene, disks: list[Disk]):
    """The servers run on what their disks held."""
    with contextlib.ExitStack() as stack:
        places = [stack.enter_context(disk.copied()) for disk in disks]
        for index in range(3):
            scene.nats.kill(index)
        scene.nats.stores = [place / "store" for place in places]
        for index in range(3):
            scene.nats.start(index)
        try:
            yield
        finally:
            for index in range(3):
                scene.nats.kill(index)


def outcome(plane: Plane) -> str:
    """leads, or why it does not."""
    plane.start(wait=False)
    end = time.monotonic() + SERVES_WITHIN_S
    while time.monotonic() < end and plane.process.poll() is None:
        if plane.leads():
            return "leads"
        time.sleep(0.05)
    sentences = [line.split(" ", 2)[2] for line in plane.log_of_this_start().splitlines() if " store " in line and (" error " in line or " warning " in line)]
    return f"refuses ({plane.process.poll()}): {sentences[-1] if sentences else plane.log()[-300:]}"


def compare(plane: Plane, submitted: list[str], completed: set[str]) -> dict:
    """What is missing, and whether what is there is a beginning of what was."""
    states: list = []
    with plane.connect(protocol=3, timeout=60) as link:
        for at in range(0, len(submitted), 500):
            states += [link.command("FQ.STATUS", one) for one in submitted[at:at + 500]]
        taken = link.command("FQ.SUBMIT", "after", "{}")
        assert link.command("FQ.STATUS", taken)["status"] == "pending", "it does not work on"
    there = [isinstance(state, dict) for state in states]
    lost = there.count(False)
    assert not any(there[len(there) - lost:]), "a submission is gone, and a later one is there"
    undone = sum(1 for one, state in zip(submitted, states) if one in completed and isinstance(state, dict) and state["status"] != "success")
    return {"acknowledged": len(submitted), "lost": lost, "ends lost": undone}


def cut(stage: Stage, jetstream: str, work_s: float) -> dict:
    with contextlib.ExitStack() as stack:
        disks = [stack.enter_context(loop_disk(DISK_MIB, BACKING_MIB)) for _ in range(3)]
        scene = Scene(stage, jetstream=jetstream)
        scene.nats.stores = [disk.mount / "store" for disk in disks]
        stack.callback(scene.put_away)
        scene.load.pause_s = 0.01
        scene.begin()
        time.sleep(work_s)
        submitted, completed = stop_all(scene)
        scene.load.stop()
        with powered_again(scene, disks):
            found = outcome(scene.planes[0])
            figures = {"seconds of work": work_s, "outcome": found}
            if found == "leads":
                figures |= compare(scene.planes[0], submitted, completed)
            else:
                figures |= {"acknowledged": len(submitted), "lost": len(submitted)}
            for plane in scene.planes:
                if plane.process.poll() is None:
                    plane.kill()
    return figures


def power_cut(stage: Stage) -> dict:
    """The power of all three servers fails, as they are set by default, and with sync_interval: always where they know it."""
    reason = lacking()
    if reason is not None:
        raise Skipped(reason)
    figures: dict = {"default": [], "always": []}
    for turn in range(stage.times(3)):
        work_s = WORK_S[turn % len(WORK_S)]
        figures["default"].append(cut(stage, "", work_s))
        if stage.can_always_sync():
            one = cut(stage, "sync_interval: always", work_s)
            figures["always"].append(one)
            assert one["outcome"] == "leads" and one["lost"] == one["ends lost"] == 0, f"synced always, and lost: {one}"
    return figures
