"""The figures that were asked for, each computed from the run: what was measured and whether it was reached."""
from typing import Callable

from record import Measurement


class Run:
    """Finds measurements by what they are."""

    def __init__(self, measurements: list[Measurement]):
        self.measurements = measurements

    def find(self, workload: str, subject: str, mode: str | None = None, **parameters) -> list[Measurement]:
        return [one for one in self.measurements if one.workload == workload and one.subject == subject and mode in (None, one.mode)
                and all(one.parameters.get(key) == value for key, value in parameters.items())]

    def best(self, key: str, found: list[Measurement], most: bool) -> float | None:
        values = [one.values[key] for one in found if key in one.values]
        return (max(values) if most else min(values)) if values else None


class Missing(Exception):
    """A figure of which this run did not measure both sides."""


def need(value: float | None) -> float:
    if not value:
        raise Missing
    return value


FIGURES: list[tuple[str, str, Callable[[Run], float], Callable[[float], bool], str]] = []


def figure(what: str, asked: str, reached: Callable[[float], bool], unit: str = "x"):
    """Registers a function that computes one figure."""
    def add(compute: Callable[[Run], float]):
        FIGURES.append((what, asked, compute, reached, unit))
        return compute
    return add


def rows(measurements: list[Measurement]) -> tuple[list[str], list[list[str]]]:
    run, cells = Run(measurements), []
    for what, asked, compute, reached, unit in FIGURES:
        try:
            value = compute(run)
        except Missing:
            cells.append([what, asked, "not measured", ""])
            continue
        shown = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
        cells.append([what, asked, f"{shown} {unit}", "yes" if reached(value) else "NO"])
    return ["figure", "asked", "measured", "reached"], cells
