#!/usr/bin/env python3
"""Reads from the programs and libraries themselves, with readelf and nm, that they are hardened as cmake/hardening.cmake asks.
Default: every one of build/dev; exits 1 and names what is missing."""
import pathlib
import re
import sys

import checks

# Unchecked where a checked twin exists and the compiler knew the size; these must have at least one checked twin in use.
FORTIFIED = re.compile(r"\b__(\w+)_chk\b")


def tell(path: pathlib.Path, *options: str) -> str:
    return checks.output("readelf", "-W", *options, str(path))


def segment_flags(headers: str, kind: str) -> str | None:
    found = re.search(rf"^\s*{kind}\s+0x\S+\s+0x\S+\s+0x\S+\s+0x\S+\s+0x\S+\s+([RWE ]{{3}})", headers, re.M)
    return found.group(1).replace(" ", "") if found else None


def begins_with_mark(path: pathlib.Path, symbol: str) -> bool:
    """Whether the function starts with endbr64, which indirect branch tracking wants at its targets."""
    text = checks.output("objdump", "-d", f"--disassemble={symbol}", "--no-show-raw-insn", str(path))
    body = re.search(rf"<{symbol}>:\n\s*\S+:\s+(\S+)", text)
    return body is not None and body.group(1) == "endbr64"


def faults_of(path: pathlib.Path, is_program: bool, function: str) -> list[str]:
    head, segments, dynamic = tell(path, "-h"), tell(path, "-l"), tell(path, "-d")
    symbols, notes = tell(path, "--dyn-syms"), tell(path, "-n")
    flags = " ".join(re.findall(r"\((?:FLAGS|FLAGS_1)\)\s+(.*)", dynamic))
    intel = "X86-64" in head
    rules = [
        ("a position independent executable", not is_program or ("DYN" in head and re.search(r"\bPIE\b", flags))),
        ("relocations read-only before main (RELRO)", segment_flags(segments, "GNU_RELRO") is not None),
        ("every symbol bound at start (BIND_NOW), so that RELRO is full", re.search(r"\bBIND_NOW\b|\bNOW\b", flags)),
        ("a stack that is not executable", segment_flags(segments, "GNU_STACK") == "RW"),
        ("no segment that is writable and executable",
         not re.search(r"^\s*LOAD\s+(?:0x\S+\s+){5}RWE", segments, re.M)),
        ("no relocations in code (TEXTREL)", "TEXTREL" not in dynamic),
        ("stack canaries", "__stack_chk_fail" in symbols),
        ("checked functions of the C library (FORTIFY)", len(set(FORTIFIED.findall(symbols)) - {"stack"}) >= 2),
        ("shadow stack (SHSTK) marked", not intel or "SHSTK" in notes),
        (f"indirect branch targets marked ({function})", not intel or begins_with_mark(path, function)),
        ("no library path of its own (RPATH, RUNPATH)", is_built_tree(path) or not re.search(r"\((RPATH|RUNPATH)\)", dynamic)),
    ]
    return [f"{path.name}: missing: {what}" for what, holds in rules if not holds]


def is_built_tree(path: pathlib.Path) -> bool:
    """A library that has not been installed yet may find its neighbour where both were built."""
    rpath = re.search(r"\((?:RPATH|RUNPATH)\)[^[]*\[([^]]*)\]", tell(path, "-d"))
    return rpath is not None and all(part.startswith(str(path.parents[1])) for part in rpath.group(1).split(":") if part)


def main() -> int:
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else checks.ROOT / "build/dev").resolve()
    objects = [(build / "bin/fastqueue", True, "main"), (build / "lib/libfastqueue.so", False, "fq_client_open"),
               (build / "lib/libotel-c.so", False, "otel_sdk_shutdown")]
    objects += [(path, False, "PyInit__core") for path in sorted(build.glob("python/**/_core*.so"))[:1]]
    faults = [fault for row in objects for fault in faults_of(*row)]
    return checks.report("binary-hardening", faults, "faults", f"{len(objects)} programs and libraries")


if __name__ == "__main__":
    sys.exit(main())
