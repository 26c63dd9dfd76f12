"""The document of a run: heading, summary, one section per workload, put between two marks of docs/benchmarks.md."""
import pathlib

import record
import summary
import table

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def heading(head: dict) -> str:
    machine = head["machine"]
    lines = [f"{machine['date']}, {machine['processors']} processors ({machine['processor']}), Linux {machine['kernel']}, "
             f"{machine['file system']}, Python {machine['python']}, load {machine['load before']:.2f} before; "
             f"{head['rounds']} rounds{', quick' if head['quick'] else ''}; telemetry {head['telemetry']}."]
    for name, told in head["subjects"].items():
        lines.append(f"- {name}: {told['version']}; " + "; ".join(f"{mode}: {text}, `{told['flags'][mode]}`" for mode, text in told["modes"].items()))
    return "\n".join(lines)


def markdown(head: dict, bench: record.Bench, workloads: list) -> str:
    parts = [heading(head), "### Figures asked for", table.markdown(*summary.rows(bench.measurements))]
    for workload in workloads:
        mine = [one for one in bench.measurements if one.workload == workload.NAME]
        if not mine:
            continue
        parts.append(f"### {workload.TITLE}")
        if workload.__doc__:
            parts.append(" ".join(workload.__doc__.split()))
        parts.append(table.markdown(*table.rows(mine)))
        parts += bench.notes.get(workload.NAME, [])
    if bench.skipped:
        parts += ["### Left out", "\n".join(f"- {subject}: {why}" for subject, why in bench.skipped.items())]
    return "\n\n".join(parts) + "\n"


def insert(path: pathlib.Path, page: str) -> None:
    """Replaces what stands between the marks; the rest of the document stays."""
    whole = path.read_text()
    if whole.count(BEGIN) != 1 or whole.count(END) != 1:
        raise SystemExit(f"{path}: the marks {BEGIN} and {END} are not there once each")
    before, rest = whole.split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{page}{END}{rest.split(END)[1]}")
