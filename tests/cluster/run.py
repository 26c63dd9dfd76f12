#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cluster's tests: real nats-servers and control planes on loopback, and an oracle that asks for every acknowledged task.

usage: tests/cluster/run.py [--only 1,6] [--times N] [--nats PROGRAM] [--quick]
FASTQUEUE_BUILD names the build tree; FASTQUEUE_SEED repeats a run's dice.
"""
import argparse
import pathlib
import sys
import time
import traceback

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent / "e2e")]

import cases  # noqa: E402
import nats  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="cases, by comma")
    parser.add_argument("--times", type=int, default=0, help="repetitions within each case, instead of its own number")
    parser.add_argument("--nats", default=nats.PROGRAM, help="the nats-server to use")
    parser.add_argument("--quick", action="store_true", help="those of the ordinary tests")
    options = parser.parse_args()
    if not options.nats:
        print("cluster: nats-server is not installed (Debian package nats-server): nothing was tested", flush=True)
        return 0
    chosen = {int(number) for number in options.only.split(",") if number}
    print(f"nats-server {nats.version(options.nats)}", flush=True)
    failed = []
    for number, run, quick in cases.CASES:
        if (chosen and number not in chosen) or (options.quick and not quick and not chosen):
            continue
        seed, begin = cases.seed(), time.monotonic()
        try:
            figures = run(cases.Stage(options.nats, seed, options.times or (quick if options.quick else 0), options.quick))
        except cases.Skipped as reason:
            print(f"{number:3} {run.__name__}: skipped: {reason}", flush=True)
            continue
        except Exception as error:  # noqa: BLE001 the others shall run all the same
            failed.append(number)
            traceback.print_exc()
            print(f"{number:3} {run.__name__}: FAILED (seed {seed}): {error}", flush=True)
            continue
        told = ", ".join(f"{key} {value}" for key, value in figures.items())
        print(f"{number:3} {run.__name__}: {told} ({time.monotonic() - begin:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
