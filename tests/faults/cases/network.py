# SPDX-License-Identifier: Apache-2.0
"""What networks do: partitions, peers that vanish, directions that swallow, lines that are slow, replies that are cut."""
import socket
import subprocess
import threading
import time
import uuid

from case import Figure, Run, at_least, at_most, case, holds, percentile, told, zero
from chaos import Chaos
from crowd import link_to, wait_until
from harness import BUILD, PROGRAM, Link, Server, encode
from subworker import Subworker, payload
from wire import Wire

TASKS = BUILD / "tests" / "modules" / "telemetry.so"


def server_on(wire: Wire, *options: str) -> Server:
    server = Server("--data-dir", "none", "--protected-mode", "off", *options)
    server.options += ["--listen", f"tcp://127.0.0.1:{server.port}", f"tcp://{wire.here}:{server.port}"]
    return server


def worker_at(wire: Wire, server: Server, worker_id: str) -> Subworker:
    worker = Subworker(server, "--concurrency", "1", worker_id=worker_id, modules=(TASKS,))
    worker.line = wire.line([f"tcp://{wire.here}:{server.port}" if word.startswith("tcp://") else word for word in worker.line])
    return worker


@case(18, "Partition between worker and server", expected="the lease ends, another worker takes over, one outcome; the lost one comes back by itself",
      needs=("root", "netns"), ci=True)
def partition(run: Run) -> list[Figure]:
    lease_s = run.scale(4, 1.5)
    taken_over, back, outcomes = [], [], []
    rounds = run.scale(10, 1)
    with Wire() as wire, server_on(wire, "--lease", f"{int(lease_s * 1000)}ms") as server, \
            worker_at(wire, server, "far") as far, server.connect() as link:
        for _ in range(rounds):
            task = far.submit("nap", int((lease_s + 2) * 1000))
            far.wait_until_started(task)
            wire.pull()
            pulled = time.monotonic()
            with Subworker(server, "--concurrency", "1", worker_id="near", modules=(TASKS,)) as near:
                wait_until(lambda: link.command("FQ.STATUS", task)["worker"] == "near", 30, "another worker has the task")
                taken_over.append(time.monotonic() - pulled)
                wire.plug()
                plugged = time.monotonic()
                view = near.wait(task)
                outcomes.append((view["status"], view["worker"]))
            task = far.submit("nap", 1)
            far.wait(task)
            back.append(time.monotonic() - plugged)
        stats = link.command("FQ.STATS")
    done = stats["completed"]
    return [told("partitions", rounds), at_most("taken over after, p99", percentile(taken_over, 0.99), lease_s + 3, "s"),
            told("length of a lease", lease_s, "s"), zero("outcomes that are not the second worker's", sum(o != ("success", "near") for o in outcomes)),
            holds("each task ended once", done == 2 * rounds, str(stats)), told("late reports refused", stats["stale"]),
            at_most("the lost worker works again after the heal, p99", percentile(back, 0.99), lease_s + 20, "s")]


@case(19, "Peers that vanish without a word", expected="noticed within 30 s, with and without bytes on the way; others are served",
      needs=("root", "netns"))
def half_open(run: Run) -> list[Figure]:
    with Wire() as wire, server_on(wire) as server, server.connect() as link:
        idle = Link(wire.connect(server.port))
        busy = Link(wire.connect(server.port))
        idle.command("CLIENT", "SETNAME", "idle")
        busy.command("CLIENT", "SETNAME", "busy")
        task = link.command("FQ.SUBMIT", "watched", "{}")
        busy.command("FQ.WATCH", task)
        token = link.command("FQ.FETCH", "TASKS", "watched")[0]["token"]
        wire.pull()
        began, gone = time.monotonic(), {}
        link.command("FQ.COMPLETE", task, token, "{}")  # is pushed to who is not there any more
        while len(gone) < 2 and time.monotonic() - began < 60:
            clients = link.command("CLIENT", "LIST")
            for name in ("idle", "busy"):
                if f"name={name}" not in clients:
                    gone.setdefault(name, time.monotonic() - began)
            time.sleep(0.05)
        idle.close()
        busy.close()
    return [at_most("an idle one is noticed after", gone.get("idle", 999), 30, "s"),
            at_most("one with bytes on their way", gone.get("busy", 999), 30, "s")]


