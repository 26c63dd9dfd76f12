#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The image's health check. A control plane is healthy when it says that it is ready, or that it is a standby; every other role
while it runs."""
import os
import pathlib
import sys
import urllib.error
import urllib.request

DEFAULT = "127.0.0.1:8080"


def is_control_plane(command_line: bytes) -> bool:
    return b"control-plane" in command_line.split(b"\0")


def address() -> str | None:
    """Where this container's control plane answers, or None when its HTTP is switched off."""
    text = os.environ.get("FASTQUEUE_HTTP_ADDRESS") or DEFAULT
    if text == "off":
        return None
    host, _, port = text.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]", "") else f"{host}:{port}"


def main() -> int:
    at = address()
    if at is None or not is_control_plane(pathlib.Path("/proc/1/cmdline").read_bytes()):
        return 0
    try:
        # No proxy: the question is about this container.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{at}/readyz", timeout=4) as answer:
            print(answer.read().decode().strip())
            return 0
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace").strip()
        print(text)
        return 0 if text == "standby" else 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
