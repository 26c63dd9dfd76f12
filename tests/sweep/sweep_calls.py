#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every n-th failure of a system call in real processes: the control plane, the command line client, a supervisor, a runner
of C tasks, and the OTLP exporter, each through a fixed script. Each n once, and once with all calls behind it failing too,
until the script passes untouched.

What may come of it: the program goes on, answers with an error, refuses to start, or ends with one of its exit codes (74 for
the disk). What must not: a crash, a hang, or an acknowledged task that a server started afterwards does not know. libuv ends
the process by itself where it cannot poll, or cannot start its threads; such ends are counted apart.

    sweep_calls.py BUILD [--only server,client] [--kinds pwrite,recv] [--points 6] [--sample]

--points bounds how many n of each kind are tried, spread from the first to the last; 0 tries every one.
"""
import argparse
import collections
import contextlib
import errno
import json
import mmap
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORD = 32
# What the kernel says when such a call fails.
KINDS = {
    "open": errno.EMFILE, "pread": errno.EIO, "pwrite": errno.EIO, "fdatasync": errno.EIO, "fsync": errno.EIO, "rename": errno.EIO,
    "unlink": errno.EACCES, "read": errno.EIO, "write": errno.EIO, "recv": errno.ECONNRESET, "send": errno.ECONNRESET,
    "socket": errno.EMFILE, "connect": errno.ECONNREFUSED, "accept4": errno.EMFILE, "epoll_ctl": errno.ENOMEM,
    "eventfd": errno.EMFILE, "pipe": errno.EMFILE, "mmap": errno.ENOMEM, "spawn": errno.EAGAIN, "thread": errno.EAGAIN,
}
FOUND_ONCE = {("supervisor", "epoll_ctl"): 1, ("supervisor", "pipe"): 2}  # where a crash was: looked at each time
HOUSEKEEPING_KINDS = ("spawn", "pipe", "rename", "unlink")  # what starting a process takes, and what comes of a compaction
PROPER_EXITS = {0, 1, 2, 65, 69, 70, 73, 74, 75, 77, 78}
ANSWER_LIMIT_S, END_LIMIT_S = 2, 40
ID = "00000000-0000-4000-8000-{:012d}"


class Orders:
    """The page that failing_calls.c maps."""

    def __init__(self, folder: pathlib.Path, shim: pathlib.Path):
        self.path = folder / "orders"
        self.path.write_bytes(bytes(4096))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.environment = {"LD_PRELOAD": str(shim), "FQ_SWEEP_ORDERS": str(self.path)}

    def set(self, kind: str, role: str, at: int, sticky: bool) -> None:
        head = kind.encode().ljust(WORD, b"\0") + role.encode().ljust(WORD, b"\0")
        self.map[:len(head) + 40] = head + struct.pack("<5Q", at, int(sticky), KINDS[kind], 0, 0)

    @property
    def calls(self) -> int:
        return struct.unpack_from("<Q", self.map, 2 * WORD + 24)[0]

    @property
    def hits(self) -> int:
        return struct.unpack_from("<Q", self.map, 2 * WORD + 32)[0]


class Fault(Exception):
    """What must not come of a failed call."""


def is_abort_of_others(code: int, log: str) -> bool:
    """libuv ends a process that it cannot poll in; a test program asserts what it asked for."""
    return code == -signal.SIGABRT and not re.search(r"/src/\S+: assertion failed", log)


def check_end(process: subprocess.Popen, log: str, limit: float = END_LIMIT_S) -> int:
    """Waits; the exit code, which has to be a proper one."""
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Fault(f"hangs: it did not end within {limit} s\n{log[-1500:]}") from None
    if code not in PROPER_EXITS and not is_abort_of_others(code, log):
        raise Fault(f"exit code {code}\n{log[-1500:]}")
    return code


# --- the control plane ------------------------------------------------------------------------------------------------------
class Conversation:
    """A client whose every request may go wrong; remembers what was acknowledged."""

    def __init__(self, server):
        self.server, self.link, self.silences = server, None, 0
        self.submitted, self.completed = set(), set()

    def ask(self, *words):
        if self.silences >= 2:
            return None
        try:
            if self.link is None:
                self.link = self.server.connect(timeout=ANSWER_LIMIT_S)
            answer = self.link.command(*words)
            self.silences = 0
            return answer
        except TimeoutError:
            self.silences += 1
        except (OSError, EOFError, AssertionError):
            if self.server.process.poll() is not None:
                self.silences = 2
        except Exception as error:  # a refusal
            if type(error).__name__ != "RespError":
                raise
            return None
        self.close()
        return None

    def close(self):
        if self.link is not None:
            with contextlib.suppress(OSError):
                self.link.close()
        self.link = None

    def play(self):
        for number in range(5):
            if self.ask("FQ.SUBMIT", "add", "{}", "ID", ID.format(number), "RETRIES", 1) is not None:
                self.submitted.add(number)
        leases = self.ask("FQ.FETCH", "WORKER", "w", "TASKS", "add", "COUNT", 4) or []
        tokens = {lease["id"]: lease["token"] for lease in leases}
        for number, lease in enumerate(tokens):
            self.ask("FQ.HEARTBEAT", lease, tokens[lease], "running")
            if number == 0:
                self.ask("FQ.FAIL", lease, tokens[lease], "E", "no", "NORETRY")
            elif self.ask("FQ.COMPLETE", lease, tokens[lease], "42") is not None:
                self.completed.add(lease)
        self.ask("FQ.CANCEL", ID.format(4))
        self.ask("FQ.DEAD", "LIST")
        self.ask("FQ.STATS")
        self.close()


class Housekeeping(Conversation):
    """The same with a server that compacts and has a worker of its own: it starts processes on the way."""

    OPTIONS = ("--compact-after", "64KiB", "--concurrency", "1", "--task-modules")

    def play(self):
        for number in range(100, 160):
            if self.ask("FQ.SUBMIT", "by.hand", '{"args":["%s"],"kwargs":{}}' % ("x" * 4000), "ID", ID.format(number)) is not None:
                self.submitted.add(number)
        if self.ask("FQ.SUBMIT", "add", '{"args":[2,3],"kwargs":{}}', "ID", ID.format(160)) is not None:
            self.submitted.add(160)
            view = self.ask("FQ.RESULT", ID.format(160), "WAIT", 1000 * ANSWER_LIMIT_S // 2)
            if view is not None and view["status"] == "success":
                self.completed.add(ID.format(160))
        end = time.monotonic() + ANSWER_LIMIT_S
        while self.server.process.poll() is None and "journal compact" not in self.server.log() and time.monotonic() < end:
            time.sleep(0.01)
        self.close()


def wait_until_up(server) -> bool:
    end = time.monotonic() + END_LIMIT_S
    while server.process.poll() is None:
        if " ready" in server.log():
            return True
        if time.monotonic() > end:
            raise Fault(f"hangs before it is ready\n{server.log()[-1500:]}")
        time.sleep(0.002)
    return False


def terminate(process: subprocess.Popen) -> None:
    for _ in range(2):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        time.sleep(0.01)


def run_server(orders: Orders, harness, script=Conversation, options: tuple = ()) -> bool:
    """True when the server ended by an abort that is the event loop's own."""
    server = harness.Server(*options, environment=orders.environment)
    try:
        server.start(wait=False)
        conversation = script(server)
        if wait_until_up(server):
            conversation.play()
        terminate(server.process)
        aborted = check_end(server.process, server.log()) == -signal.SIGABRT
        server.is_ended = True
        check_nothing_lost(server, conversation)
        return aborted
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        server.is_ended = True
        server.stop()


