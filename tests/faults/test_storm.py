#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The storm's oracle finds what it is there to find: histories with a planted fault are told from those without."""
import pathlib
import random
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from storm import Storm, Task  # noqa: E402

LEASE_S = 2.0


class Oracle(unittest.TestCase):
    def setUp(self) -> None:
        self.storm = Storm(None, random.Random(1), lease_s=LEASE_S)
        self.task = self.storm.tasks["t"] = Task(b"", acknowledged=True)

    def grant(self, token: int, asked_at: float) -> None:
        self.task.tokens.append(token)
        self.task.asked_at.append(asked_at)
        self.task.arrived_at.append(asked_at + 0.01)

    def end(self, token: int) -> None:
        self.task.outcome, self.task.outcome_token, self.task.outcome_at = "success", token, 9.0

    def test_one_execution_is_none_beyond_the_first(self) -> None:
        self.grant(5, 1.0)
        self.end(5)
        self.assertEqual(self.storm.duplicates(), (0, 0))

    def test_a_lease_that_ended_explains_the_next(self) -> None:
        self.grant(5, 1.0)
        self.grant(6, 1.0 + LEASE_S)
        self.end(6)
        self.assertEqual(self.storm.duplicates(), (1, 0))
        self.assertEqual(self.storm.errors, [])

    def test_a_lease_that_was_cut_short_is_not_explained(self) -> None:
        self.grant(5, 1.0)
        self.grant(6, 1.0 + LEASE_S / 2)
        self.assertEqual(self.storm.duplicates(), (1, 1))
        self.assertIn("handed out again 1.010 s after a lease of 2.0 s", self.storm.errors[0])

    def test_replies_that_cross_are_put_in_order(self) -> None:
        self.grant(6, 1.0 + LEASE_S)
        self.grant(5, 1.0)
        self.assertEqual(self.storm.duplicates(), (1, 0))

    def test_an_end_by_who_had_lost_the_lease_is_not_explained(self) -> None:
        self.grant(5, 1.0)
        self.grant(6, 1.0 + LEASE_S)
        self.end(5)
        self.assertEqual(self.storm.duplicates(), (1, 1))


if __name__ == "__main__":
    unittest.main()