TREATMENTS = {
    "untreated": lambda net: None,
    "200 ms each way": lambda net: (setattr(net.up, "delay_s", 0.2), setattr(net.down, "delay_s", 0.2)),
    "a byte at a time": lambda net: (setattr(net.up, "chunk_bytes", 1), setattr(net.down, "chunk_bytes", 1)),
    "64 KiB/s": lambda net: (setattr(net.up, "bytes_per_s", 65536), setattr(net.down, "bytes_per_s", 65536)),
}


def treated(server: Server, treat, seconds: float) -> tuple[float, int]:
    """Submits through a treated line: how many a second, and how many answers were wrong."""
    with Chaos(server.port) as net:
        treat(net)
        wrong = done = 0
        with link_to(net.port) as link:
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                wanted = str(uuid.uuid4())
                wrong += link.command("FQ.SUBMIT", "treated", payload(done), "ID", wanted) != wanted
                done += 1
        return done / (time.monotonic() - began), wrong


@case(20, "Slow, narrow, fragmented, stalled and one-way lines", expected="slower for that client alone; nothing wrong, nothing lost", ci=True)
def lines(run: Run) -> list[Figure]:
    figures, done_all, seconds = [], 0, run.scale(5, 0.5)
    with Server("--lease", "2s") as server, server.connect() as link:
        for name, treat in TREATMENTS.items():
            rate, wrong = treated(server, treat, seconds)
            figures += [told(f"submits through a line, {name}", rate, "1/s"), zero(f"wrong answers, {name}", wrong)]
        began, direct = time.monotonic(), 0
        with Chaos(server.port) as net:
            net.down.stalled = True  # its replies are read by nobody
            stuck = socket.create_connection(("127.0.0.1", net.port))
            stuck.sendall(b"*1\r\n$4\r\nPING\r\n" * 1000)
            while time.monotonic() - began < seconds:
                link.command("PING")
                direct += 1
            net.down.stalled = False
            stuck.settimeout(10)
            got = 0
            while got < 7000:
                got += len(stuck.recv(65536))
            stuck.close()
        figures += [told("requests of another client beside a stalled one", direct / seconds, "1/s"),
                    holds("the stalled one gets all its answers when it goes on", got == 7000, str(got)),
                    *one_way(server, link), *worker_behind(server, run)]
        done_all = link.command("FQ.STATS")["submitted"]
    return figures + [told("tasks in all", done_all)]


def one_way(server: Server, link: Link) -> list[Figure]:
    """Replies vanish: the client gives up, comes back by another way and asks with the same id."""
    before = link.command("FQ.STATS")["submitted"]
    with Chaos(server.port) as net:
        ids = [str(uuid.uuid4()) for _ in range(20)]
        with link_to(net.port, timeout=0.5) as deaf:
            net.down.swallow = True
            for task_id in ids:
                deaf.send(_submit(task_id))
            try:
                deaf.read()
                heard = True
            except (TimeoutError, OSError):
                heard = False
        wait_until(lambda: link.command("FQ.STATS")["submitted"] - before == len(ids), 10, "what was heard is done")
        for task_id in ids:
            link.command("FQ.SUBMIT", "one.way", "{}", "ID", task_id)
    made = link.command("FQ.STATS")["submitted"] - before
    return [holds("a line that swallows replies is silent", not heard), zero("tasks made twice by asking again", made - len(ids))]


def _submit(task_id: str) -> bytes:
    return encode("FQ.SUBMIT", "one.way", "{}", "ID", task_id)


