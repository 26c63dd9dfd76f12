#!/usr/bin/env python3
"""bench/: medians, tables, charts and figures from made-up measurements; then one workload with a handful of tasks."""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("FASTQUEUE_BUILD", str(ROOT / "build/dev"))
sys.path.insert(0, str(ROOT / "bench"))
arguments, sys.argv = sys.argv, [sys.argv[0], BUILD]
import chart  # noqa: E402
import document  # noqa: E402
import drive  # noqa: E402
import peers.all  # noqa: E402
import record  # noqa: E402
import summary  # noqa: E402
import table  # noqa: E402
from stage import read_flat, spawn  # noqa: E402
sys.argv = arguments


def made(workload: str, subject: str, mode: str, parameters: dict | None = None, **values: float) -> record.Measurement:
    return record.Measurement(workload, subject, mode, "made up", parameters or {}, values, [values])


class Records(unittest.TestCase):
    def bench(self, rounds: int) -> record.Bench:
        bench = record.Bench(False, rounds, None, lambda line: None)
        bench.workload = "made"
        return bench

    def test_medians_are_taken_key_by_key(self) -> None:
        rounds = [{"rate": 1.0, "p50_us": 9.0}, {"rate": 100.0}, {"rate": 3.0, "p50_us": 5.0, "told": "x"}]
        self.assertEqual(record.medians(rounds), {"rate": 3.0, "p50_us": 7.0, "told": "x"})

    def test_rounds_alternate(self) -> None:
        order: list[str] = []
        def case(name: str) -> record.Case:
            return record.Case(name, "-", "", lambda: order.append(name) or {"rate": len(order)})
        done = self.bench(3).alternate([case("a"), case("b")])
        self.assertEqual(order, ["a", "b"] * 3)
        self.assertEqual([one.values["rate"] for one in done], [3, 4])

    def test_a_case_that_fails_is_named_and_the_others_go_on(self) -> None:
        bench = self.bench(2)
        def fail() -> dict:
            raise RuntimeError("no such server")
        done = bench.alternate([record.Case("bad", "-", "", fail), record.Case("good", "-", "", lambda: {"rate": 1})])
        self.assertEqual([one.subject for one in done], ["good"])
        self.assertIn("no such server", " ".join(bench.skipped.values()))

    def test_who_is_at_the_limit(self) -> None:
        at = record.saturated
        self.assertEqual(at({"rate": 1e6, "server_cpu_us": 0.95, "client_cpu_us": 0.2}, 2), "server")
        self.assertEqual(at({"rate": 1e6, "server_cpu_us": 0.7, "client_cpu_us": 0.6, "worker_cpu_us": 0.6}, 2), "all processors")
        self.assertEqual(at({"rate": 1e6, "server_cpu_us": 0.1}, 2), "waiting")
        self.assertEqual(at({"p50_us": 3}, 2), "")

    def test_what_is_saved_is_read_again(self) -> None:
        bench = self.bench(1)
        bench.alternate([record.Case("a", "memory", "w", lambda: {"rate": 2.0}, {"batch": 4})])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x/latest.json"
            record.save(path, {"machine": {}}, bench)
            self.assertEqual(record.load(path)[1], bench.measurements)
            later = self.bench(1)
            later.join(path, {"another"})
            self.assertEqual(later.measurements, [])
            later.join(path, {bench.workload})
            self.assertEqual(later.measurements, bench.measurements)


