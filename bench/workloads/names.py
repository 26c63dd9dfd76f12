"""What many task names, all four priorities and a backlog add: first a backlog of a million is there or is not, then tasks are submitted and worked off
beside it, 256 at a time, and the server's time for these is compared. One worker has registered all names."""
import peers.all
from drive import drive
from record import Case

NAME, TITLE, ORDER, RATIO = "names", "Dispatch with 10,000 task names, four priorities and a backlog of a million", 60, "server_cpu_us"


def dispatched(mode: str, count: int, names: int, backlog: int, mixed: bool):
    def measure() -> dict:
        more = {"names": names, **({"mixed": True} if mixed else {})}
        with peers.all.running("fastqueue", mode) as server:
            if backlog:
                drive(server, "fastqueue", "submit", batch=1024, count=backlog, **more)
                server.settle(30)
            return drive(server, "fastqueue", "cycle", batch=256, count=count, window=8192, **more)
    return measure


def run(bench) -> None:
    count, many = bench.count(300_000, 30_000), bench.count(1_000_000, 50_000)
    cases = []
    for mode in ("memory", "sync"):
        for names, backlog, mixed in ((1, 0, False), (1, 0, True), (10_000, 0, False), (1, many, False), (10_000, many, False), (10_000, many, True)):
            what = f"{names:,} name{'s' if names > 1 else ''}, backlog {backlog:,}{', 4 priorities' if mixed else ''}"
            cases.append(Case("fastqueue", mode, what, dispatched(mode, count, names, backlog, mixed),
                              {"names": names, "backlog": backlog, "mixed": mixed}))
    bench.alternate(cases)
