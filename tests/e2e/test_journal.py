#!/usr/bin/env python3
"""`fastqueue journal`: verify, dump, backup, restore and repair against journals that a real control plane wrote."""
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from harness import PROGRAM, RespError, Server

SEGMENT_HEADER = 4096


def journal(*words: object, code: int | None = 0) -> str:
    """What was printed. `code` None: any exit code."""
    done = subprocess.run([str(PROGRAM), "journal", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert code is None or done.returncode == code, f"{words}: exit code {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
    return done.stdout if code == 0 or done.stdout else done.stderr


def report(*words: object, code: int | None = 0) -> dict:
    return json.loads(journal(*words, "--json", code=code))


def segments(data_dir: pathlib.Path) -> list[pathlib.Path]:
    return sorted((data_dir / "seg").glob("*.fqj"))


def flip(path: pathlib.Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def batches(path: pathlib.Path) -> list[int]:
    """Where batches begin."""
    content = path.read_bytes()
    return [offset for offset in range(SEGMENT_HEADER, len(content), 512) if content[offset:offset + 4] == b"FQB1"]


def used(path: pathlib.Path) -> int:
    return len(path.read_bytes().rstrip(b"\0"))


class Journal(unittest.TestCase):
    """One journal for all: 300 tasks, a third of them done, nothing compacted, two boots."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-journal-"))
        cls.whole = cls.folder / "whole"
        with Server("--data-dir", cls.whole, "--segment-size", "64KiB") as server, server.connect() as link:
            cls.ids = [link.command("FQ.SUBMIT", "letter.send", '{"args":["secret %d"]}' % i) for i in range(300)]
            cls.leased = None
            for _ in range(100):
                task = link.command("FQ.FETCH", "TASKS", "letter.send")[0]
                link.command("FQ.COMPLETE", task["id"], task["token"], '"done"')
            cls.leased = link.command("FQ.FETCH", "TASKS", "letter.send")[0]
            server.kill()
            server.start()
            with server.connect() as other:
                cls.ids.append(other.command("FQ.SUBMIT", "letter.send", "{}"))
            server.kill()

    @classmethod
    def tearDownClass(cls) -> None:
        shutil.rmtree(cls.folder)

    def copy(self, name: str) -> pathlib.Path:
        return pathlib.Path(shutil.copytree(self.whole, self.folder / name))

    def states(self, data_dir: pathlib.Path, *options: str) -> dict:
        with Server("--data-dir", data_dir, *options) as server, server.connect() as link:
            return link.command("FQ.STATS")["states"]

    # --- verify ---------------------------------------------------------------------------------------------------------

    def test_verify_tells_what_is_there_and_changes_nothing(self) -> None:
        before = {path: path.read_bytes() for path in self.whole.rglob("*") if path.is_file()}
        found = report("verify", "-d", self.whole)
        self.assertEqual(found["verdict"], "sound")
        self.assertEqual(found["tasks"]["success"], 100)
        self.assertEqual(found["tasks"]["pending"], 200)
        self.assertEqual(found["tasks"]["started"], 1)
        self.assertEqual(found["events"]["submitted"], 301)
        self.assertFalse(found["in_use"])
        self.assertIn("sound", journal("verify", "-d", self.whole))
        self.assertEqual({path: path.read_bytes() for path in self.whole.rglob("*") if path.is_file()}, before)

    def test_verify_names_damage_and_whom_it_concerns(self) -> None:
        data_dir = self.copy("damaged")
        at = batches(segments(data_dir)[0])[1]
        flip(segments(data_dir)[0], at + 80)
        found = report("verify", "-d", data_dir, code=65)
        self.assertEqual(found["verdict"], "damaged")
        self.assertIn(f"seg/{segments(data_dir)[0].name}: offset {at}", found["error"])
        gap = found["gaps"][0]
        self.assertEqual((gap["offset"], gap["first_batch"]), (at, 2))
        self.assertEqual(set(found["affected"]), set(self.ids) & set(found["affected"]))
        self.assertGreater(len(found["affected"]), 290)
        self.assertIn("damage", journal("verify", "-d", data_dir, code=65))

    def test_every_kind_of_file_is_read(self) -> None:
        for number, change in enumerate((
                lambda d: flip(d / "MANIFEST", 20),
                lambda d: (d / "MANIFEST").unlink(),
                lambda d: flip(segments(d)[0], 40),
                lambda d: segments(d)[0].unlink(),
                lambda d: segments(d)[0].write_bytes(segments(d)[0].read_bytes()[:8192]),
        )):
            data_dir = self.copy(f"kind{number}")
            change(data_dir)
            journal("verify", "-d", data_dir, code=65)
            server = Server("--data-dir", data_dir)
            with self.assertRaises(AssertionError, msg=f"change {number}: a damaged journal was taken"):
                server.start()
            self.assertIn("restore a", server.log())

    def test_a_lock_file_decides_nothing(self) -> None:
        data_dir = self.copy("lock")
        for content in (b"", b"\xff" * 70, b"pid 1\n"):
            (data_dir / "LOCK").write_bytes(content)
            self.assertEqual(report("verify", "-d", data_dir)["verdict"], "sound")
        self.assertEqual(self.states(data_dir)["success"], 100)

    def test_a_torn_tail_is_no_damage(self) -> None:
        data_dir = self.copy("torn")
        last = segments(data_dir)[-1]
        end = (used(last) + 4095) // 4096 * 4096  # behind the last batch, whatever its block size
        content = bytearray(last.read_bytes())
        content[end:end + 40] = b"FQB1" + b"\x55" * 36
        last.write_bytes(content)
        found = report("verify", "-d", data_dir)
        self.assertIn(found["verdict"], ("torn", "ambiguous"))
        self.assertEqual(found["tail_offset"], end)
        self.assertIn("cuts off", journal("repair", "-d", data_dir))

    def test_no_directory(self) -> None:
        self.assertIn("no such directory", journal("verify", "-d", self.folder / "nowhere", code=2))
        self.assertFalse((self.folder / "nowhere").exists())
        empty = self.folder / "empty"
        empty.mkdir()
        self.assertIn("MANIFEST", journal("verify", "-d", empty, code=74))

    # --- dump -----------------------------------------------------------------------------------------------------------

    def test_dump(self) -> None:
        lines = [json.loads(line) for line in journal("dump", "-d", self.whole, "--json").splitlines()]
        self.assertEqual([line["record"] for line in lines], list(range(1, len(lines) + 1)))
        submitted = [line for line in lines if line["type"] == "submitted"]
        self.assertEqual([line["id"] for line in submitted], self.ids)
        self.assertEqual(submitted[0]["name"], "letter.send")
        self.assertNotIn("payload", submitted[0])
        self.assertGreater(submitted[0]["payload_bytes"], 10)
        text = journal("dump", "-d", self.whole)
        self.assertNotIn("secret", text)
        self.assertIn("secret 7", journal("dump", "-d", self.whole, "--payloads"))
        part = journal("dump", "-d", self.whole, "--from", 5, "--until", 9, "--json").splitlines()
        self.assertEqual([json.loads(line)["record"] for line in part], [5, 6, 7, 8, 9])

    def test_dump_around_damage(self) -> None:
        data_dir = self.copy("dumped")
        total = len(journal("dump", "-d", data_dir, "--json").splitlines())
        flip(segments(data_dir)[0], batches(segments(data_dir)[0])[8] + 80)
        self.assertLess(len(journal("dump", "-d", data_dir, "--json", code=65).splitlines()), 30)
        lines = [json.loads(line) for line in journal("dump", "-d", data_dir, "--damaged", "--json").splitlines()]
        gaps = [line for line in lines if "gap" in line]
        self.assertEqual(len(gaps), 1)
        self.assertLessEqual(gaps[0]["last_record"] - gaps[0]["first_record"], 1)
        self.assertGreaterEqual(len(lines), total - 1)

    # --- backup and restore ---------------------------------------------------------------------------------------------

    def test_backup_and_restore(self) -> None:
        backup, restored = self.folder / "backup", self.folder / "restored"
        made = report("backup", backup, "-d", self.whole)
        self.assertGreaterEqual(made["files"], 2)
        again = self.folder / "backup-copied"
        self.assertEqual(report("backup", again, "-d", self.whole, "--copy")["linked_files"], 0)
        whole = report("verify", "-d", self.whole)
        self.assertEqual(made["state_hash"], whole["state_hash"])
        text = journal("restore", backup, "-d", restored, "--report")
        self.assertIn("1 tasks were with a worker", text)
        after = report("verify", "-d", restored)
        self.assertEqual(after["tasks"], {**whole["tasks"], "started": 0, "pending": whole["tasks"]["pending"] + 1})
        self.assertNotEqual(after["instance"], whole["instance"])
        self.assertGreaterEqual(after["boot_epoch"], whole["boot_epoch"] + 65536)
        with Server("--data-dir", restored) as server, server.connect() as link:
            self.assertEqual(link.command("FQ.STATS")["states"]["success"], 100)
            task = link.command("FQ.FETCH", "TASKS", "letter.send")[0]
            self.assertGreater(int(task["token"]) >> 40, 65536)
            self.assertEqual(link.command("FQ.SUBMIT", "letter.send", '{"args":["secret 0"]}', "ID", self.ids[0]), self.ids[0])

    def test_a_stale_token_is_refused_after_a_restore(self) -> None:
        backup, restored = self.folder / "backup-stale", self.folder / "restored-stale"
        journal("backup", backup, "-d", self.whole)
        journal("restore", backup, "-d", restored)
        with Server("--data-dir", restored) as server, server.connect() as link:
            def complete_late() -> None:
                with self.assertRaises(RespError) as refused:
                    link.command("FQ.COMPLETE", self.leased["id"], self.leased["token"], '"late"')
                self.assertEqual(refused.exception.code, "STALELEASE")

            complete_late()
            fetched = set()
            while tasks := link.command("FQ.FETCH", "TASKS", "letter.send", "COUNT", 300):
                fetched |= {task["id"] for task in tasks}
            self.assertIn(self.leased["id"], fetched)
            complete_late()  # and now that it has been handed out anew

    def test_restore_until_a_batch(self) -> None:
        backup = self.folder / "backup-until"
        journal("backup", backup, "-d", self.whole)
        restored = self.folder / "restored-until"
        journal("restore", backup, "-d", restored, "--until", 101)
        found = report("verify", "-d", restored)
        self.assertEqual(found["last_batch"], 101)
        self.assertLess(found["tasks"]["pending"], 110)

    def test_places_that_are_not_empty(self) -> None:
        self.assertIn("not empty", journal("backup", self.whole, "-d", self.whole, code=2))
        backup = self.folder / "backup-full"
        journal("backup", backup, "-d", self.whole)
        self.assertIn("not empty", journal("restore", backup, "-d", self.whole, code=2))
        self.assertEqual(report("verify", "-d", self.whole)["verdict"], "sound")

    def test_a_backup_is_no_data_directory_and_is_checked(self) -> None:
        backup = self.folder / "backup-served"
        journal("backup", backup, "-d", self.whole, "--copy")
        server = Server("--data-dir", backup)
        with self.assertRaises(AssertionError):
            server.start()
        self.assertIn("this is a backup", server.log())
        flip(segments(backup)[0], 20 * 512)
        self.assertIn("checksum differs", journal("verify", "-d", backup, code=65))
        self.assertIn("checksum differs", journal("restore", backup, "-d", self.folder / "never", code=65))
        self.assertFalse((self.folder / "never").exists())

    def test_backup_beside_a_loaded_server(self) -> None:
        """Every backup is a state that the server was in: all that was acknowledged before it began, nothing from the future."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-backup-"))
        with Server("--segment-size", "64KiB", "--compact-after", "64KiB") as server:
            ids: list[str] = []
            stop = threading.Event()

            def load() -> None:
                with server.connect() as link:
                    while not stop.is_set():
                        ids.append(link.command("FQ.SUBMIT", "compact.task", "x" * 900))
                        if len(ids) % 2:
                            task = link.command("FQ.FETCH", "TASKS", "compact.task")[0]
                            link.command("FQ.COMPLETE", task["id"], task["token"], '"ok"')

            loader = threading.Thread(target=load)
            loader.start()
            try:
                for number in range(8):
                    acknowledged = len(ids)
                    made = report("backup", folder / str(number), "-d", server.data_dir)
                    self.assertGreaterEqual(sum(made["tasks"].values()), acknowledged)
                    found = report("verify", "-d", server.data_dir)
                    self.assertNotEqual(found["verdict"], "damaged")
                    self.assertTrue(found["in_use"])
            finally:
                stop.set()
                loader.join()
            self.assertIn("journal compacted", server.log())
            self.assertIn("owns the data directory", journal("repair", "-d", server.data_dir, code=75))
            journal("restore", folder / "7", "-d", folder / "restored")
            self.assertGreaterEqual(sum(self.states(folder / "restored").values()), acknowledged)
        shutil.rmtree(folder)

    # --- repair ---------------------------------------------------------------------------------------------------------

    def test_repair_of_nothing(self) -> None:
        self.assertIn("nothing to repair", journal("repair", "-d", self.whole))

    def test_repair_needs_consent_to_lose(self) -> None:
        data_dir = self.copy("lossy")
        flip(segments(data_dir)[0], batches(segments(data_dir)[0])[8] + 80)
        before = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and path.name != "LOCK"}
        plan = report("repair", "-d", data_dir, code=65)
        self.assertTrue(plan["loses"])
        journal("repair", "-d", data_dir, "--apply", code=65)
        self.assertEqual({path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and path.name != "LOCK"}, before)
        done = report("repair", "-d", data_dir, "--accept-loss")
        self.assertTrue(done["done"])
        self.assertEqual(done["lost"], plan["lost"])
        self.assertGreater(len(done["lost"]), 200)
        self.assertEqual(set(done["lost"]) - set(self.ids), set())
        moved = list((data_dir / "quarantine").iterdir())
        self.assertEqual(len(moved), done["files_moved"])
        self.assertIn(before[data_dir / "seg" / segments(self.whole)[0].name], [path.read_bytes() for path in moved])
        with Server("--data-dir", data_dir) as server, server.connect() as link:
            for task_id in self.ids:
                if task_id not in done["lost"]:
                    self.assertIsNotNone(link.command("FQ.STATUS", task_id), task_id)
            self.assertIsNone(link.command("FQ.STATUS", done["lost"][0]))
            link.command("FQ.SUBMIT", "letter.send", "{}")
        self.assertEqual(report("verify", "-d", data_dir)["verdict"], "sound")

    def test_repair_that_loses_nothing(self) -> None:
        whole = report("verify", "-d", self.whole)
        for number, change in enumerate((lambda d: flip(d / "MANIFEST", 20), lambda d: (d / "MANIFEST").unlink(), lambda d: flip(segments(d)[0], 40))):
            data_dir = self.copy(f"lossless{number}")
            change(data_dir)
            plan = report("repair", "-d", data_dir, code=65)
            self.assertEqual((plan["loses"], plan["lost"], plan["set_back"]), (False, [], []), f"change {number}")
            self.assertIn("everything", journal("repair", "-d", data_dir, "--apply"))
            found = report("verify", "-d", data_dir)
            self.assertEqual(found["state_hash"], whole["state_hash"])
            self.assertGreaterEqual(found["boot_epoch"], whole["boot_epoch"])
            self.assertEqual(self.states(data_dir)["success"], 100)

    def test_whatever_is_damaged_repair_makes_it_start_again(self) -> None:
        """Seeded damage of one or two files: the result is sound, and what is not kept is told, but for what no longer names itself."""
        for seed in range(14):
            chance = random.Random(seed)
            data_dir = self.copy(f"random{seed}")
            unreadable = 0
            for _ in range(chance.choice((1, 1, 2))):
                path = chance.choice([data_dir / "MANIFEST", *segments(data_dir)])
                way = chance.random()
                if way < 0.6:
                    flip(path, chance.randrange(max(1, used(path))))
                elif way < 0.9:
                    path.write_bytes(path.read_bytes()[:chance.randrange(len(path.read_bytes()))])
                else:
                    path.unlink()
            plan = report("repair", "-d", data_dir, "--accept-loss", code=None)
            for gap in plan["gaps"]:
                unreadable += gap["last_record"] - gap["first_record"] + 1 if gap["last_record"] else len(self.ids)
            found = report("verify", "-d", data_dir)
            self.assertIn(found["verdict"], ("sound", "torn", "ambiguous"), f"seed {seed}")
            kept = {json.loads(line).get("id") for line in journal("dump", "-d", data_dir, "--json").splitlines()}
            told = kept | set(plan["lost"]) | set(plan["set_back"])
            self.assertLessEqual(len(set(self.ids) - told), unreadable, f"seed {seed}: {plan['gaps']}")
            self.states(data_dir)

    def test_repair_behind_a_snapshot(self) -> None:
        """What compaction took out of the log is kept; of two snapshots the older one serves if the newer one is damaged."""
        whole = self.folder / "compacted"
        with Server("--data-dir", whole, "--segment-size", "64KiB", "--compact-after", "64KiB") as server, server.connect() as link:
            ids = []
            while server.log().count("journal compacted") < 2:
                ids += [link.command("FQ.SUBMIT", "letter.send", '{"args":["%s"]}' % ("x" * 900)) for _ in range(20)]
            ids += [link.command("FQ.SUBMIT", "letter.send", "{}") for _ in range(40)]
            while True:
                while len(batches(segments(whole)[-1])) < 3:  # the second of them is damaged below
                    ids.append(link.command("FQ.SUBMIT", "letter.send", "{}"))
                time.sleep(0.5)  # a compaction that is under way may begin another segment yet
                if len(batches(segments(whole)[-1])) >= 3:
                    break
            server.kill()
        snapshots = sorted((whole / "snap").glob("*.fqs"))
        self.assertEqual(len(snapshots), 2)
        sound = report("verify", "-d", whole)
        for name, damaged in (("newest", []), ("older", [snapshots[-1]])):
            data_dir = pathlib.Path(shutil.copytree(whole, self.folder / f"compacted-{name}"))
            for path in (data_dir / "MANIFEST", *(data_dir / "snap" / snapshot.name for snapshot in damaged)):
                flip(path, 20)
            plan = report("repair", "-d", data_dir, code=65)
            self.assertEqual((plan["loses"], plan["lost"], plan["set_back"]), (False, [], []), name)
            journal("repair", "-d", data_dir, "--apply")
            self.assertEqual(report("verify", "-d", data_dir)["state_hash"], sound["state_hash"])
        # Neither is whole: what the log behind them says stands on nothing.
        data_dir = pathlib.Path(shutil.copytree(whole, self.folder / "compacted-none"))
        for snapshot in snapshots:
            flip(data_dir / "snap" / snapshot.name, 5000)
        plan = report("repair", "-d", data_dir, code=65)
        self.assertTrue(plan["loses"])
        moved = data_dir / "quarantine" / segments(data_dir)[-1].name
        moved.write_bytes(b"of an earlier repair")
        journal("repair", "-d", data_dir, "--accept-loss")
        self.assertEqual(moved.read_bytes(), b"of an earlier repair")
        self.assertTrue(moved.with_name(moved.name + ".1").exists())
        self.states(data_dir)
        # Behind the snapshot the log is damaged: the state falls back to it and what follows unbroken.
        data_dir = pathlib.Path(shutil.copytree(whole, self.folder / "compacted-behind"))
        last = segments(data_dir)[-1]
        flip(last, batches(last)[1] + 80)
        plan = report("repair", "-d", data_dir, "--accept-loss")
        kept = self.states(data_dir)
        # The one record of the damaged batch cannot name its task any more.
        self.assertEqual(kept["pending"] + len(plan["lost"]) + 1, len(ids))

    def test_repair_of_nobodys_journal(self) -> None:
        data_dir = self.copy("nobodys")
        (data_dir / "MANIFEST").unlink()
        for segment in segments(data_dir):
            flip(segment, 40)
        self.assertIn("no segment tells whose journal this was", journal("repair", "-d", data_dir, code=None))

    def test_repair_when_the_last_segment_is_gone(self) -> None:
        data_dir = self.copy("gone")
        segments(data_dir)[-1].unlink()
        found = report("repair", "-d", data_dir, code=65)
        self.assertTrue(found["loses"])
        journal("repair", "-d", data_dir, "--accept-loss")
        self.states(data_dir)


if __name__ == "__main__":
    unittest.main()