class Shown(unittest.TestCase):
    def test_table(self) -> None:
        header, cells = table.rows([made("w", "fastqueue", "sync", rate=12345.6, p50_us=1.5), made("w", "a|b", "memory", rate=7.25)])
        self.assertEqual(header, ["what", "subject", "durability", "tasks/s", "p50 us"])
        self.assertEqual(cells[0][3:], ["12,346", "1.50"])
        self.assertEqual(cells[1][3:], ["7.25", ""])
        lines = table.markdown(header, cells).splitlines()
        self.assertEqual(lines[1], "|---|---|---|---:|---:|")
        self.assertIn("a/b", lines[3])
        self.assertEqual(len({line.count("|") for line in lines}), 1)
        self.assertEqual(len(table.text(header, cells).splitlines()), 4)

    def test_chart_is_one_well_formed_file(self) -> None:
        text = chart.svg("A < B & C", "tasks/s", [("one", 100.0, True), ("two", 50.0, False), ("none", 0.0, False)])
        root = xml.etree.ElementTree.fromstring(text)
        bars = [float(each.get("width")) for each in root.iter("{http://www.w3.org/2000/svg}rect") if each.get("class") in ("own", "peer")]
        self.assertEqual(bars, [300.0, 150.0, 1.0])
        self.assertIn("0.50x", text)
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertNotIn("href", text)

    def test_document_keeps_what_is_around_the_marks(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.md"
            path.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
            document.insert(path, "new\n")
            self.assertEqual(path.read_text(), f"before\n{document.BEGIN}\nnew\n{document.END}\nafter\n")
            path.write_text("no marks\n")
            with self.assertRaises(SystemExit):
                document.insert(path, "new\n")
        self.assertEqual((ROOT / "docs/benchmarks.md").read_text().count(document.BEGIN), 1)


class Figures(unittest.TestCase):
    def row(self, measurements: list, word: str) -> list[str]:
        return next(cells for cells in summary.rows(measurements)[1] if word in cells[0])

    def test_the_best_batch_of_each_counts(self) -> None:
        run = [made("cycle", "fastqueue", "sync", server_cpu_us=cpu, rate=rate) for cpu, rate in ((9, 10), (1.5, 900))]
        run += [made("cycle", "beanstalkd", "memory", server_cpu_us=cpu, rate=rate) for cpu, rate in ((20, 40), (15, 30))]
        self.assertEqual(self.row(run, "less of it than beanstalkd")[2:], ["10.00 x", "yes"])
        self.assertEqual(self.row(run, "rate, durable, against beanstalkd")[2:], ["22.50 x", "yes"])
        self.assertEqual(self.row(run, "control plane CPU per task")[2:], ["1.50 us", "yes"])

    def test_a_loss_is_printed(self) -> None:
        run = [made("ack", "fastqueue", "sync", {"connections": 64}, rate=100.0), made("ack", "redis streams", "always", {"connections": 64}, rate=80.0),
               made("ack", "redis list, no ack", "always", {"connections": 64}, rate=100.0)]
        self.assertEqual(self.row(run, "64 submitters")[2:], ["1.00 x", "NO"])

    def test_each_mode_of_names_is_judged(self) -> None:
        run = []
        for mode, one, many, main in (("memory", 1.0, 1.2, 1.2), ("sync", 2.0, 2.8, 2.4)):
            run += [made("names", "fastqueue", mode, {"names": 1, "backlog": 0, "mixed": False}, server_cpu_us=one, main_cpu_us=one),
                    made("names", "fastqueue", mode, {"names": 10_000, "backlog": 50, "mixed": False}, server_cpu_us=many, main_cpu_us=main)]
        self.assertEqual(self.row(run, "10,000 names")[2:], ["1.20 x", "yes"])
        self.assertEqual(self.row(run, "with the compaction")[2:], ["1.40 x", "NO"])
        self.assertEqual(self.row(run, "process that dispatches")[2:], ["1.20 x", "yes"])

    def test_what_nobody_asked_for_is_not_judged(self) -> None:
        run = [made("cycle", "fastqueue", "memory", rate=10.0), made("cycle", "redis list, LPUSH each", "memory", rate=20.0)]
        self.assertEqual(self.row(run, "rate, memory, against Redis list with an LPUSH")[1:], ["(for comparison)", "0.50 x", ""])

    def test_what_was_not_measured_is_said(self) -> None:
        cells = summary.rows([])[1]
        self.assertGreater(len(cells), 20)
        self.assertEqual({row[2] for row in cells}, {"not measured"})


class Drivers(unittest.TestCase):
    def test_every_verb_against_a_server_in_memory(self) -> None:
        with peers.all.running("fastqueue", "memory") as server:
            for verb in ("submit", "work", "cycle", "latency", "ack"):
                told = drive.drive(server, "fastqueue", verb, count=300, batch=16 if verb != "latency" else 1, connections=3)
                self.assertGreater(told.get("rate", told.get("p50_us", 0)), 0, verb)
                if verb == "ack":
                    told = drive.drive(server, "fastqueue", "work", count=300, batch=1024)  # what `ack` left
            pid = server.pids()[0]
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())

    def test_calls_of_two_drivers_are_different_tasks(self) -> None:
        with peers.all.running("fastqueue", "memory") as server:
            for _ in range(2):
                drive.drive(server, "fastqueue", "latency", count=40, **{"warm-up": 10})
            with socket.create_connection(("127.0.0.1", server.port)) as link:
                link.sendall(b"*1\r\n$8\r\nFQ.STATS\r\n")
                self.assertEqual(read_flat(link.makefile("rwb"))["submitted"], "100")

    def test_many_names_priorities_and_delays(self) -> None:
        with peers.all.running("fastqueue", "memory") as server:
            told = drive.drive(server, "fastqueue", "cycle", count=500, batch=32, names=20, mixed=True, delay=5)
            self.assertGreater(told["rate"], 0)

    def test_a_driver_that_fails_says_why(self) -> None:
        with peers.all.running("fastqueue", "memory") as server:
            with self.assertRaisesRegex(RuntimeError, "no verb nonsense"):
                drive.drive(server, "fastqueue", "nonsense")

    def test_append(self) -> None:
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            told = drive.answer(spawn([f"{BUILD}/bench/append", folder, 5], stdout=subprocess.PIPE, stderr=subprocess.PIPE), "append")
            self.assertEqual(told["count"], 5)
            self.assertEqual(os.listdir(folder), [])


class Whole(unittest.TestCase):
    def test_workloads_are_listed(self) -> None:
        done = subprocess.run([sys.executable, "-B", ROOT / "bench/run.py", BUILD, "--list"], stdout=subprocess.PIPE, text=True, check=True)
        for name in ("cycle", "latency", "ack", "backlog", "names", "telemetry"):
            self.assertIn(name, done.stdout)

    def test_an_unknown_workload_is_refused(self) -> None:
        done = subprocess.run([sys.executable, "-B", ROOT / "bench/run.py", BUILD, "--only", "nonsense"], stderr=subprocess.PIPE, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no such workload: nonsense", done.stderr)

    def test_one_workload_from_start_to_record(self) -> None:
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run([sys.executable, "-B", ROOT / "bench/run.py", BUILD, "--quick", "--only", "drain", "--peers", "fastqueue",
                                   "--out", out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            head, measurements = record.load(pathlib.Path(out) / "latest.json")
            self.assertEqual({one.subject for one in measurements}, {"fastqueue"})
            self.assertEqual({one.mode for one in measurements}, {"sync", "relaxed", "memory"})
            self.assertIn("version", head["subjects"]["fastqueue"])
            self.assertIn("Figures asked for", done.stdout)
            xml.etree.ElementTree.parse(pathlib.Path(out) / "drain.svg")


if __name__ == "__main__":
    unittest.main()
