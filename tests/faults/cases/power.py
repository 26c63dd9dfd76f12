# SPDX-License-Identifier: Apache-2.0
"""Power cuts: the device's bytes of one instant, as another machine would find them."""
import random
import signal
import time

from case import Figure, Run, at_most, case, holds, told, zero
from harness import Server
from loop_disk import Disk, loop_disk
from storm import Storm

NEWEST = 4000  # what came before them has been checked at earlier cuts


def cut(disk: Disk, server: Server, storm: Storm) -> dict:
    """Freezes the server, takes what is on the device, lets it go on; what a second server finds on the copy."""
    server.process.send_signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    try:
        time.sleep(0.03)  # replies that had left are read
        known, sent = storm.known()[-NEWEST:], list(storm.tasks)[-NEWEST:]
        with disk.copied() as place:
            server.process.send_signal(signal.SIGCONT)
            with Server("--data-dir", str(place / "data")) as second, second.connect() as link:
                lost = storm.missing(link, known)
                absent = {i for i, _, _ in storm.missing(link, [(i, "submitted") for i in sent])}
                there = set(sent) - absent
                tail = max((f.stat().st_size for f in (place / "data" / "quarantine").glob("*")), default=0)
    finally:
        server.process.send_signal(signal.SIGCONT)
    oldest = min((storm.tasks[i].acknowledged_at if i not in there else storm.tasks[i].outcome_at for i, _, _ in lost), default=stopped_at)
    last = max((number for number, i in enumerate(sent) if i in there), default=-1)
    return {"known": len(storm.known()), "lost": len(lost), "tail": tail, "window_ms": (stopped_at - oldest) * 1000,
            "holes": sum(1 for i in sent[:last + 1] if i not in there)}


def cuts(dice: random.Random, count: int, durability: str) -> list[dict]:
    found = []
    with loop_disk() as disk:
        options = ("--data-dir", str(disk.mount / "data"), "--durability", durability, "--lease", "2s",
                   "--compact-after", "4MiB")
        with Server(*options) as server, Storm(server, dice, submitters=1, workers=1, pause_s=0.015, lease_s=2) as storm:
            for _ in range(count):
                time.sleep(dice.uniform(0.2, 0.8))
                found.append(cut(disk, server, storm))
            storm.stop()
            if storm.errors:
                raise AssertionError(storm.errors[:3])
    return found


@case(3, "Power cut", needs=("root", "loop"), ci=True, expected="nothing acknowledged lost, no holes")
def power_cut(run: Run) -> list[Figure]:
    found = cuts(run.dice(3), run.scale(25, 3), "sync")
    return [told("cuts", len(found)), told("acknowledged at the last cut", found[-1]["known"], "tasks"),
            zero("acknowledged steps lost", sum(one["lost"] for one in found)),
            zero("holes in the order of submits", sum(one["holes"] for one in found)),
            told("largest tail cut off", max(one["tail"] for one in found), "bytes")]


@case(4, "Power cut with relaxed durability (negative control)", needs=("root", "loop"),
      expected="losses, no older than the promised 100 ms and the sync behind them, and no holes")
def relaxed_power_cut(run: Run) -> list[Figure]:
    found = cuts(run.dice(4), 15, "relaxed")
    return [told("cuts", len(found)), told("acknowledged at the last cut", found[-1]["known"], "tasks"),
            holds("the rig can lose: acknowledged steps lost in all", sum(one["lost"] for one in found) > 0,
                  "nothing was lost: the control is void"),
            told("acknowledged steps lost in all", sum(one["lost"] for one in found)),
            # 100 ms until a sync begins; the rest is room for the sync itself and for replies on their way to the driver.
            at_most("age of the oldest lost submit or end", max(one["window_ms"] for one in found), 250, "ms"),
            zero("holes in the order of submits", sum(one["holes"] for one in found))]
