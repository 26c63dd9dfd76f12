# SPDX-License-Identifier: Apache-2.0
"""Data directories in which bits have flipped, or from which files are missing: refused by name, or no answer is wrong."""
import contextlib
import os
import pathlib
import random
import shutil
import tempfile
import time

from case import Figure, Run, at_least, case, told, zero
from harness import Server, encode
from storm import listing

MEMORY = pathlib.Path("/dev/shm") if pathlib.Path("/dev/shm").is_dir() else None


class Sample:
    """A data directory with two snapshots, several segments and a quiet end, and what a server answers from it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-rot-", dir=MEMORY))
        self.template, self.data = self.folder / "template", self.folder / "data"
        with Server("--compact-after", "64KiB") as server:
            self._load(server, 400)
            server.kill()
            server.options = ["--compact-after", "1GiB"]
            for _ in range(3):  # each boot begins a segment: these lie behind the snapshots, and are needed
                server.start()
                self._load(server, 10)
                server.kill()
            server.start()
            self._load(server, 10)
            self.expected = listing(server)
            time.sleep(0.3)  # the mark that follows 100 ms without traffic proves that all before it was synced
            server.kill()
            shutil.copytree(server.data_dir, self.template)
        for spare in (*self.template.glob("seg/*.tmp"), *self.template.glob("RESERVE*")):
            spare.unlink()  # zeros, which the server makes again

    @staticmethod
    def _load(server: Server, most: int) -> None:
        payload = '{"args":["%s"],"kwargs":{}}' % ("x" * 700)
        with server.connect() as link:
            for _ in range(most):
                for _ in range(4):
                    link.command("FQ.SUBMIT", "rot.task", payload)
                for grant in link.command("FQ.FETCH", "TASKS", "rot.task", "COUNT", "2"):
                    link.command("FQ.COMPLETE", grant["id"], grant["token"], '"done"')
                if server.log().count("journal compacted") == 2 and most == 400:
                    return

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def segments(self) -> list[pathlib.Path]:
        return sorted(self.template.glob("seg/*.fqj"))

    def snapshots(self) -> list[pathlib.Path]:
        return sorted(self.template.glob("snap/*.fqs"))

    @staticmethod
    def place(file: pathlib.Path, dice: random.Random) -> int:
        """An offset to hurt: three of four times where something is written, else in the padding between."""
        used = file.read_bytes().rstrip(b"\0")
        for _ in range(1000):
            at = dice.randrange(max(len(used), 1))
            if used[at] != 0 or dice.random() < 0.1:
                return at
        return 0

    def try_after(self, hurt) -> str:
        """What becomes of a copy that `hurt(data)` has changed: refused, same, cut (told as such), or wrong: …"""
        shutil.rmtree(self.data, ignore_errors=True)
        # Second names will do: what is on the disk is never written again. What is hurt gets a body of its own.
        shutil.copytree(self.template, self.data, copy_function=os.link)
        for own in (self.data / "LOCK", self.data / "MANIFEST"):
            embody(own)
        name = hurt(self.data)
        server = Server("--data-dir", str(self.data))
        try:
            server.start()
        except AssertionError:
            code, log = server.process.poll(), server.log()
            if code != 65:
                return f"wrong: exit {code} {log[-300:]}"
            named = any(part in log for part in ("/seg/", ": seg/", ": snap/", ": MANIFEST", name))
            return "refused" if named else f"wrong: no file is named: {log[-300:]}"
        finally:
            found = listing(server) if server.process.poll() is None else {}
            log = server.log()
            server.kill()
            server.stop()
        if found == self.expected:
            return "previous snapshot" if "previous" in log else "same"
        if "tail_cut" in log and set(found) <= set(self.expected):
            return "cut"
        return f"wrong: {len(found)} tasks of {len(self.expected)} and no word about it: {log[-400:]}"


def embody(file: pathlib.Path) -> pathlib.Path:
    """Makes a file that was linked one of its own."""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    return file


def tally(outcomes: dict[str, int], outcome: str, what: str) -> None:
    key = outcome.split(":")[0]
    outcomes[key] = outcomes.get(key, 0) + 1
    if key == "wrong":
        print(f"{what}: {outcome}")


@case(9, "Bit flips in each kind of file", expected="refused by name, or the previous snapshot; no wrong answer", ci=True)
def bit_flips(run: Run) -> list[Figure]:
    dice, count, figures, wrong = run.dice(9), run.scale(1000, 15), [], 0
    with contextlib.closing(Sample()) as sample:
        kinds = {"sealed segment": sample.segments()[:-1], "newest segment": sample.segments()[-1:],
                 "current snapshot": sample.snapshots()[-1:], "previous snapshot": sample.snapshots()[:-1],
                 "manifest": [sample.template / "MANIFEST"]}
        for kind, files in kinds.items():
            outcomes: dict[str, int] = {}
            for _ in range(count // len(kinds) if files else 0):
                file = dice.choice(files)
                at, bit = sample.place(file, dice), dice.randrange(8)

                def flip(data: pathlib.Path, file=file, at=at, bit=bit) -> str:
                    victim = embody(data / file.relative_to(sample.template))
                    with open(victim, "r+b") as opened:
                        opened.seek(at)
                        byte = opened.read(1)[0]
                        opened.seek(at)
                        opened.write(bytes([byte ^ 1 << bit]))
                    return victim.name
                tally(outcomes, sample.try_after(flip), f"bit {bit} of byte {at} of {kind} {file.name}")
            wrong += outcomes.get("wrong", 0)
            figures.append(told(f"{kind}: flips", sum(outcomes.values())))
            figures.append(told(f"{kind}: what came of them", ", ".join(f"{n} {o}" for o, n in sorted(outcomes.items()))))
    return [at_least("flips", sum(f.value for f in figures if f.name.endswith("flips")), count * 0.7), *figures,
            zero("wrong answers, silent losses, other exits", wrong)]


def truncate(share: float):
    def hurt(file: pathlib.Path) -> None:
        with open(file, "r+b") as opened:
            opened.truncate(int(file.stat().st_size * share))
    return hurt


def duplicate(file: pathlib.Path) -> None:
    shutil.copyfile(file, file.with_name(f"{int(file.stem, 16) + 1:016x}{file.suffix}"))


def zeros(file: pathlib.Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


HURTS = {"deleted": pathlib.Path.unlink, "truncated to half": truncate(0.5), "truncated to nothing": truncate(0),
         "truncated by a byte": truncate(0.999999), "duplicated under the next number": duplicate, "overwritten with zeros": zeros}


@case(10, "Segments truncated, deleted, duplicated, zeroed", expected="refused by name, or the same state", ci=True)
def lost_files(run: Run) -> list[Figure]:
    figures, wrong = [], 0
    with contextlib.closing(Sample()) as sample:
        for what, hurt in list(HURTS.items())[:run.scale(None, 1)]:
            outcomes: dict[str, int] = {}
            for file in [*sample.segments(), *sample.snapshots()]:
                def harm(data: pathlib.Path, file=file, hurt=hurt) -> str:
                    hurt(embody(data / file.relative_to(sample.template)))
                    return file.name
                tally(outcomes, sample.try_after(harm), f"{file.name} {what}")
            wrong += outcomes.get("wrong", 0)
            figures.append(told(what, ", ".join(f"{n} {o}" for o, n in sorted(outcomes.items()))))
    return [*figures, zero("wrong answers, silent losses, other exits", wrong)]