def check_nothing_lost(server, conversation: Conversation) -> None:
    server.environment = {}
    try:
        server.start()
    except AssertionError as error:
        raise Fault(f"without faults it does not start again: {str(error)[-1500:]}") from None
    with server.connect() as link:
        for number in conversation.submitted:
            if link.command("FQ.STATUS", ID.format(number)) is None:
                raise Fault(f"task {number} was acknowledged and is lost")
        for lease in conversation.completed:
            if (view := link.command("FQ.RESULT", lease))["status"] != "success":
                raise Fault(f"a completion was acknowledged and is lost: {view}")
    terminate(server.process)
    server.process.wait(END_LIMIT_S)


# --- programs around it -----------------------------------------------------------------------------------------------------
def run_program(line: list, orders: Orders) -> tuple[int, str]:
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **orders.environment})
        code = None
        try:
            code = process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        out.seek(0)
        text = out.read()
    if code is None:
        raise Fault(f"hangs\n{text[-1500:]}")
    if code not in PROPER_EXITS and not is_abort_of_others(code, text):
        raise Fault(f"exit code {code}\n{text[-1500:]}")
    return code, text


class Around:
    """A healthy control plane, and what is run against it."""

    def __init__(self, harness, subworker, build):
        self.harness, self.subworker, self.build = harness, subworker, build
        self.server = harness.Server("--data-dir", "none")
        self.server.start()
        self.ids = []

    def client(self, orders: Orders) -> bool:
        task_id = ID.format(10000 + len(self.ids))
        line = [str(self.harness.PROGRAM), "submit", "--control-plane-address", f"tcp://127.0.0.1:{self.server.port}",
                "--id", task_id, "--non-blocking", "add", "1", "2"]
        code, _ = run_program(line, orders)
        with self.server.connect() as link:
            known = link.command("FQ.STATUS", task_id) is not None
            if code == 0 and not known:
                raise Fault("the client ended well, the task does not exist")
            link.command("FQ.DEAD", "LIST")
        if known:
            self.ids.append(task_id)
        return code == -signal.SIGABRT

    def worker(self, orders: Orders) -> bool:
        worker = self.subworker.Subworker(self.server, "--concurrency", "1", "--drain-timeout", "1s", environment=orders.environment)
        with self.server.connect() as link:
            ids = [link.command("FQ.SUBMIT", "add", self.subworker.payload(1, 2)) for _ in range(2)]
            self.ids += ids
            worker.start(wait=False)
            for task_id in ids:  # as long as there is hope
                end = time.monotonic() + ANSWER_LIMIT_S
                while worker.process.poll() is None and time.monotonic() < end:
                    if link.command("FQ.RESULT", task_id, "WAIT", 50)["status"] == "success":
                        break
        terminate(worker.process)
        return check_end(worker.process, worker.log()) == -signal.SIGABRT

    def finish(self) -> None:
        """A healthy worker does what was left; then all is done."""
        try:
            if not self.ids:
                return
            with self.subworker.Subworker(self.server, "--concurrency", "1", worker_id="last") as worker:
                for task_id in self.ids:
                    view = worker.wait(task_id, 120)
                    if view["status"] != "success":
                        raise Fault(f"a task was lost to the failures around it: {view}")
        finally:
            self.server.stop()


