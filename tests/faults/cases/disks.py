# SPDX-License-Identifier: Apache-2.0
"""Disks that fail, fill up, rot, lose files."""
import errno
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import fault_board
from case import Figure, Run, at_least, at_most, case, holds, told, zero
from harness import RespError, Server, encode
from life import PHASES, Life, Phase, Script
from loop_disk import loop_disk
from storm import Storm


def judge(life: Life, at: int, found: dict) -> None:
    """Counts one life in which the `at`-th call failed. A failure may be survived only where nothing rests on the file yet."""
    kind, name = life.calls[at - 1] if at <= len(life.calls) else ("", "")
    soft = name.endswith(".tmp") or kind in ("unlink", "create", "mkdir", "rename")
    found["hit"] += life.hit
    found["exit 74"] += life.exit == 74
    found["survived"] += life.hit and life.exit is None
    found["slowest ms"] = max(found["slowest ms"], life.exit_ms)
    found["lost"] += life.lost
    if life.refusal:
        found["wrong"].append(f"after {kind} {name}: refused to start: {life.refusal}")
    if life.exit not in (None, 74):
        found["wrong"].append(f"{kind} {name}: exit {life.exit}")
    if life.hit and life.exit is None and not soft:
        found["wrong"].append(f"{kind} {name}: went on")


def failures(dice: random.Random, phases, most: int, kinds: int, orders: list[dict]) -> dict:
    """Lets one call fail, for up to `most` calls of each phase and each of `orders` (of Board.order)."""
    found = {"runs": 0, "hit": 0, "exit 74": 0, "survived": 0, "slowest ms": 0.0, "lost": [], "wrong": []}
    with Server("--data-dir", "none") as owner:
        for phase in phases:
            template = owner.folder / phase.name.replace(" ", "-")
            phase.prepare(template)
            count = len(phase.run(template, kinds=kinds, processes=fault_board.CONTROL_PLANE).calls)
            for n in sorted(dice.sample(range(1, count + 1), min(count, most))):
                for order in orders:
                    life = phase.run(template, at=n, kinds=kinds, processes=fault_board.CONTROL_PLANE, **order)
                    found["runs"] += 1
                    judge(life, n, found)
    for line in (found["wrong"] + found["lost"])[:8]:
        print(line)
    return found


def figures_of(found: dict) -> list[Figure]:
    return [told("runs in which the call was reached", found["hit"]), told("ended with exit 74", found["exit 74"]),
            told("went on: nothing rested on the file yet", found["survived"]),
            zero("false acknowledgements", len(found["lost"])),
            zero("anything else: other exits, refusals to start, failures ignored", len(found["wrong"])),
            at_most("slowest exit after the connections were lost", found["slowest ms"], 1000, "ms")]


@case(5, "fsync failure, injected", needs=("shim",), ci=True, limit_s=1800,
      expected="exit 74 within 1 s, no false acknowledgement, the truth comes from the disk")
def failing_sync(run: Run) -> list[Figure]:
    return figures_of(failures(run.dice(5), PHASES, run.scale(40, 3), fault_board.KINDS["sync"],
                               [{"action": fault_board.FAIL, "error": errno.EIO}]))


@case(6, "ENOSPC and short writes at the n-th call", needs=("shim",), ci=True, limit_s=1800,
      expected="exit 74, or survived where nothing rests on the file yet")
def failing_writes(run: Run) -> list[Figure]:
    kinds = sum(fault_board.KINDS[kind] for kind in ("pwrite", "create", "rename", "mkdir"))
    return figures_of(failures(run.dice(6), PHASES, run.scale(30, 2), kinds,
                               [{"action": fault_board.FAIL, "error": errno.ENOSPC}, {"action": fault_board.SHORT_WRITE}]))
