"""A subworker and a control plane that grants, answers and forgets as it should not: what is sound is done, nothing else is."""
import subprocess
import threading
import time
import unittest

from commandline import C_TASKS, clean_environment
from harness import PROGRAM
from odd_peer import Peer

LIMIT_S = 30


def task_id(number: int) -> str:
    return f"018f0000-0000-7000-8000-{number:012}"


def grant(number: int, name: str = "add", payload: str = '{"args":[2,3]}', **more) -> dict:
    return {"id": task_id(number), "token": str(number), "name": name, "payload": payload, **more}


class Once:
    """Gives its answers out one by one, to whoever asks first; after that the last one, and never in a hurry."""

    def __init__(self, *answers, last=()):
        self.answers, self.last, self.lock = list(answers), list(last) if isinstance(last, tuple) else last, threading.Lock()

    def __call__(self, _words):
        with self.lock:
            if self.answers:
                return self.answers.pop(0)
        time.sleep(0.05)
        return self.last


class Subworker:
    """With one runner and the C example tasks; ends with the exit code it should."""

    def __init__(self, peer: Peer, *options: str, ends_with: int = 0, task_modules: tuple = (C_TASKS,)):
        self.ends_with = ends_with
        self.process = subprocess.Popen(
            [str(PROGRAM), "subworker", "-a", peer.address, "--concurrency", "1", "--worker-id", "w", *options, "--task-modules",
             *map(str, task_modules)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=clean_environment())
        self.output = ""

    def __enter__(self) -> "Subworker":
        return self

    def __exit__(self, kind, *_) -> None:
        if self.ends_with == 0:
            self.process.terminate()
        self.output = self.process.communicate(timeout=LIMIT_S)[0]
        assert kind is not None or self.process.returncode == self.ends_with, (self.process.returncode, self.output)


class Odd(unittest.TestCase):
    def wait(self, peer: Peer, is_there) -> None:
        end = time.monotonic() + LIMIT_S
        while not is_there():
            self.assertLess(time.monotonic(), end, [words[:5] for words in peer.asked if words[0] not in ('FQ.FETCH', 'FQ.HEARTBEAT')])
            time.sleep(0.01)

    def ended(self, peer: Peer, number: int) -> list[list[str]]:
        """What was said of the task."""
        return [words for words in list(peer.asked) if words[0] in ("FQ.COMPLETE", "FQ.FAIL", "FQ.RELEASE") and words[1] == task_id(number)]


class Grants(Odd):
    def test_only_what_is_a_task_is_run(self) -> None:
        odd = ["text", 7, {}, {"id": "short", "token": "1", "name": "add"}, grant(1, token="minus one"), grant(2, name=""), grant(3, token=5.5),
               {**grant(4), "id": "x" * 36}, grant(5, name="nobody.registered.it"),
               grant(6, attempt="three", timeout="none", traceparent=7, tracestate=["x"], wait_us=-5, priority=None),
               grant(7, attempt=2**40, eligible_at=-1, submitted_at="12", previous_ended_at="13", baggage="a=b", encoding="json"),
               grant(8, payload="no json"), grant(9, token=9)]
        with Peer({"FQ.FETCH": Once(odd)}) as peer, Subworker(peer):
            for number in (5, 6, 7, 8):
                self.wait(peer, lambda number=number: self.ended(peer, number))
            self.assertEqual(self.ended(peer, 5)[0][0], "FQ.RELEASE")
            for number in (6, 7):
                self.assertEqual(self.ended(peer, number)[0][:4], ["FQ.COMPLETE", task_id(number), str(number), "5"])
            self.assertEqual(self.ended(peer, 8)[0][0], "FQ.FAIL")
            for number in (1, 2, 3, 4, 9):
                self.assertEqual(self.ended(peer, number), [])

    def test_answers_to_fetch_that_are_no_list(self) -> None:
        odd = [b"+OK\r\n", {"a": 1}, None, b"-ERR cannot\r\n", b"-UNKNOWNWORKER who?\r\n", b"", b"nonsense\r\n"]
        with Peer({"FQ.FETCH": Once(*odd, [grant(1)])}) as peer, Subworker(peer):
            self.wait(peer, lambda: self.ended(peer, 1))
            self.assertEqual(self.ended(peer, 1)[0][3], "5")

    def test_a_runner_that_gets_nothing_for_good_says_so(self) -> None:
        with Peer({"FQ.FETCH": b"-NOPERM not with this credential\r\n"}) as peer:
            with Subworker(peer) as worker:
                self.wait(peer, lambda: len(peer.named("FQ.FETCH")) > 52)
            self.assertIn("gets no tasks: fetch: not with this credential", worker.output)


class Reports(Odd):
    def test_refused_outcomes(self) -> None:
        answers = {1: b"-TOOBIG much too big\r\n", 2: b"-STALELEASE gone\r\n", 3: b"-IO disk on fire\r\n", 4: b"-ERR not this\r\n", 5: b""}
        told: list[int] = []

        def complete(words: list[str]):
            number = int(words[2])
            told.append(number)
            return answers.get(number, b"+OK\r\n") if told.count(number) == 1 else b"+OK\r\n"

        outcomes = {1: 2, 2: 1, 3: 1, 4: 2}  # what is said of each: a refused one is told as failed
        given: list[int] = []

        def fetch(_words: list[str]):
            last = not given or all(len(self.ended(peer, number)) == count for number, count in outcomes.items())
            new = [] if 5 in given or not last else [5] if given else list(outcomes)  # the connection ends when the others are settled
            given.extend(new)
            time.sleep(0 if new else 0.02)
            return [grant(number) for number in new]

        with Peer({"FQ.FETCH": fetch, "FQ.COMPLETE": complete}) as peer, Subworker(peer):
            self.wait(peer, lambda: told.count(5) == 2)
            for number, count in outcomes.items():
                self.assertEqual(len(self.ended(peer, number)), count)
                if count == 2:
                    self.assertEqual(self.ended(peer, number)[1][:4], ["FQ.FAIL", task_id(number), str(number), "ResultRejected"])


class Registration(Odd):
    def test_every_answer_that_is_no_error_registers(self) -> None:
        for answer in (b"+OK\r\n", {}, {"heartbeat_ms": "50"}, {"heartbeat_ms": "soon"}, {"heartbeat_ms": 1}, {"heartbeat_ms": 10**12}, None, []):
            with self.subTest(answer=answer), Peer({"FQ.REGISTER": answer, "FQ.FETCH": Once([grant(1)])}) as peer:
                with Subworker(peer):
                    self.wait(peer, lambda: self.ended(peer, 1))
                self.assertEqual(peer.named("FQ.UNREGISTER")[0][1], "w")

    def test_refused_for_good(self) -> None:
        with Peer({"FQ.REGISTER": b"-NOPERM not yours\r\n"}) as peer:
            with Subworker(peer, ends_with=69) as worker:
                worker.process.wait(LIMIT_S)
            self.assertIn("refused worker w: not yours", worker.output)

    def test_a_predecessor_goes_by_itself(self) -> None:
        with Peer({"FQ.REGISTER": Once(b"-WORKEREXISTS still here\r\n", last={"heartbeat_ms": 50}), "FQ.FETCH": Once([grant(1)])}) as peer:
            with Subworker(peer) as worker:
                self.wait(peer, lambda: self.ended(peer, 1))
            self.assertIn("registration refused, trying again: still here", worker.output)

    def test_it_leaves_whatever_is_said_about_that(self) -> None:
        for answer in (b"-ERR you were never here\r\n", b""):
            with self.subTest(answer=answer), Peer({"FQ.UNREGISTER": answer}) as peer, Subworker(peer):
                self.wait(peer, lambda: peer.named("FQ.FETCH"))


class Beats(Odd):
    def test_verdicts_that_make_no_sense_change_nothing(self) -> None:
        odd = [b"+OK\r\n", [], ["ok", "ok", "ok"], [5], ["a word that is too long"], [["cancel"]], ["nonsense"], ["drain"], b"-ERR what?\r\n", None]
        beats = Once(*odd, last=["cancel"])
        with Peer({"FQ.REGISTER": {"heartbeat_ms": 50}, "FQ.FETCH": Once([grant(1, "spin", "{}", timeout=20000)]), "FQ.HEARTBEAT": beats}) as peer, \
                Subworker(peer, "--kill-grace", "100ms"):
            self.wait(peer, lambda: self.ended(peer, 1))
            self.assertEqual(beats.answers, [])  # all of them were heard, and borne
            self.assertEqual(self.ended(peer, 1)[0][0], "FQ.FAIL")
            self.assertEqual(self.ended(peer, 1)[0][3], "TaskCancelled")

    def test_a_lease_that_is_gone_ends_the_task_unsaid(self) -> None:
        beats = Once(last=["stale"])
        with Peer({"FQ.REGISTER": {"heartbeat_ms": 50}, "FQ.FETCH": Once([grant(1, "spin", "{}"), grant(2)]), "FQ.HEARTBEAT": beats}) as peer, \
                Subworker(peer, "--kill-grace", "100ms"):
            self.wait(peer, lambda: len(peer.named("FQ.HEARTBEAT")) > 2)
            time.sleep(1)
            self.assertNotIn("FQ.COMPLETE", [words[0] for words in self.ended(peer, 1)])


if __name__ == "__main__":
    unittest.main()
