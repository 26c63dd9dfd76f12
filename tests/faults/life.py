# SPDX-License-Identifier: Apache-2.0
"""A life of the control plane in which one call that changes files is acted upon (fault_shim.c), and the next one, in
which everything acknowledged has to be there."""
import dataclasses
import pathlib
import shutil
import time

import fault_board
from fault_board import Board
from harness import RespError, Server, encode


class Script:
    """A small load, one connection, that remembers what was acknowledged. It goes on until the server dies or `steps` end."""

    def __init__(self, payload_bytes: int, steps: int):
        self.payload = '{"args":["%s"],"kwargs":{}}' % ("x" * payload_bytes)
        self.steps = steps
        self.states: dict[str, str] = {}
        self.ended_by = ""  # the server's refusal, or how the connection was lost; empty: all steps were made

    def play(self, server: Server) -> None:
        try:
            with server.connect(timeout=30) as link:
                for _ in range(self.steps):
                    self.states[link.command("FQ.SUBMIT", "script.task", self.payload)] = "pending"
                    extra = link.command("FQ.SUBMIT", "script.task", "{}")
                    self.states[extra] = "pending"
                    for grant in link.command("FQ.FETCH", "TASKS", "script.task"):
                        self.states[grant["id"]] = "started"
                        if link.command("FQ.COMPLETE", grant["id"], grant["token"], "1") == "OK":
                            self.states[grant["id"]] = "success"
        except RespError as error:
            self.ended_by = str(error)
        except (OSError, EOFError) as error:
            self.ended_by = type(error).__name__

    def lost(self, server: Server) -> list[str]:
        """What is not as acknowledged. A step whose reply did not come may have happened or not."""
        order = {"pending": 0, "started": 1, "success": 2}
        with server.connect() as link:
            link.send(b"".join(encode("FQ.STATUS", i) for i in self.states))
            found = {i: link.read() for i in self.states}
        return [f"{i}: acknowledged {state}, is {found[i]}" for i, state in self.states.items()
                if found[i] is None or order[found[i]["status"]] < order[state]]


@dataclasses.dataclass
class Life:
    """What happened."""
    hit: bool = False  # the call was reached
    exit: int | None = None  # how the first life ended by itself
    exit_ms: float = 0.0  # from the loss of the connection to the end of the process
    ended_by: str = ""
    refusal: str = ""  # what the second life said instead of starting
    calls: list = dataclasses.field(default_factory=list)  # (kind, file), counted in the first life
    lost: list = dataclasses.field(default_factory=list)

    def call(self, at: int) -> tuple[str, str]:
        """Kind and file of the `at`-th call."""
        return self.calls[at - 1] if 0 < at <= len(self.calls) else ("", "")

    def may_survive(self, at: int) -> bool:
        """Whether nothing rests on the file of the `at`-th call yet."""
        kind, name = self.call(at)
        return name.endswith(".tmp") or kind in ("unlink", "create", "mkdir", "rename")


class Phase:
    """A stretch of the server's life that is swept: what precedes it, its options, its load."""

    def __init__(self, name: str, *options: str, before: Script | None = None, load: Script, from_boot: bool):
        self.name, self.options, self.before, self.load = name, options, before, load
        self.from_boot = from_boot  # calls count from the start of the process, else from the start of the load

    def prepare(self, folder: pathlib.Path) -> None:
        """Leaves a data directory in `folder`: the one that every run of this phase starts from."""
        if self.before is None:
            return
        self.before.states.clear()
        with Server(*self.options) as server:
            self.before.play(server)
            server.kill()
            shutil.copytree(server.data_dir, folder)

    def run(self, template: pathlib.Path, action: int = 0, at: int = 0, **more) -> Life:
        """One life in which the `at`-th call is acted upon, and the next one, unhurt: what happened. `at` 0: the calls are
        counted only. `more`: of Board.order."""
        server = Server(*self.options)
        board = Board(server.folder)
        server.environment = board.environment(trace=True)
        load = Script(len(self.load.payload) - 25, self.load.steps)
        try:
            if template.exists():
                shutil.copytree(template, server.data_dir)
            board.order(action, at if self.from_boot else 0, **more)
            life = Life()
            try:
                server.start()
                if not self.from_boot:
                    board.trace_path.write_bytes(b"")
                    board.order(action, at, **more)
                load.play(server)
                self._wait(server, load, life, at)
            except AssertionError:
                if server.process.poll() is None:
                    raise
            life.hit, life.calls, life.ended_by = board.get("hits") > 0, board.trace(), load.ended_by
            if life.hit and not life.may_survive(at): # the call may have come behind the last reply: its thread needs its time
                self._until_ended(server, 10)
            life.exit = server.process.poll()
            server.kill()
            server.environment = {}
            try:
                server.start()
            except AssertionError as error:
                life.refusal = str(error)[-600:]
                return life
            life.lost = load.lost(server) + (self.before.lost(server) if self.before else [])
            return life
        finally:
            server.is_ended = True
            server.stop()

    @staticmethod
    def _wait(server: Server, load: Script, life: Life, at: int) -> None:
        """For the end of a server that has hung up, and for what its other thread is about to do."""
        began = time.monotonic()
        limit = 10 if load.ended_by and "Error" in load.ended_by else 0.02 if at else 0
        Phase._until_ended(server, limit)
        life.exit_ms = (time.monotonic() - began) * 1000 if limit == 10 else 0.0

    @staticmethod
    def _until_ended(server: Server, limit_s: float) -> None:
        began = time.monotonic()
        while server.process.poll() is None and time.monotonic() - began < limit_s:
            time.sleep(0.001)


PHASES = (
    Phase("first boot", load=Script(10, 3), from_boot=True),
    Phase("recovery", "--compact-after", "64KiB", before=Script(2000, 100), load=Script(10, 3), from_boot=True),
    Phase("rotation", load=Script(900_000, 12), from_boot=False),
    Phase("compaction", "--compact-after", "64KiB", load=Script(3000, 45), from_boot=False),
)
