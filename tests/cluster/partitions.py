# SPDX-License-Identifier: Apache-2.0
"""Lines between nats-servers and control planes that are cut, in both directions or in one. Each of them is at a place of its own."""
import time

from net import Net, lacking
from stage import Scene, Skipped, Stage, spread

SERVERS, PLANES = ["n0", "n1", "n2"], ["p0", "p1"]


def net_of(names: list[str]) -> Net:
    reason = lacking()
    if reason is not None:
        raise Skipped(reason)
    return Net(names)


def start_deposed(scene: Scene) -> int:
    """Control planes that found somebody else in their place have ended; they come back as standbys. How many there were."""
    ended = [plane for plane in scene.planes if plane.process.poll() is not None]
    for plane in ended:
        assert plane.process.returncode == 75, f"it ended with {plane.process.returncode}:\n{plane.log()[-1500:]}"
        plane.start()
    return len(ended)


# How the log's leader `one` may be cut off from its fellows `others`. All of the control planes reach…
def alone(net: Net, one: str, others: list[str]) -> None:
    """… all servers: the old leader, who cannot write any more, as well as the new one."""
    net.cut(one, *others)


def gone(net: Net, one: str, others: list[str]) -> None:
    """… the others only."""
    net.cut(one, *others, *PLANES)


def deaf(net: Net, one: str, others: list[str]) -> None:
    """… all servers; the leader is heard and hears nothing."""
    for other in others:
        net.cut_one_way(other, one)


def mute(net: Net, one: str, others: list[str]) -> None:
    """… all servers; the leader hears and is not heard."""
    for other in others:
        net.cut_one_way(one, other)


def behind_a_follower(net: Net, one: str, others: list[str]) -> None:
    """… one follower only, who reaches everybody."""
    for plane in PLANES:
        net.cut(plane, one, others[1])


WAYS = [alone, gone, deaf, mute, behind_a_follower]


def leader_cut_off(stage: Stage) -> dict:
    """The log's leader is cut off, in every way: a majority remains, so work goes on before the lines are mended."""
    stalls: dict[str, list[float]] = {way.__name__: [] for way in WAYS}
    deposed = 0
    with net_of(SERVERS + PLANES) as net, Scene(stage, net=net) as scene:
        for turn in range(stage.times(len(WAYS) * 4)):
            scene.breathe()
            way, index = WAYS[turn % len(WAYS)], scene.leader()
            begin = time.monotonic()
            way(net, f"n{index}", [name for name in SERVERS if name != f"n{index}"])
            scene.load.wait_for_progress()
            scene.breathe(2, 8)
            scene.load.wait_for_progress()
            stalls[way.__name__].append(scene.load.longest_gap(begin, time.monotonic()))
            net.heal()
            scene.nats.wait()
            scene.load.wait_for_progress()
            deposed += start_deposed(scene)
        scene.figures |= {"deposed": deposed, "cuts": sum(map(len, stalls.values())),
                          "longest stalls s": {name: round(max(found), 1) for name, found in stalls.items() if found}}
    return scene.figures


def only_the_minority(stage: Stage) -> dict:
    """All control planes reach one server only, and that one none of its fellows: nothing can be acknowledged until the lines are mended."""
    back = []
    with net_of(SERVERS + PLANES) as net, Scene(stage, net=net) as scene:
        for turn in range(stage.times(4)):
            scene.breathe()
            leader = scene.leader()
            one = f"n{leader if turn % 2 == 0 else (leader + 1) % 3}"
            others = [name for name in SERVERS if name != one]
            net.cut(one, *others)
            for plane in PLANES:
                net.cut(plane, *others)
            time.sleep(2.5)  # what was on its way when the lines were cut
            before = len(scene.load.submitted)
            scene.breathe(2, 8)
            assert len(scene.load.submitted) == before, "something was acknowledged without a majority"
            net.heal()
            back.append(scene.load.wait_for_progress())
            scene.nats.wait()
            start_deposed(scene)
        scene.figures |= {"cuts": len(back), **spread("back after", back)}
    return scene.figures


def plane_cut_off(stage: Stage) -> dict:
    """The active control plane is cut off from every server, for shorter or longer than its time: it goes on, or the standby takes over and
    the old one, back on the line, ends by itself and writes nothing more. Clients reach both all the while."""
    short = long = 0
    taken = []
    with net_of(SERVERS + PLANES) as net, Scene(stage, net=net) as scene:
        for turn in range(stage.times(20)):
            scene.breathe()
            start_deposed(scene)
            old = scene.active()
            new = scene.other(old)
            begin = time.monotonic()
            net.cut(f"p{scene.planes.index(old)}", *SERVERS)
            if turn % 2 == 0:
                scene.breathe(0.1, 1.9)
            else:
                wait_for(lambda: new.leads(), f"the standby did not take over:\n{new.log()[-1500:]}")
                scene.load.wait_for_progress()
                taken.append(time.monotonic() - begin)
                scene.breathe(0, 4)
            net.heal()
            scene.load.wait_for_progress()
            if new.leads():
                long += 1
                assert (code := old.process.wait(60)) == 75, f"who was replaced ended with {code}:\n{old.log()[-1500:]}"
                assert f":{new.port}" in old.log_of_this_start(), f"it does not say who leads:\n{old.log()[-1500:]}"
            else:
                short += 1
            assert start_deposed(scene) <= 1, "both ended"
        scene.figures |= {"cuts": short + long, "survived": short, "deposed": long, **spread("take-over", taken)}
    return scene.figures


def wait_for(is_so, otherwise: str, limit: float = 90) -> None:
    end = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)