class Exporter:
    """otlp_send against a healthy receiver."""

    def __init__(self, collector_module, protocol: str):
        self.protocol = protocol
        self.collector = collector_module.Collector(protocol="grpc" if protocol == "grpc" else "http")
        self.collector.__enter__()
        self.send = collector_module.BUILD / "tests" / "otlp_send"

    def run(self, orders: Orders) -> bool:
        code, _ = run_program([self.send, self.protocol, self.collector.endpoint, "--count", "2", "--timeout", "1500"], orders)
        return code == -signal.SIGABRT

    def finish(self) -> None:
        self.collector.__exit__(None, None, None)


# --- the sweep --------------------------------------------------------------------------------------------------------------
def chosen(total: int, most: int) -> list[int]:
    if most == 0 or total <= most:
        return list(range(1, total + 1))
    return sorted({1 + round(i * (total - 1) / (most - 1)) for i in range(most)}) if most > 1 else [1]


class Sweep:
    def __init__(self, options, orders: Orders):
        self.options, self.orders = options, orders
        self.figures = collections.defaultdict(lambda: {"injected": 0, "runs": 0, "aborts": 0})
        self.faults = []

    def one(self, where: str, role: str, kind: str, at: int, sticky: bool, run) -> None:
        self.orders.set(kind, role, at, sticky)
        row = self.figures[where, kind]
        try:
            row["aborts"] += bool(run(self.orders))
        except Fault as fault:
            self.faults.append(f"{where}, {kind} {at}{', sticky' if sticky else ''}: {fault}")
            print(f"sweep_calls: {self.faults[-1]}", flush=True)
        row["injected"] += self.orders.hits
        row["runs"] += 1

    def every(self, where: str, role: str, run, only: tuple = tuple(KINDS)) -> None:
        for kind in (kind for kind in self.options.kinds if kind in only):
            if self.options.sample:
                at = FOUND_ONCE.get((where, kind), 2 if where in ("server", "client", "housekeeping") else 0)
                if at > 0:
                    self.one(where, role, kind, at, False, run)
                continue
            self.orders.set(kind, role, 0, False)
            run(self.orders)
            total = self.orders.calls
            for at in chosen(total, self.options.points):
                for sticky in (False, True):
                    self.one(where, role, kind, at, sticky, run)

    def keep_evidence(self) -> None:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        rows = [{"name": f"{where}: {kind} made to fail", "value": row["injected"], "unit": "calls", "expected": "> 0", "ok": row["injected"] > 0}
                for (where, kind), row in self.figures.items()]
        aborts = sum(row["aborts"] for row in self.figures.values())
        rows += [{"name": "runs with a failing system call", "value": sum(row["runs"] for row in self.figures.values()), "unit": "runs",
                  "expected": "> 0", "ok": True},
                 {"name": "crashes, hangs, improper exits, tasks lost", "value": len(self.faults), "unit": "", "expected": "0", "ok": not self.faults},
                 {"name": "ended by libuv, which does not go on without epoll, its pipes and its threads, or by the test's own program", "value": aborts, "unit": "runs", "expected": "", "ok": True}]
        folder = ROOT / "build/evidence"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sweep_calls.json").write_text(json.dumps({"suite": "sweep_calls", "commit": commit.stdout.strip(), "rows": rows}, indent=1) + "\n")

    def show(self) -> None:
        print(f"{'where':14}{'call':12}{'runs':>6}{'failures':>10}{'aborts':>8}")
        for (where, kind), row in self.figures.items():
            print(f"{where:14}{kind:12}{row['runs']:6}{row['injected']:10}{row['aborts']:8}")


