#!/usr/bin/env python3
"""What FastQueue stands on, from the table in docs/dependencies.md.

    tools/sbom.py check [BUILD]   the table names what cmake/ and tools/install_deps.sh ask for and, given a built tree,
                                  what each program is linked with; exits 1 if not
    tools/sbom.py print           an SPDX 2.3 document with the versions that are installed
"""
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

import checks

ROW = re.compile(r"^\| ([^|]+) \| `([\w.+-]+)` \| ([\w.+-]+) \| ([\w.+-]+) \| ([^|]+) \| ([^|]+) \| ?[^|]*\|$", re.M)
LICENCE = "Apache-2.0"
# What the column "linked" speaks of.
OBJECTS = {"program": "bin/fastqueue", "libfastqueue": "lib/libfastqueue.so", "libotel-c": "lib/libotel-c.so",
           "Python module": "python/fastqueue/_core.abi3.so"}


def table() -> list[dict]:
    keys = ("name", "module", "package", "licence", "linked", "purpose")
    return [dict(zip(keys, map(str.strip, row))) for row in ROW.findall((checks.ROOT / "docs/dependencies.md").read_text())]


def asked_for() -> set[str]:
    """Modules of pkg-config that the build and the tests look for."""
    text = (checks.ROOT / "cmake/dependencies.cmake").read_text()
    names = re.findall(r"set\(needed ([^)]*)\)", text) + re.findall(r"list\(APPEND needed ([^)]*)\)", text)
    names += re.findall(r"pkg_check_modules\(\w+ REQUIRED (?:IMPORTED_TARGET )?([\w.+-]+)\)", (checks.ROOT / "tests/CMakeLists.txt").read_text())
    return {word for name in names for word in name.split()}


def installs() -> set[str]:
    """Debian packages of libraries in the build group."""
    text = (checks.ROOT / "tools/install_deps.sh").read_text()
    words = re.search(r"library (libc6-dev .*?)\n\s+program", text, re.S).group(1).replace("\\", " ").split()
    return set(words) - {"libc6-dev"}


def links(build: pathlib.Path, rows: list[dict]):
    """Rows whose column "linked" is not what the objects need."""
    for name, path in OBJECTS.items():
        if not (build / path).exists():
            continue
        needed = re.findall(r"\(NEEDED\)[^[]*\[(lib[^]]*?)\.so", checks.output("readelf", "-dW", str(build / path)))
        for row in rows:
            libraries = re.findall(r"-l(\S+)", checks.output("pkg-config", "--libs", row["module"]))
            is_linked = any(f"lib{library}" in (one, re.sub(r"-\d+$", "", one)) for library in libraries for one in needed)
            if is_linked != (name in row["linked"].split(";")[0].split(", ")):
                yield f"docs/dependencies.md: {row['name']} is {'' if is_linked else 'not '}linked with the {name}"


def check(build: pathlib.Path | None) -> int:
    rows, faults = table(), []
    if build is not None:
        faults += links(build, rows)
    for what, listed, wanted in (("pkg-config module", {row["module"] for row in rows}, asked_for()),
                                 ("Debian package", {row["package"] for row in rows}, installs())):
        faults += [f"docs/dependencies.md lacks the {what} {name}" for name in sorted(wanted - listed)]
        faults += [f"docs/dependencies.md has the {what} {name}, which nothing asks for" for name in sorted(listed - wanted)]
    return checks.report("dependencies", faults, "differences", f"{len(rows)} libraries")


def version_of(module: str) -> str:
    done = subprocess.run(["pkg-config", "--modversion", module], capture_output=True, text=True)
    return done.stdout.strip() or "NOASSERTION"


def package_of(row: dict) -> dict:
    return {"SPDXID": "SPDXRef-" + re.sub(r"[^\w.-]", "-", row["module"]), "name": row["module"], "versionInfo": version_of(row["module"]),
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": row["licence"],
            "licenseDeclared": row["licence"], "copyrightText": "NOASSERTION", "supplier": "NOASSERTION",
            "comment": f"{row['purpose']} ({row['linked']}); Debian package {row['package']}"}


def document() -> dict:
    version = (checks.ROOT / "VERSION").read_text().strip()
    packages = [package_of(row) for row in table()]
    tests = {package["SPDXID"] for package, row in zip(packages, table()) if row["linked"].startswith("tests")}
    moment = int(os.environ.get("SOURCE_DATE_EPOCH") or subprocess.run(
        ["git", "-C", str(checks.ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True).stdout or 0)
    own = {"SPDXID": "SPDXRef-fastqueue", "name": "fastqueue", "versionInfo": version, "downloadLocation": "NOASSERTION",
           "filesAnalyzed": False, "licenseConcluded": LICENCE, "licenseDeclared": LICENCE, "copyrightText": "NOASSERTION",
           "supplier": "NOASSERTION", "primaryPackagePurpose": "APPLICATION"}
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])]
    relations += [(package["SPDXID"], "TEST_DEPENDENCY_OF", own["SPDXID"]) if package["SPDXID"] in tests
                  else (own["SPDXID"], "DEPENDS_ON", package["SPDXID"]) for package in packages]
    content = json.dumps([own, packages, moment])
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"fastqueue-{version}",
            "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}",
            "creationInfo": {"created": datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                             "creators": [f"Tool: fastqueue-sbom-{version}"]},
            "packages": [own, *packages],
            "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations]}


def main() -> int:
    if sys.argv[1:2] == ["check"]:
        return check(pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    if sys.argv[1:] == ["print"]:
        json.dump(document(), sys.stdout, indent=2)
        print()
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
