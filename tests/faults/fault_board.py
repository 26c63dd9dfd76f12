# SPDX-License-Identifier: Apache-2.0
"""The driver's side of fault_shim.c: orders to a server that runs with the library preloaded.

    board = Board(folder)
    server.environment = board.environment()
    board.kill_at(17)            # kill -9 right before the 17th call that changes a file
"""
import mmap
import pathlib
import struct

from harness import BUILD

SHIM = BUILD / "tests" / "fault_shim.so"
KINDS = {"create": 1, "pwrite": 2, "sync": 4, "rename": 8, "unlink": 16, "mkdir": 32, "ftruncate": 64}
ALL = sum(KINDS.values())
KILL_BEFORE, KILL_AFTER, FAIL, SHORT_WRITE, KILL_COMPACTOR = range(1, 6)
CONTROL_PLANE, COMPACTOR = 1, 2
FIELDS = ("calls", "at", "action", "error", "kinds", "processes", "main_pid", "repeat", "hits", "wall_shift_ns")


class Board:
    def __init__(self, folder: pathlib.Path):
        self.path, self.trace_path = folder / "board", folder / "trace"
        self.path.write_bytes(bytes(4096))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        self.set(kinds=ALL, processes=CONTROL_PLANE | COMPACTOR)

    def environment(self, trace: bool = False) -> dict[str, str]:
        found = {"LD_PRELOAD": str(SHIM), "FAULT_BOARD": str(self.path)}
        return {**found, "FAULT_TRACE": str(self.trace_path)} if trace else found

    def set(self, **values: int) -> None:
        for name, value in values.items():
            struct.pack_into("<q" if name == "wall_shift_ns" else "<Q", self.map, 8 * FIELDS.index(name), value)

    def get(self, name: str) -> int:
        return struct.unpack_from("<q", self.map, 8 * FIELDS.index(name))[0]

    def order(self, action: int, at: int, *, kinds: int = ALL, processes: int = CONTROL_PLANE | COMPACTOR,
              error: int = 0, repeat: int = 0) -> None:
        """Counting starts anew."""
        self.set(at=0)
        self.set(calls=0, hits=0, action=action, kinds=kinds, processes=processes, error=error, repeat=repeat)
        self.set(at=at)

    def rest(self) -> None:
        self.set(at=0, calls=0, hits=0)

    def trace(self) -> list[tuple[str, str]]:
        """The calls since the last order: (kind, name of the file). What the server did between two orders may have left lines
        before; counting begins at 1."""
        if not self.trace_path.exists():
            return []
        lines = [line.split(" ", 3) for line in self.trace_path.read_text().splitlines()]
        first = max((i for i, line in enumerate(lines) if line[0] == "1"), default=len(lines))
        return [(kind, name.rsplit("/", 1)[-1]) for _, _, kind, name in lines[first:]]
