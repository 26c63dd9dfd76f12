# SPDX-License-Identifier: Apache-2.0
"""The figures that a reader asks for first, each put together from the rows of one suite; what has not been run says so."""
import re

# What the simulator counts when a fault strikes; its other counts tell what came of them.
SIM_FAULTS = (
    "allocation failed", "bit rotted", "compactor killed", "connection half-open", "connection reset", "connection stalled", "death while starting",
    "descriptors used up", "disk filled by another", "disk slow", "kill", "machine stands still", "peer stopped reading", "poison task granted",
    "power cut", "sector misplaced", "sector stale", "swizzle", "sync failed", "wall clock set back", "wall clock set forward", "worker died",
    "worker lied", "worker stood still", "write failed", "hostile: a crowd", "hostile: answers unread", "hostile: byte by byte",
    "hostile: half a request", "hostile: malformed bytes")
KILLS, BACKLOG = "case 01: ", "case 44: "


class Rows:
    """Rows of a suite by name; remembers the verdicts of those it was asked for."""

    def __init__(self, rows: list[dict]):
        self.rows, self.verdicts = rows, []

    def matching(self, pattern: str) -> list[dict]:
        found = [row for row in self.rows if re.fullmatch(pattern, row["name"])]
        self.verdicts += [row["ok"] for row in found]
        return found

    def total(self, *names: str) -> float | None:
        found = self.matching("|".join(re.escape(name) for name in names))
        return sum(row["value"] for row in found) if found and all(isinstance(row["value"], (int, float)) for row in found) else None

    def sum_of(self, pattern: str) -> float | None:
        found = [row["value"] for row in self.matching(pattern) if isinstance(row["value"], (int, float))]
        return sum(found) if found else None

    def verdict(self):
        return next((verdict for verdict in (False, True, None) if verdict in self.verdicts), "")


def per_minute(what: str, scale: float):
    def figure(rows: Rows) -> float | None:
        amount, cpu_us = rows.total(what), rows.total("microseconds of processors")
        return None if amount is None or not cpu_us else amount * scale * 60e6 / cpu_us
    return figure


def total(*names: str):
    return lambda rows: rows.total(*names)


def sum_of(pattern: str):
    return lambda rows: rows.sum_of(pattern)


def mutants(rows: Rows) -> str | None:
    caught, planted = rows.total("caught"), rows.total("mutants")
    return None if caught is None or planted is None else f"{caught} of {planted}"


def cases(rows: Rows) -> int | None:
    return len({row["case"] for row in rows.rows if "case" in row}) or None


def failed_cases(rows: Rows) -> int | None:
    rows.verdicts += [row["ok"] for row in rows.rows]
    return len({row["case"] for row in rows.rows if "case" in row and row["ok"] is False}) if cases(rows) else None


def clean_checks(rows: Rows) -> str | None:
    rows.verdicts += [row["ok"] for row in rows.rows]
    return f"{sum(row['ok'] is True for row in rows.rows)} of {len(rows.rows)}" if rows.rows else None


# (suite, figure, unit, expected, how it is put together)
SUMMARY = [
    ("sim", "simulated hours", "h", "", total("simulated hours")),
    ("sim", "seeds", "", "", total("seeds")),
    ("sim", "simulated hours for each minute of a processor", "h", "", per_minute("simulated microseconds", 1 / 3600e6)),
    ("sim", "events for each minute of a processor", "", "", per_minute("events", 1)),
    ("sim", "operations a second and core", "1/s", ">= 300000 on a core of its own", total("operations a second and core")),
    ("sim", "faults injected", "", "", total(*SIM_FAULTS)),
    ("sim", "tasks acknowledged", "tasks", "", total("tasks acknowledged")),
    ("sim", "checks of invariants", "", "", total("checks of invariants")),
    ("sim", "invariants broken", "", "0", total("invariants broken")),
    ("sim_small", "small worlds run", "", "", total("worlds run")),
    ("sim_small", "worlds that broke an invariant", "", "0", total("worlds that broke one")),
    ("mutants", "planted bugs caught", "", "all", mutants),
    ("faults", "cases of the fault matrix", "", "", cases),
    ("faults", "cases that ended otherwise than said", "", "0", failed_cases),
    ("faults", "kill -9 under load survived", "kills", ">= 500 (50 in CI)", total(KILLS + "kills")),
    ("faults", "… tasks acknowledged", "tasks", "", total(KILLS + "submits acknowledged")),
    ("faults", "… acknowledged and lost, or undone", "tasks", "0", total(KILLS + "acknowledged submits lost", KILLS + "acknowledged ends undone")),
    ("faults", "… executions beyond the first", "", "", total(KILLS + "executions beyond the first")),
    ("faults", "… of these not explained by a stale token and an ended lease", "", "0",
     total(KILLS + "of these not explained by a stale token and an ended lease")),
    ("faults", "start to ready for a million tasks", "s", "", total(BACKLOG + "start to ready, for a million tasks")),
    ("sweep", "failures injected into allocations and the disk", "", "", sum_of(r".*: failures injected")),
    ("sweep", "… acknowledged and lost, leaks", "", "0", sum_of(r".*: (acknowledged and lost|runs with a leak)")),
    ("sweep", "runs of programs with a failing system call", "runs", "", total("runs with a failing system call")),
    ("sweep", "… crashes, hangs, tasks lost", "", "0", total("crashes, hangs, improper exits, tasks lost")),
    ("damage", "journals damaged at a byte", "cases", "", sum_of(r".*: damaged bytes and cuts")),
    ("damage", "… lost, invented, crashed", "cases", "0", sum_of(r".*: lost, invented, crashed, or judged differently")),
    ("crash_states", "disk states recovered", "states", "", total("disk states recovered")),
    ("crash_states", "… with an acknowledgement lost, refused, or no prefix", "states", "0",
     total("states with an acknowledgement lost", "states that refused to start", "states that are no prefix of what was written")),
    ("fuzz", "inputs executed", "inputs", "", sum_of(r".*: executions")),
    ("fuzz", "crashes left", "inputs", "0", total("crashes left")),
    ("checks", "checks without a finding", "", "all", clean_checks),
]
# (suite, rows that are shown one by one, what they are)
EACH = [("fuzz", r".*: fuzzed", "processor's time for each class"), ("coverage", r"branches of .*", "branches taken")]


def summary(suites: dict[str, dict]) -> list[dict]:
    """Rows with their suite; ok "" where there is no verdict or nothing has been run."""
    table = []
    for suite, name, unit, expected, figure in SUMMARY:
        rows = Rows(suites[suite]["rows"] if suite in suites else [])
        value = figure(rows)
        table.append({"suite": suite, "name": name, "value": "not run" if value is None else value, "unit": "" if value is None else unit,
                      "expected": expected, "ok": "" if value is None else rows.verdict()})
    for suite, pattern, what in EACH:
        found = Rows(suites[suite]["rows"]).matching(pattern) if suite in suites else []
        at = max((i + 1 for i, row in enumerate(table) if row["suite"] == suite), default=len(table) - 1)
        table[at:at] = [{"suite": suite, **{key: row[key] for key in ("name", "value", "unit", "expected", "ok")}} for row in found] or [
            {"suite": suite, "name": what, "value": "not run", "unit": "", "expected": "", "ok": ""}]
    return table
