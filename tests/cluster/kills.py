# SPDX-License-Identifier: Apache-2.0
"""Servers and control planes that die, sleep, come back, lose their stores or have no room in them."""
import shutil
import signal
import time

from harness import RespError
from stage import Plane, Scene, Stage, spread


def leader_kills(stage: Stage) -> dict:
    """The log's leader dies by kill -9 and comes back, again and again."""
    stalls = []
    with Scene(stage) as scene:
        for _ in range(stage.times(200)):
            scene.breathe()
            index = scene.leader()
            begin = time.monotonic()
            scene.nats.kill(index)
            scene.load.wait_for_progress()
            scene.load.wait_for_progress()
            stalls.append(scene.load.longest_gap(begin, time.monotonic()))
            scene.nats.start(index)
            scene.nats.wait()
        scene.figures |= {"kills": len(stalls), **spread("stall", stalls)}
    return scene.figures


def quorum_lost(stage: Stage) -> dict:
    """One follower dies: nothing is felt. Two: submissions are refused, nothing is acknowledged; it goes on when one is back."""
    with Scene(stage, planes=1) as scene:
        followers = [index for index in range(3) if index != scene.leader()]
        scene.nats.kill(followers[0])
        scene.figures["progress with two of three s"] = round(scene.load.wait_for_progress(), 2)
        scene.nats.kill(followers[1])
        begin = time.monotonic()
        refused = None
        while refused is None and time.monotonic() < begin + 60:
            try:
                with scene.planes[0].connect(protocol=2, timeout=0.5) as link:
                    link.command("FQ.SUBMIT", "other", "{}")
            except RespError as error:
                refused = str(error)
            except OSError:
                pass
        took = time.monotonic() - begin
        assert refused is not None and refused.startswith("FULL") and "acknowledge" in refused, refused
        before = len(scene.load.submitted)
        time.sleep(2)
        assert len(scene.load.submitted) == before, "something was acknowledged without a quorum"
        scene.nats.start(followers[1])
        scene.figures |= {"refused after s": round(took, 2), "resumed after s": round(scene.load.wait_for_progress(), 2)}
        scene.nats.start(followers[0])
        scene.nats.wait()
    return scene.figures


def all_killed(stage: Stage) -> dict:
    """All three die at once by kill -9 and come back."""
    back = []
    with Scene(stage) as scene:
        for _ in range(stage.times(5)):
            scene.breathe()
            for index in range(3):
                scene.nats.kill(index)
            for index in range(3):
                scene.nats.start(index)
            back.append(scene.load.wait_for_progress())
            scene.nats.wait()
        scene.figures |= {"times": len(back), **spread("back after", back)}
    return scene.figures


def leader_stopped(stage: Stage) -> dict:
    """The log's leader is stopped for 2 and 10 s and wakes up as one that was replaced."""
    gaps = []
    with Scene(stage) as scene:
        for pause in (2, 10):
            index = scene.leader()
            begin = time.monotonic()
            scene.nats.signal(index, signal.SIGSTOP)
            time.sleep(pause)
            scene.nats.signal(index, signal.SIGCONT)
            scene.load.wait_for_progress()
            gaps.append(scene.load.longest_gap(begin, time.monotonic()))
            scene.nats.wait()
        scene.figures |= {"longest stalls s": [round(gap, 1) for gap in gaps]}
    return scene.figures


def planes_killed(stage: Stage) -> dict:
    """The active control plane dies by kill -9; the standby takes over, the dead one comes back as standby."""
    taken = []
    with Scene(stage) as scene:
        for _ in range(stage.times(50)):
            scene.breathe()
            plane = scene.active()
            plane.kill()
            taken.append(scene.load.wait_for_progress())
            plane.start()
        scene.figures |= {"kills": len(taken), **spread("take-over", taken)}
    return scene.figures


def zombie(stage: Stage) -> dict:
    """The active control plane is stopped for longer than its time, and wakes up: it ends with 75 and says who leads."""
    with Scene(stage) as scene:
        for _ in range(stage.times(3)):
            old = scene.active()
            old.process.send_signal(signal.SIGSTOP)
            # Who is connected to it hears nothing: the load goes elsewhere when its patience ends.
            new = scene.other(old)
            end = time.monotonic() + 90
            while "server ready, leading" not in new.log()[-2000:]:
                assert time.monotonic() < end, "the standby did not take over:\n" + new.log()[-1000:]
                time.sleep(0.05)
            old.process.send_signal(signal.SIGCONT)
            code = old.process.wait(60)
            assert code == 75, f"the zombie ended with {code}:\n{old.log()[-1000:]}"
            assert f"plane-{new.port}" in old.log() or f":{new.port}" in old.log(), old.log()[-1000:]
            scene.load.wait_for_progress()
            old.start()
            new.log_path.write_text("")  # its next "ready" is a new one
        scene.figures |= {"zombies": stage.times(3)}
    return scene.figures


