"""Measurements as tables: text for a terminal, Markdown for docs/benchmarks.md."""
from record import COLUMNS, Measurement

# What a table does not show: kept in the record, or shown in another form.
HIDDEN = {"count", "main_cpu_us"}


def number(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if value >= 10_000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def keys_of(measurements: list[Measurement]) -> list[str]:
    present = {key for one in measurements for key in one.values} - HIDDEN
    return [key for key in COLUMNS if key in present] + sorted(present - set(COLUMNS))


def rows(measurements: list[Measurement]) -> tuple[list[str], list[list[str]]]:
    """Header and cells; "saturated" stands last where a rate has somebody to blame."""
    keys = keys_of(measurements)
    blame = any(one.saturated for one in measurements)
    header = ["what", "subject", "durability", *(COLUMNS.get(key, key.replace("_", " ")) for key in keys), *(["at its limit"] if blame else [])]
    cells = [[one.what, one.subject, one.mode, *(number(one.values.get(key)) for key in keys), *([one.saturated] if blame else [])]
             for one in measurements]
    return header, cells


def text(header: list[str], cells: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [header, *cells]) for i in range(len(header))]
    numeric = [all(row[i][:1].isdigit() or not row[i] for row in cells) for i in range(len(header))]
    def line(row: list[str]) -> str:
        return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, numeric)).rstrip()
    return "\n".join([line(header), "  ".join("-" * width for width in widths), *(line(row) for row in cells)])


def markdown(header: list[str], cells: list[list[str]]) -> str:
    numeric = [bool(cells) and all(row[i][:1].isdigit() or not row[i] for row in cells) for i in range(len(header))]
    def line(row: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |"
    return "\n".join([line(header), "|" + "|".join("---:" if right else "---" for right in numeric) + "|", *(line(row) for row in cells)])
