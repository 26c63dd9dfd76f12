#!/usr/bin/env python3
"""The shared libraries export what their headers declare and nothing else; the pure layers import no clock, file, socket or
randomness. Reads the built tree (default build/dev) with nm; exits 1 and names every breach."""
import pathlib
import re
import sys

import checks

# Everything of the C library that a layer may call whose time, randomness and I/O are arguments. stderr and abort are the
# last words of an assertion.
PURE_IMPORTS = set("""
    malloc calloc realloc reallocarray free posix_memalign abort stderr fprintf qsort
    memcpy memmove memset memcmp memchr memmem memrchr
    strlen strcmp strncmp strchr strrchr strspn strcspn strstr strtod strtoull strtoll strerror
    strtok_r snprintf vsnprintf sscanf __errno_location __stack_chk_fail _GLOBAL_OFFSET_TABLE_ __cpu_model __cpu_indicator_init
    """.split())
PURE_LAYERS = ("base", "resp", "engine", "journal")
# Where the outside world of a pure layer begins.
EDGES = {"journal": {"disk_posix.c", "worker_thread.c", "stream_nats.c", "stream_nats_open.c", "stream_nats_read.c"}}
# Written for a whole process, by its own rule: none.
WRITABLE_EXPORTS: set[str] = set()

LIBRARIES = {
    # library: headers, mark of what is exported, headers whose functions the loading program has
    "libfastqueue.so": ("include/fastqueue", "FQ_API", {"task.h"}),
    "libotel-c.so": ("include/otel", "OTEL_API", set()),
}


def declared(folder: str, mark: str, elsewhere: set[str]) -> set[str]:
    names = set()
    for header in sorted((checks.ROOT / folder).glob("*.h")):
        if header.name in elsewhere:
            continue
        text = re.sub(r"/\*.*?\*/|//[^\n]*|^\s*#[^\n]*(\\\n[^\n]*)*", " ", header.read_text(), flags=re.S | re.M)
        for declaration in re.findall(rf"\b{mark}\b([^;{{]*)", text):
            without = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)|_Nonnull|FQ_MUST_USE", " ", declaration)
            found = re.search(r"([A-Za-z_]\w*)\s*\(", without)
            if found:
                names.add(found.group(1))
    return names


def exported(path: pathlib.Path) -> dict[str, str]:
    """name -> kind (T, D, B, …) of the dynamic symbols that the library defines; version names left out."""
    rows = (line.split() for line in checks.output("nm", "-D", "--defined-only", str(path)).splitlines())
    return {row[-1].split("@")[0]: row[-2] for row in rows if row[-2] != "A"}


def check_exports(build: pathlib.Path) -> list[str]:
    faults = []
    for library, (folder, mark, elsewhere) in LIBRARIES.items():
        wanted, found = declared(folder, mark, elsewhere), exported(build / "lib" / library)
        faults += [f"{library}: {name} is declared with {mark} and not exported" for name in sorted(wanted - found.keys())]
        faults += [f"{library}: {name} is exported and no header declares it" for name in sorted(found.keys() - wanted)]
        faults += [f"{library}: {name} is writable data for everybody" for name, kind in sorted(found.items())
                   if kind in "BbDdCSG" and name not in WRITABLE_EXPORTS]
        if len(wanted) < 20:
            faults.append(f"{library}: only {len(wanted)} declarations were found; the search is broken")
    return faults


def imports(archive: pathlib.Path):
    """(member, symbol) of what the archive's objects want from elsewhere."""
    member = ""
    for line in checks.output("nm", "-u", str(archive)).splitlines():
        if line.endswith(".o:"):
            member = line[:-3]
        elif line.strip():
            yield member, line.split()[-1]


def plain(symbol: str) -> str:
    """__memcpy_chk is memcpy as _FORTIFY_SOURCE calls it."""
    fortified = re.fullmatch(r"__(\w+)_chk", symbol)
    return fortified.group(1) if fortified else symbol.removeprefix("__isoc99_")


def check_pure(build: pathlib.Path) -> list[str]:
    faults = []
    for layer in PURE_LAYERS:
        wanted = list(imports(build / f"src/{layer}/libfq_{layer}.a"))
        if not wanted:
            faults.append(f"{layer}: nothing was read from its archive; the search is broken")
        faults += [f"{layer}/{member}: imports {symbol}" for member, symbol in wanted
                   if member not in EDGES.get(layer, ()) and not symbol.startswith("fq_")
                   and symbol not in PURE_IMPORTS and plain(symbol) not in PURE_IMPORTS]
    return faults


def main() -> int:
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else checks.ROOT / "build/dev").resolve()
    count = sum(len(declared(*row)) for row in LIBRARIES.values())
    failed = checks.report("exported-symbols", check_exports(build), "breaches", f"{count} declared functions of {len(LIBRARIES)} libraries")
    failed |= checks.report("pure-layers", check_pure(build), "breaches", f"imports of {', '.join(PURE_LAYERS)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
