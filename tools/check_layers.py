#!/usr/bin/env python3
"""The include law: which folder of src/ may include which. Run as a test; exits 1 and names every breach."""
import pathlib
import re
import sys

# folder -> folders of src/ (and public include roots) whose headers it may include.
LAW = {
    "base": {"fastqueue-error"},
    "resp": {"base"},
    "engine": {"base"},
    "journal": {"base"},
    "otel": {"base", "otel/"},
    "telemetry": {"base", "otel/"},
    "net": {"base"},
    "client": {"base", "telemetry", "resp", "net", "fastqueue/", "otel", "otel/"},
    "worker": {"base", "telemetry", "resp", "net", "client", "fastqueue/", "otel", "otel/"},
    "server": {"base", "telemetry", "resp", "engine", "journal", "net", "otel", "otel/", "fastqueue/"},
    "cli": {"base", "telemetry", "client", "server", "worker", "net", "fastqueue/", "otel/"},
}
# Libraries that only these folders may touch.
SYSTEM_LAW = {
    "uv.h": {"net", "server", "worker", "client", "cli"},
    "openssl/": {"net", "otel", "client", "server", "cli"},
    "microhttpd.h": {"server", "otel"},
    "jansson.h": {"server", "client", "worker", "cli"},
    "sys/socket.h": {"net", "client", "worker", "otel"},
    "netdb.h": {"net", "client", "otel", "cli"},
    "nghttp2/": {"otel"},
    "curl/": {"otel"},
    "nats/": {"journal"},
    "yaml.h": {"otel"},
    "zlib.h": {"otel"},
    "pthread.h": {"net", "journal", "otel", "server", "client", "worker", "cli"},
}
# Below these folders of a pure layer the outside world begins.
EDGES = {("otel", "exporters"), ("otel", "system")}
# Inside otel/: libraries and threads belong to the edges; the pipeline and the meter hold locks.
OTEL_LAW = {
    "nghttp2/": {"exporters"},
    "curl/": {"exporters"},
    "zlib.h": {"exporters"},
    "openssl/": {"exporters"},
    "sys/socket.h": {"exporters", "system"},
    "netdb.h": {"exporters"},
    "yaml.h": {"config"},
    "microhttpd.h": {"exporters"},
}
# Folders whose code must not know the time, files or sockets (design clause 2).
PURE = {"base", "resp", "engine", "otel"}
IMPURE_CALLS = re.compile(r"\b(clock_gettime|gettimeofday|time|fopen|socket|getrandom|rand|srand)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def breaches(root: pathlib.Path):
    for path in sorted((root / "src").rglob("*.[ch]")):
        layer = path.relative_to(root / "src").parts[0]
        folder = path.relative_to(root / "src").parts[1]
        allowed = LAW.get(layer)
        if allowed is None:
            yield path, 0, f"folder '{layer}' is not in the law"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                target = match.group(2)
                top = target.split("/")[0] if "/" in target else ""
                if match.group(1) == '"' or top in ("fastqueue", "otel"):
                    if top in ("fastqueue", "otel") and (root / "include" / target).exists() or target.endswith("version.h"):
                        permitted = top + "/" in allowed or target in ("fastqueue/error.h", "fastqueue/error.def", "fastqueue/version.h")
                    else:
                        permitted = top in ("", layer) or top in allowed
                    if not permitted:
                        yield path, number, f"{layer}/ may not include {target}"
                for prefix, folders in SYSTEM_LAW.items():
                    if match.group(1) == "<" and target.startswith(prefix) and layer not in folders:
                        yield path, number, f"{layer}/ may not use <{target}>"
                for prefix, folders in OTEL_LAW.items():
                    if layer == "otel" and match.group(1) == "<" and target.startswith(prefix) and folder not in folders:
                        yield path, number, f"otel/{folder} may not use <{target}>"
            elif layer in PURE and (layer, folder) not in EDGES and IMPURE_CALLS.search(line.split("//")[0]) and not line.lstrip().startswith(("*", "/*")):
                yield path, number, f"{layer}/ may not read clocks, files, sockets or randomness: {line.strip()}"


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(breaches(root))
    for path, number, text in found:
        print(f"{path.relative_to(root)}:{number}: {text}")
    print(f"include law: {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
