# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the control plane: at random instants under load, and at every call by which it changes its files."""
import random
import re
import shutil
import time

import fault_board
from case import Figure, Run, at_least, at_most, case, holds, percentile, told, zero
from fault_board import Board
from harness import Server, encode
from storm import Storm, digest


def recoveries(server: Server) -> list[tuple[int, int]]:
    """(tasks found, milliseconds) of every boot, from the log."""
    return [(int(tasks), int(ms)) for tasks, ms in re.findall(r"recovered_tasks=(\d+) recovery_ms=(\d+)", server.log())]


@case(1, "kill -9 of the control plane at random instants under load", ci=True, limit_s=7200,
      expected="nothing acknowledged lost, no result accepted twice, back within a second")
def random_kills(run: Run) -> list[Figure]:
    dice, kills = run.dice(1), run.kills or run.scale(500, 50)
    took: list[float] = []
    with Server("--lease", "1s", "--restart-grace", "1s", "--compact-after", "4MiB") as server:
        with Storm(server, dice, submitters=2, workers=2, pause_s=0.01) as storm:
            for _ in range(kills):
                time.sleep(dice.uniform(0.005, run.scale(0.5, 0.15)))
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
    return [told("kills", kills), *figures,
            holds("replayed state equals the live one", live == replayed, f"{live} {replayed}"),
            told("compactions on the way", compactions),
            at_most("start to ready, p50", percentile(took, 0.5) * 1000, 1000, "ms"),
            at_most("start to ready, p99", percentile(took, 0.99) * 1000, run.scale(1500, 3000), "ms"),
            at_least("tasks known at the last boot", known, 1, "tasks"),
            told("recovery then", ms, "ms"),
            told("recovery per million tasks", ms * 1e6 / max(known, 1), "ms")]


class Script:
    """A small load, one connection, that remembers what was acknowledged. It goes on until the server dies or `steps` end."""

    def __init__(self, payload_bytes: int, steps: int):
        self.payload = '{"args":["%s"],"kwargs":{}}' % ("x" * payload_bytes)
        self.steps = steps
        self.states: dict[str, str] = {}

    def play(self, server: Server, is_done=lambda: False) -> None:
        try:
            with server.connect(timeout=20) as link:
                for _ in range(self.steps):
                    if is_done():
                        return
                    self.states[link.command("FQ.SUBMIT", "script.task", self.payload)] = "pending"
                    extra = link.command("FQ.SUBMIT", "script.task", "{}")
                    self.states[extra] = "pending"
                    for grant in link.command("FQ.FETCH", "TASKS", "script.task"):
                        self.states[grant["id"]] = "started"
                        if link.command("FQ.COMPLETE", grant["id"], grant["token"], "1") == "OK":
                            self.states[grant["id"]] = "success"
        except (OSError, EOFError):
            return

    def lost(self, server: Server) -> list[str]:
        """What is not as acknowledged. A step whose reply did not come may have happened or not."""
        order = {"pending": 0, "started": 1, "success": 2}
        with server.connect() as link:
            link.send(b"".join(encode("FQ.STATUS", i) for i in self.states))
            found = {i: link.read() for i in self.states}
        return [f"{i}: acknowledged {state}, is {found[i]}" for i, state in self.states.items()
                if found[i] is None or order[found[i]["status"]] < order[state]]


class Phase:
    """A stretch of the server's life that is swept: what precedes it, its options, its load."""

    def __init__(self, name: str, *options: str, before: Script | None = None, load: Script, from_boot: bool):
        self.name, self.options, self.before, self.load = name, options, before, load
        self.from_boot = from_boot  # calls count from the start of the process, else from the start of the load

    def prepare(self, folder) -> None:
        """Leaves a data directory in `folder`: the one that every run of this phase starts from."""
        if self.before is None:
            return
        with Server(*self.options) as server:
            self.before.play(server)
            server.kill()
            shutil.copytree(server.data_dir, folder)

    def run(self, template, action: int, at: int, kinds: int = fault_board.ALL) -> dict:
        """One life that ends at the `at`-th call, and the next one: what happened. `at` 0: nothing is hurt; the calls are
        counted."""
        server = Server(*self.options)
        board = Board(server.folder)
        server.environment = board.environment(trace=at == 0)
        load = Script(len(self.load.payload) - 25, self.load.steps)
        try:
            if template.exists():
                shutil.copytree(template, server.data_dir)
            board.order(action, at if self.from_boot else 0, kinds=kinds)
            try:
                server.start()
                if not self.from_boot:
                    board.order(action, at, kinds=kinds)
                load.play(server)
                if at:
                    time.sleep(0.02)
            except AssertionError:
                if server.process.poll() != -9:
                    raise
            seen = {"calls": board.get("calls"), "hit": board.get("hits") > 0, "trace": board.trace()}
            server.kill()
            server.environment = {}
            try:
                server.start()
            except AssertionError as error:
                return {**seen, "refused": str(error)[-600:], "lost": []}
            lost = load.lost(server) + (self.before.lost(server) if self.before else [])
            return {**seen, "refused": "", "lost": lost}
        finally:
            server.is_ended = True
            server.stop()


PHASES = (
    Phase("first boot", load=Script(10, 3), from_boot=True),
    Phase("recovery", "--compact-after", "64KiB", before=Script(2000, 100), load=Script(10, 3), from_boot=True),
    Phase("rotation", load=Script(900_000, 12), from_boot=False),
    Phase("compaction", "--compact-after", "64KiB", load=Script(3000, 45), from_boot=False),
)


def sweep(phase: Phase, dice: random.Random, folder, most: int) -> dict:
    """Kills at each call, or at `most` of them; half of them right before it, half right after it."""
    template = folder / phase.name.replace(" ", "-")
    phase.prepare(template)
    whole = phase.run(template, 0, 0)
    kinds = [kind for kind, _ in whole["trace"]]
    points = list(range(1, len(kinds) + 1))
    rare = [n for n in points if kinds[n - 1] not in ("pwrite", "sync", "fdatasync")]
    chosen = sorted(set(dice.sample(rare, min(len(rare), most // 2)) + dice.sample(points, min(len(points), most // 2))))
    result = {"points": len(points), "runs": 0, "killed": 0, "lost": [], "refused": [],
              "kinds": sorted({f"{kind} {name}" for kind, name in whole["trace"]})}
    for n in chosen:
        for action in (fault_board.KILL_BEFORE, fault_board.KILL_AFTER):
            if len(chosen) > 20 and dice.random() < 0.5 and n not in rare:
                continue
            seen = phase.run(template, action, n)
            result["runs"] += 1
            result["killed"] += seen["hit"]
            result["lost"] += seen["lost"]
            result["refused"] += [seen["refused"]] if seen["refused"] else []
    return result


@case(2, "kill -9 inside boot, recovery, rotation, compaction, manifest rename", needs=("shim",), ci=True, limit_s=3600,
      expected="the old state or the new one, never a refusal")
def crash_points(run: Run) -> list[Figure]:
    dice, figures, total = run.dice(2), [], {"runs": 0, "killed": 0, "points": 0}
    with Server("--data-dir", "none") as owner:
        for phase in PHASES:
            found = sweep(phase, dice, owner.folder, run.scale(160, 2))
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
            at_most("start to ready a million tasks", start_s * 1e6 / count, 2 if count >= 500_000 else 10, "s")]
