# SPDX-License-Identifier: Apache-2.0
"""What operators do to it: start it twice, send it signals, upgrade it, back it up, leave it alone for a long time."""
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

from case import Figure, Run, at_least, at_most, case, holds, told, zero
from harness import BUILD, PROGRAM, Server, encode
from storm import Storm, digest, listing
from subworker import EXAMPLES, Subworker


def lock_left_behind(server: Server) -> bool:
    """kill -9 while another process holds the same lock, as a child does between fork and exec; it lets go 0.3 s later."""
    server.kill()
    with open(pathlib.Path(server.data_dir) / "LOCK", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = threading.Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        release.start()
        server.start()
        release.join()
    return server.process.poll() is None


@case(11, "A second instance on the same data directory", expected="exit 75, naming the owner", ci=True)
def second_instance(run: Run) -> list[Figure]:
    with Server() as first, first.connect() as link:
        task_id = link.command("FQ.SUBMIT", "owner.task", "{}")
        code, text = Server.run_to_end("--data-dir", first.data_dir)
        is_named = str(first.process.pid) in text
        still = link.command("FQ.STATUS", task_id)["status"]
        inherited = lock_left_behind(first)
    return [holds("exit code 75", code == 75, str(code)),
            holds("the owner's pid is named", is_named),
            holds("the first one goes on", still == "pending", still),
            holds("a killed one's lock, for an instant still with its child, is waited for", inherited)]


def fastqueue(*words, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([str(PROGRAM), *map(str, words)], capture_output=True, text=True, timeout=300)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode} {done.stderr[-500:]}")
    return done


@case(41, "Upgrade and rollback", expected="journals of every format so far open; a newer one is refused by its version", ci=True)
def upgrade(run: Run) -> list[Figure]:
    with Server() as server:
        with server.connect() as link:
            task_id = link.command("FQ.SUBMIT", "upgrade.task", "{}")
        server.kill()
        segment = sorted(pathlib.Path(server.data_dir).glob("seg/*.fqj"))[-1]
        manifest = pathlib.Path(server.data_dir) / "MANIFEST"
        kept = manifest.read_bytes()
        newer = bytearray(kept)
        newer[4:6] = (int.from_bytes(kept[4:6], "little") + 1).to_bytes(2, "little")
        newer[64:68] = crc32c(bytes(newer[:64])).to_bytes(4, "little")
        manifest.write_bytes(newer)
        code, text = Server.run_to_end("--data-dir", server.data_dir)
        manifest.write_bytes(kept)
        server.start()
        with server.connect() as link:
            status, is_there = link.command("FQ.STATUS", task_id)["status"], segment.exists()
    return [holds("a newer format is refused", code in (65, 78) and "version" in text.lower(), f"{code} {text[-300:]}"),
            holds("nothing was changed by the refusal", status == "pending" and is_there, status),
            told("earlier releases to upgrade from", 0, "the present format is the first; golden journals guard it")]


def crc32c(data: bytes) -> int:
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff


def restore_and_compare(backup: pathlib.Path, folder: pathlib.Path, known: list[tuple[str, str]],
                        lease: tuple[str, str]) -> dict:
    """A new server on what `backup` holds: what it lacks of `known`, and what it says to a token of before."""
    data = folder / f"restored-{backup.name}"
    fastqueue("journal", "restore", backup, "--data-dir", data)
    with Server("--data-dir", str(data)) as second, second.connect() as link:
        lost = Storm.missing(link, known)
        link.send(encode("FQ.COMPLETE", *lease, "1"))
        answer = str(link.read(raise_error=False))
        listed = len(listing(second))
    return {"lost": len(lost), "stale": answer.startswith("STALELEASE"), "tasks": listed, "answer": answer}


@case(42, "Backup under load, and restore", expected="all that was acknowledged when it began; old tokens are stale", ci=True)
def backup(run: Run) -> list[Figure]:
    dice, rounds, found, took = run.dice(42), run.scale(10, 2), [], []
    with Server("--compact-after", "1MiB", "--lease", "60s") as server, server.connect() as link:
        held = link.command("FQ.SUBMIT", "backup.held", "{}")
        token = link.command("FQ.FETCH", "TASKS", "backup.held")[0]["token"]
        with Storm(server, dice, pause_s=0.01, lease_s=60) as storm:
            for number in range(rounds):
                time.sleep(run.scale(1.0, 0.4))
                known, began = storm.known(), time.monotonic()
                place = server.folder / f"backup{number}"
                fastqueue("journal", "backup", place, "--data-dir", server.data_dir)
                took.append(time.monotonic() - began)
                verified = fastqueue("journal", "verify", "--data-dir", place, check=False).returncode == 0
                seen = restore_and_compare(place, server.folder, known, (held, token))
                found.append({**seen, "verified": verified})
            storm.stop()
            errors = len(storm.errors)
    return [told("backups", rounds), told("tasks in the last one", found[-1]["tasks"], "tasks"),
            told("a backup takes", max(took), "s"),
            zero("acknowledged before it began, and not in it", sum(one["lost"] for one in found)),
            zero("backups that do not verify", sum(not one["verified"] for one in found)),
            zero("old tokens accepted after the restore", sum(not one["stale"] for one in found)),
            zero("errors seen by clients meanwhile", errors)]


@case(45, "Storms of signals", ci=True, expected="the documented action of each, nothing lost")
def signals(run: Run) -> list[Figure]:
    figures = []
    with Server() as server, server.connect() as link:
        ids = [link.command("FQ.SUBMIT", "signal.task", "{}") for _ in range(50)]
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCHLD):
            for _ in range(200):
                server.process.send_signal(number)
            time.sleep(0.05)
            alive = server.process.poll() is None
            answers = alive and link.command("PING") == "PONG"
            figures.append(holds(f"200 x {number.name}: goes on", answers, f"exit {server.process.poll()}"))
            if not alive:
                server.start()
                link = server.connect()
        for name, sequence in (("SIGTERM", [signal.SIGTERM]), ("SIGINT", [signal.SIGINT]),
                               ("SIGTERM twice", [signal.SIGTERM] * 2), ("SIGTERM 50 times", [signal.SIGTERM] * 50)):
            for number in sequence:
                if server.process.poll() is None:
                    server.process.send_signal(number)
            server.is_ended = True
            code = server.process.wait(60)
            figures.append(holds(f"{name}: orderly end", code == 0, f"exit {code}"))
            server.start()
        with server.connect() as again:
            again.send(b"".join(encode("FQ.STATUS", i) for i in ids))
            lost = sum(again.read() is None for _ in ids)
    return [*figures, zero("acknowledged tasks lost", lost)]