def main() -> None:
    parser = argparse.ArgumentParser(description="system calls that fail")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", default="server,housekeeping,client,supervisor,runner,exporter", help="parts, by commas")
    parser.add_argument("--kinds", default=",".join(KINDS), help="calls, by commas")
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--sample", action="store_true", help="of each kind only the second call, once, and no evidence: a quick look")
    options = parser.parse_args()
    options.kinds = options.kinds.split(",")
    build = options.build.resolve()
    os.environ["FASTQUEUE_BUILD"] = str(build)
    sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/support_py")]
    import collector  # pylint: disable=import-outside-toplevel
    import harness  # pylint: disable=import-outside-toplevel
    import subworker  # pylint: disable=import-outside-toplevel
    parts = options.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(options, Orders(pathlib.Path(folder), build / "tests/sweep/libfailing_calls.so"))
        if "server" in parts:
            sweep.every("server", "control-plane", lambda orders: run_server(orders, harness))
        if "housekeeping" in parts:
            module = str(build / "examples" / "tasks.so")
            # A word that stands among the arguments of the control plane alone, not of the processes that it starts.
            sweep.every("housekeeping", "--compact-after", lambda orders: run_server(
                orders, harness, Housekeeping, (*Housekeeping.OPTIONS, module)), HOUSEKEEPING_KINDS)
        for part, role in (("client", "submit"), ("supervisor", "subworker"), ("runner", "runner")):
            if part in parts:
                around = Around(harness, subworker, build)
                sweep.every(part, role, around.client if part == "client" else around.worker)
                try:
                    around.finish()
                except (Fault, AssertionError) as fault:
                    sweep.faults.append(f"{part}: {fault}")
                    print(f"sweep_calls: {sweep.faults[-1]}", flush=True)
        for protocol in ("grpc", "http/protobuf"):
            if "exporter" in parts:
                exporter = Exporter(collector, protocol)
                sweep.every(f"otlp {protocol[:4]}", protocol, exporter.run)
                exporter.finish()
    sweep.show()
    if not options.sample:
        sweep.keep_evidence()
    print(f"sweep_calls: {sum(row['runs'] for row in sweep.figures.values())} runs, {len(sweep.faults)} faults")
    sys.exit(1 if sweep.faults else 0)


if __name__ == "__main__":
    main()
