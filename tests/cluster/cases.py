# SPDX-License-Identifier: Apache-2.0
"""What is done to three nats-servers and two control planes under load: the table. Each case takes a Stage and gives its figures; it
fails by an exception, and raises Skipped where the machine lacks something."""
import os
import pathlib
import random
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "faults"))  # loop_disk, cgroup, fault_board, chaos

from kills import (all_killed, alone, corrupted, full, leader_kills, leader_stopped, planes_killed, quorum_lost, refused_credentials, rolling,
                   wiped, zombie)
from partitions import leader_cut_off, only_the_minority, plane_cut_off
from power import power_cut
from stage import Skipped, Stage  # noqa: F401  for who runs the table

# number, function, in the ordinary tests with so many repetitions (0: not there)
CASES = [
    (1, leader_kills, 0),
    (2, quorum_lost, 1),
    (3, all_killed, 1),
    (4, leader_stopped, 0),
    (5, alone, 1),
    (6, planes_killed, 2),
    (7, zombie, 1),
    (8, rolling, 0),
    (9, corrupted, 0),
    (10, wiped, 0),
    (11, power_cut, 0),
    (12, full, 0),
    (13, refused_credentials, 1),
    (14, leader_cut_off, 0),
    (15, only_the_minority, 0),
    (16, plane_cut_off, 0),
]


def seed() -> int:
    return int(os.environ.get("FASTQUEUE_SEED", str(random.SystemRandom().randrange(1 << 32))))