def rolling(stage: Stage) -> dict:
    """Every nats-server and both control planes are restarted in order, as an upgrade does it."""
    gaps = []
    with Scene(stage) as scene:
        for index in range(3):
            begin = time.monotonic()
            scene.nats.stop(index)
            scene.nats.start(index)
            scene.nats.wait()
            scene.load.wait_for_progress()
            gaps.append(scene.load.longest_gap(begin, time.monotonic()))
        for plane in scene.planes:
            begin = time.monotonic()
            assert plane.terminate() == 0
            scene.load.wait_for_progress()
            gaps.append(scene.load.longest_gap(begin, time.monotonic()))
            plane.start()
        scene.figures |= {"longest stall s": round(max(gaps), 2)}
    return scene.figures


def corrupted(stage: Stage) -> dict:
    """A bit of one server's store flips while that is down; a control plane started on it afterwards reads the truth or refuses."""
    with Scene(stage) as scene:
        for _ in range(stage.times(3)):
            scene.breathe()
            index = (scene.leader() + 1) % 3
            scene.nats.kill(index)
            blocks = sorted(scene.nats.store(index).rglob(f"*{scene.stream}/msgs/*.blk"))
            assert blocks, "no block of the log was found"
            data = bytearray(blocks[0].read_bytes())
            data[stage.dice.randrange(len(data))] ^= 1 << stage.dice.randrange(8)
            blocks[0].write_bytes(data)
            scene.nats.start(index)
            scene.nats.wait()
            plane = scene.active()
            plane.kill()
            scene.load.wait_for_progress()
            plane.start()
    return scene.figures


def wiped(stage: Stage) -> dict:
    """One server loses its whole store."""
    with Scene(stage) as scene:
        for _ in range(stage.times(3)):
            index = stage.dice.randrange(3)
            scene.nats.kill(index)
            shutil.rmtree(scene.nats.store(index))
            scene.nats.start(index)
            scene.nats.wait()
            scene.load.wait_for_progress()
    return scene.figures


def full(stage: Stage) -> dict:
    """The servers' store reaches its limit: submissions are refused with the cause, and it goes on when the limit is raised."""
    with Scene(stage, planes=1, options=("--compact-after", "1GiB"), jetstream="max_file_store: 12MB") as scene:
        end = time.monotonic() + 90
        while "FULL" not in scene.load.refusals:
            assert time.monotonic() < end and not scene.load.errors, f"never full; {scene.load.refusals} {scene.load.errors} {scene.planes[0].log()[-1000:]}"
            time.sleep(0.1)
        scene.nats.jetstream = "max_file_store: 1GB"
        for index in range(3):
            scene.nats.stop(index)
        for index in range(3):
            scene.nats.start(index)
        scene.figures["resumed after s"] = round(scene.load.wait_for_progress(), 2)
    return scene.figures


def refused_credentials(stage: Stage) -> dict:
    """A server that asks for a password: a clear sentence without one, work with the right one."""
    with stage.nats(count=1, extra='authorization { user: fq, password: "right" }') as nats:
        secret = nats.folder / "secret"
        sentences = {}
        for what, text in (("none", None), ("wrong", "fq:wrong\n"), ("right", "fq:right\n")):
            plane = Plane(nats, stage.name)
            if text is not None:
                secret.write_text(text)
                plane.options += ["--journal-credentials", str(secret)]
            plane.start()
            end = time.monotonic() + 60
            while "server ready, leading" not in (log := plane.log()) and "uthorization" not in log:
                assert time.monotonic() < end and plane.process.poll() in (None, 78), log[-1000:]
                time.sleep(0.05)
            sentences[what] = "leads" if "server ready, leading" in log else "says so"
            assert "wrong" not in log and "right" not in log.replace("copyright", ""), "the secret is in the log"
            if plane.process.poll() is None:
                plane.kill()
            shutil.rmtree(plane.folder, ignore_errors=True)
        assert sentences == {"none": "says so", "wrong": "says so", "right": "leads"}, sentences
    return sentences


def alone(stage: Stage) -> dict:
    """A single nats-server, restarted under load."""
    with Scene(stage, count=1) as scene:
        for _ in range(stage.times(3)):
            scene.breathe()
            scene.nats.kill(0)
            scene.nats.start(0)
            scene.load.wait_for_progress()
    return scene.figures
