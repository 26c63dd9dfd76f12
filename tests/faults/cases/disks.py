# SPDX-License-Identifier: Apache-2.0
"""Disks that fail, fill up, rot, lose files."""
import errno
import random
import time

import fault_board
from case import Figure, Run, at_least, at_most, case, holds, told, zero
from harness import RespError, Server, encode
from life import PHASES, Life, Phase, Script
from loop_disk import loop_disk
from storm import Storm


def judge(life: Life, at: int, found: dict) -> None:
    """Counts one life in which the `at`-th call failed. A failure may be survived only where nothing rests on the file yet."""
    kind, name = life.call(at)
    found["hit"] += life.hit
    found["exit 74"] += life.exit == 74
    found["survived"] += life.hit and life.exit is None
    found["slowest ms"] = max(found["slowest ms"], life.exit_ms)
    found["lost"] += life.lost
    if life.refusal:
        found["wrong"].append(f"after {kind} {name}: refused to start: {life.refusal}")
    if life.exit not in (None, 74):
        found["wrong"].append(f"{kind} {name}: exit {life.exit}")
    if life.hit and life.exit is None and not life.may_survive(at):
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
            at_most("slowest exit after the connections were lost", found["slowest ms"], 5000, "ms")]


@case(5, "fsync failure, injected", needs=("shim",), ci=True, limit_s=1800,
      expected="exit 74 at once, no false acknowledgement, the truth comes from the disk")
def failing_sync(run: Run) -> list[Figure]:
    return figures_of(failures(run.dice(5), PHASES, run.scale(40, 2), fault_board.KINDS["sync"],
                               [{"action": fault_board.FAIL, "error": errno.EIO}]))


@case(6, "ENOSPC and short writes at the n-th call", needs=("shim",), ci=True, limit_s=1800,
      expected="exit 74, or survived where nothing rests on the file yet")
def failing_writes(run: Run) -> list[Figure]:
    kinds = sum(fault_board.KINDS[kind] for kind in ("pwrite", "create", "rename", "mkdir"))
    return figures_of(failures(run.dice(6), PHASES, run.scale(30, 1), kinds,
                               [{"action": fault_board.FAIL, "error": errno.ENOSPC}, {"action": fault_board.SHORT_WRITE, "repeat": 16}]))


def serve_until_refused(link, ids: list[str], most: int = 50_000) -> str:
    """Submits until the server says no; the words."""
    payload = '{"args":["%s"],"kwargs":{}}' % ("x" * 4000)
    try:
        for _ in range(most):
            ids.append(link.command("FQ.SUBMIT", "disk.task", payload))
    except RespError as error:
        return str(error)
    except (OSError, EOFError) as error:
        return type(error).__name__
    return "never"


def states_of(link, ids: list[str]) -> list[str | None]:
    link.send(b"".join(encode("FQ.STATUS", i) for i in ids))
    views = [link.read() for _ in ids]
    return [view and view["status"] for view in views]


@case(7, "Disk full by another tenant", needs=("root", "loop"),
      expected="submits are refused with FULL, completions go on, it recovers by itself")
def full_disk(run: Run) -> list[Figure]:
    ids: list[str] = []
    with loop_disk(400) as disk, Server("--data-dir", str(disk.mount / "data")) as server, server.connect() as link:
        for _ in range(500):
            ids.append(link.command("FQ.SUBMIT", "disk.task", "{}"))
        filler = disk.fill(leave_mib=4)
        refusal = serve_until_refused(link, ids)
        done = 0
        while grants := link.command("FQ.FETCH", "TASKS", "disk.task", "COUNT", "100", "BLOCK", "300"):
            link.send(b"".join(encode("FQ.COMPLETE", grant["id"], grant["token"], '"ok"') for grant in grants))
            done += sum(link.read() == "OK" for _ in grants)
        answers = link.command("PING") == "PONG"
        filler.unlink()
        began = time.monotonic()
        while serve_until_refused(link, [], 1) != "never" and time.monotonic() - began < 60:
            time.sleep(0.02)
        resumed = time.monotonic() - began
        server.kill()
        server.start()
        with server.connect() as again:
            wrong = sum(state != "success" for state in states_of(again, ids))
    return [holds("submits are refused with FULL", refusal.startswith("FULL"), refusal),
            Figure("completions accepted while full", done, "tasks", f"all {len(ids)}", done == len(ids)),
            holds("PING answers while full", answers), at_most("submits again after the space is back", resumed, 30, "s"),
            zero("acknowledged completions lost over a kill -9 thereafter", wrong)]


@case(8, "The file system turns read-only", needs=("root", "loop"), ci=True,
      expected="exit 74 at the next write, nothing acknowledged lost")
def read_only(run: Run) -> list[Figure]:
    ids: list[str] = []
    with loop_disk(400) as disk:
        server = Server("--data-dir", str(disk.mount / "data"))
        server.start()
        try:
            with server.connect() as link:
                for _ in range(200):
                    ids.append(link.command("FQ.SUBMIT", "disk.task", "{}"))
                # The kernel's own switch for what a damaged file system does: errors=remount-ro.
                with open(f"/sys/fs/ext4/{disk.name}/trigger_fs_error", "w") as trigger:
                    trigger.write("by the fault matrix")
                began = time.monotonic()
                said = serve_until_refused(link, ids)
            code, took = server.process.wait(30), time.monotonic() - began
            server.is_ended = True
            refusal, text = Server.run_to_end("--data-dir", str(disk.mount / "data"))
            with disk.copied() as place:
                with Server("--data-dir", str(place / "data")) as second, second.connect() as link:
                    lost = sum(state is None for state in states_of(link, ids))
        finally:
            server.stop()
    return [told("submits acknowledged", len(ids), "tasks"), Figure("exit code", code, "", "74", code == 74),
            at_most("time to exit", took, 5, "s"), told("what the client saw", said),
            Figure("start on the read-only file system", refusal, "exit code", "74", refusal == 74),
            zero("acknowledged submits lost", lost)]


@case(46, "fsync failure of a real device: the space below it runs out", needs=("root", "loop"), ci=True,
      expected="exit 74 or a refusal, and no false acknowledgement on what is left on the device")
def undersized_device(run: Run) -> list[Figure]:
    dice, lost, acknowledged, ends = run.dice(46), 0, 0, {}
    for _ in range(run.scale(12, 2)):
        ids: list[str] = []
        with loop_disk(700, backing_mib=dice.choice((24, 40, 60, 90))) as disk:
            server = Server("--data-dir", str(disk.mount / "data"))
            try:
                server.start()
                with server.connect() as link:
                    said = serve_until_refused(link, ids, 12_000).split(" ")[0]
                    if server.process.poll() is None and said not in ("never", "FULL"):
                        server.process.wait(10)
            except AssertionError:
                said = "no start"
            code = server.process.poll()
            ends[f"{said} exit {code}"] = ends.get(f"{said} exit {code}", 0) + 1
            server.is_ended = True
            server.stop()
            acknowledged += len(ids)
            with disk.copied() as place:
                second = Server("--data-dir", str(place / "data"))
                with second, second.connect() as link:
                    lost += sum(state is None for state in states_of(link, ids))
    return [told("runs", sum(ends.values())), told("acknowledged", acknowledged, "tasks"),
            told("how they ended", ", ".join(f"{end}: {count}" for end, count in sorted(ends.items()))),
            zero("false acknowledgements", lost)]
