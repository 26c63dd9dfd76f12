# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the control plane: at random instants under load, and at every call by which it changes its files."""
import random
import re
import time

import fault_board
from case import Figure, Run, at_least, at_most, case, holds, percentile, told, zero
from life import PHASES, Phase
from harness import Server, encode
from storm import Storm, digest

RATE_TASKS = 100_000


def recoveries(server: Server) -> list[tuple[int, int]]:
    """(tasks found, milliseconds) of every boot, from the log."""
    return [(int(tasks), int(ms)) for tasks, ms in re.findall(r"recovered_tasks=(\d+) recovery_ms=(\d+)", server.log())]


@case(1, "kill -9 of the control plane at random instants under load", ci=True, limit_s=7200,
      expected="nothing acknowledged lost, no result accepted twice, back within a second")
def random_kills(run: Run) -> list[Figure]:
    dice, kills = run.dice(1), run.kills or run.scale(500, 50)
    took: list[float] = []
    with Server("--lease", "1s", "--restart-grace", "1s", "--compact-after", "4MiB") as server:
        with Storm(server, dice, submitters=2, workers=2, pause_s=run.scale(0.04, 0.01), lease_s=1) as storm:
            for _ in range(kills):
                time.sleep(dice.uniform(0.005, run.scale(0.3, 0.15)))
                server.kill()
                began = time.monotonic()
                server.start()
                took.append(time.monotonic() - began)
                with server.connect() as link:
                    storm.check(link, dice)
            storm.settle()
        figures = storm.figures()
        live = digest(server)
        server.kill()
        server.start()
        replayed = digest(server)
        known, ms = replayed[1], recoveries(server)[-1][1]
        compactions = server.log().count("journal compacted")
    # A boot that knows few tasks says nothing about the rate: case 44 does.
    rate = [told("recovery per million tasks", ms * 1e6 / known, "ms")] if known >= RATE_TASKS else []
    return [told("kills", kills), *figures,
            holds("replayed state equals the live one", live == replayed, f"{live} {replayed}"),
            told("compactions on the way", compactions),
            told("start to ready, p50", percentile(took, 0.5) * 1000, "ms"),
            told("start to ready, p99", percentile(took, 0.99) * 1000, "ms"),
            at_least("tasks known at the last boot", known, 1, "tasks"),
            told("recovery then", ms, "ms"), *rate]


def sweep(phase: Phase, dice: random.Random, folder, most: int) -> dict:
    """Kills at each call, or at `most` of them, right before it and right after it."""
    template = folder / phase.name.replace(" ", "-")
    phase.prepare(template)
    calls = phase.run(template).calls
    points = range(1, len(calls) + 1)
    rare = [n for n in points if calls[n - 1][0] not in ("pwrite", "fdatasync")]
    chosen = set(dice.sample(rare, min(len(rare), most // 2)) + dice.sample(points, min(len(points), most // 2)))
    found = {"points": len(calls), "runs": 0, "killed": 0, "lost": [], "refused": []}
    for n in sorted(chosen):
        for action in (fault_board.KILL_BEFORE, fault_board.KILL_AFTER):
            life = phase.run(template, action, n)
            found["runs"] += 1
            found["killed"] += life.hit
            found["lost"] += life.lost
            found["refused"] += [life.refusal] if life.refusal else []
    return found


@case(2, "kill -9 inside boot, recovery, rotation, compaction, manifest rename", needs=("shim",), ci=True, limit_s=3600,
      expected="the old state or the new one, never a refusal")
def crash_points(run: Run) -> list[Figure]:
    dice, figures, total = run.dice(2), [], {"runs": 0, "killed": 0, "points": 0}
    with Server("--data-dir", "none") as owner:
        for phase in PHASES:
            found = sweep(phase, dice, owner.folder, run.scale(100, 2))
            figures += [told(f"{phase.name}: calls that change files", found["points"]),
                        told(f"{phase.name}: runs killed at one of them", found["killed"]),
                        zero(f"{phase.name}: acknowledged steps lost", len(found["lost"])),
                        zero(f"{phase.name}: refusals to start", len(found["refused"]))]
            for line in (found["lost"] + found["refused"])[:5]:
                print(line)
            for key in total:
                total[key] += found[key]
    return [at_least("crash points", total["points"], 40), at_least("runs killed", total["killed"], run.scale(40, 6)),
            *figures]


@case(44, "A large backlog", expected="bounded memory a task, restart within 2 s a million", limit_s=1800)
def backlog(run: Run) -> list[Figure]:
    count, burst = run.backlog or 1_000_000, 1000
    payload = '{"args":[1],"kwargs":{}}'
    with Server("--compact-after", "1GiB") as server:
        with server.connect(timeout=120) as link:
            base = server.resident_bytes()
            began = time.monotonic()
            for _ in range(count // burst):
                link.send(encode("FQ.SUBMIT", "backlog.task", payload) * burst)
                for _ in range(burst):
                    link.read()
            took = time.monotonic() - began
            each = (server.resident_bytes() - base) / count - len(payload) - len("backlog.task")
        server.kill()
        began = time.monotonic()
        server.start()
        start_s = time.monotonic() - began
        with server.connect(timeout=120) as link:
            states = link.command("FQ.STATS")["states"]
            first = link.command("FQ.FETCH", "TASKS", "backlog.task", "COUNT", "100")
        after = (server.resident_bytes() - base) / count
    return [told("tasks queued", count, "tasks"), told("submitted a second, by a Python client", count / took, "tasks/s"),
            Figure("tasks there after kill -9", states["pending"], "tasks", str(count), states["pending"] == count),
            holds("they are handed out again", len(first) == 100),
            at_most("memory a task beyond name and payload", each, 200, "bytes"),
            told("memory a task in all after the restart", after, "bytes"),
            told("start to ready, for a million tasks", start_s * 1e6 / count, "s")]