def facts(pid: int) -> tuple[int, int]:
    """(resident KiB, open descriptors)."""
    resident = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 10
    return resident, len(os.listdir(f"/proc/{pid}/fd"))


class Trouble:
    """Random faults against a running system: deaths, pauses, connections that come and go, garbage, backups."""

    def __init__(self, server: Server, worker: Subworker, dice: random.Random, storm: Storm):
        self.server, self.worker, self.dice, self.storm = server, worker, dice, storm
        self.lost: list[str] = []
        self.counts: dict[str, int] = {}

    def strike(self) -> None:
        name = self.dice.choice(("kill", "pause", "runner", "idle", "garbage", "abandon", "backup", "term"))
        self.counts[name] = self.counts.get(name, 0) + 1
        getattr(self, name)()

    def kill(self) -> None:
        self.server.kill()
        self.revive()

    def term(self) -> None:
        self.server.process.send_signal(signal.SIGTERM)
        self.server.terminate()
        self.revive()

    def revive(self) -> None:
        """The next life has to know what the one before acknowledged."""
        self.server.start()
        with self.server.connect() as link:
            self.lost += self.storm.check(link, self.dice)

    def pause(self) -> None:
        self.server.process.send_signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.1, 2.5))
        self.server.process.send_signal(signal.SIGCONT)

    def runner(self) -> None:
        for pid in self.worker.runners()[:1]:
            os.kill(pid, signal.SIGKILL)

    def idle(self) -> None:
        for link in [self.server.connect() for _ in range(30)]:
            link.close()

    def garbage(self) -> None:
        with self.server.connect() as link:
            link.send(self.dice.randbytes(200))

    def abandon(self) -> None:
        with self.server.connect() as link:
            link.send(encode("FQ.LIST") * 50)  # and gone before the answers

    def backup(self) -> None:
        place = self.server.folder / "soak-backup"
        shutil.rmtree(place, ignore_errors=True)
        fastqueue("journal", "backup", place, "--data-dir", self.server.data_dir, check=False)


@case(43, "Soak with random faults", limit_s=90_000,
      expected="nothing lost; memory and descriptors do not grow while nobody strikes")
def soak(run: Run) -> list[Figure]:
    dice = run.dice(43)
    with Server("--lease", "2s", "--restart-grace", "2s", "--compact-after", "8MiB", "--result-cache-ttl", "10") as server:
        with Subworker(server, "--concurrency", "2", modules=(EXAMPLES,)) as worker, \
                Storm(server, dice, pause_s=0.02, lease_s=2) as storm:
            trouble, end = Trouble(server, worker, dice, storm), time.monotonic() + run.soak_minutes * 60 * 2 / 3
            while time.monotonic() < end:
                time.sleep(dice.uniform(0.2, 2))
                trouble.strike()
            time.sleep(min(20, run.soak_minutes * 6))
            before, began = facts(server.process.pid), time.monotonic()
            time.sleep(run.soak_minutes * 60 / 3)
            after, minutes = facts(server.process.pid), (time.monotonic() - began) / 60
        storm.stop()
        server.kill()
        server.start()
        acknowledged = sum(task.acknowledged for task in storm.tasks.values())
        again, unexplained = storm.duplicates()
        print("\n".join(sorted(storm.errors)[:10]))
        with server.connect() as link:
            remembered = storm.remembered()
            gone = Storm.missing(link, remembered)
        print("\n".join(f"{task_id} is {status}, acknowledged {outcome}" for task_id, outcome, status in gone[:10]))
    return [told("minutes", run.soak_minutes), told("strikes", sum(trouble.counts.values())),
            told("of which", ", ".join(f"{count} {name}" for name, count in sorted(trouble.counts.items()))),
            told("submits acknowledged", acknowledged, "tasks"),
            zero("lost or undone, of a sample behind each death of the server", len(trouble.lost), "tasks"),
            at_least("checked one by one behind the last death", len(remembered), 1, "tasks"),
            zero("lost or undone of these", len(gone), "tasks"),
            told("executions beyond the first", again), zero("of these not explained by a stale token and an ended lease", unexplained),
            zero("contradictions seen on the way", len(storm.errors)),
            told("resident memory while nobody strikes", f"{before[0]} to {after[0]} KiB in {minutes:.1f} min"),
            at_most("descriptors more at the end", after[1] - before[1], 2)]