def worker_behind(server: Server, run: Run) -> list[Figure]:
    """A subworker whose line splits, delays and is reset now and then: every task is done, each has one outcome. Tasks whose hand-out
    was on the line then come back when their lease ends."""
    count = run.scale(400, 60)
    with Chaos(server.port) as net:
        net.up.delay_s, net.down.delay_s, net.down.chunk_bytes = 0.002, 0.002, 61
        worker = Subworker(server, "--concurrency", "2", worker_id="behind", modules=(TASKS,))
        worker.line = [f"tcp://127.0.0.1:{net.port}" if word.startswith("tcp://") else word for word in worker.line]
        with worker:
            tasks = worker.submit_many([("nap", (20,)) for _ in range(count)])
            views, resets = [], 0
            for n, task in enumerate(tasks):
                if n % 20 == 10:  # in the middle of things, and never faster than the worker comes back
                    resets += net.reset_all()
                views.append(worker.wait(task, 25))
    more = sum(view["attempt"] > 1 for view in views)
    return [at_least("connections of a worker that were reset", resets, 1),
            zero("tasks of that worker not done", sum(view["status"] != "success" for view in views)),
            told("of these, done by a later attempt", more)]


@case(34, "Submits repeated because the reply was cut, also over a restart", expected="one task for each id", ci=True)
def replayed(run: Run) -> list[Figure]:
    count, sent, lost = run.scale(1000, 150), 0, 0
    dice = run.dice(34)
    ids = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(count)]
    with Server() as server:
        with Chaos(server.port) as net:
            for n, task_id in enumerate(ids):
                for attempt in range(10):
                    net.down.cut_after_bytes = 1 if attempt < dice.randrange(3) else None
                    sent += 1
                    try:
                        with link_to(net.port, protocol=2, timeout=10) as link:
                            if link.command("FQ.SUBMIT", "once", payload(n), "ID", task_id) == task_id:
                                break
                    except (OSError, EOFError):
                        lost += 1
                        if dice.random() < 0.03:
                            server.kill()
                            server.start()
        with server.connect() as link:
            names = link.command("FQ.QUEUES", "COUNT", "10")[1]
            pending = next(row["pending"] for row in names if row["name"] == "once")
            fetched = []
            while batch := link.command("FQ.FETCH", "TASKS", "once", "COUNT", "500"):
                fetched += [task["id"] for task in batch]
        library = by_library(server, run)
        starts = server.log().count(" ready")
    return [told("tasks", count), told("submits sent", sent), told("replies cut", lost), told("starts of the server", starts),
            zero("tasks lost", len(set(ids) - set(fetched))), zero("tasks made twice", len(fetched) - len(set(fetched)) + pending - count), *library]


def by_library(server: Server, run: Run) -> list[Figure]:
    """The client library asks again by itself, with the id that it chose."""
    rounds, made, dice = run.scale(60, 6), [], run.dice(340)
    with Chaos(server.port) as net, server.connect() as link:
        before = link.command("FQ.STATS")["submitted"]
        for _ in range(rounds):
            net.down.cut_after_bytes = dice.randrange(1, 180)  # in the greeting, or in the answer
            heal = threading.Timer(0.2, lambda: setattr(net.down, "cut_after_bytes", None))
            heal.start()
            done = subprocess.run([str(PROGRAM), "submit", "by.client", "--non-blocking", "--retries", "0"], capture_output=True, text=True, timeout=60,
                                  env=Server._environment({"FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{net.port}"}))
            heal.join()
            made.append(done.returncode)
        grown = link.command("FQ.STATS")["submitted"] - before
        cuts = net.cuts
    return [told("submits by the command line", rounds), at_least("of its connections cut", cuts, rounds // 2), zero("that failed", sum(code != 0 for code in made)),
            zero("tasks too many or too few", grown - rounds)]
