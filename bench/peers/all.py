"""Every server, and which of them can be measured here."""
import contextlib

from peers import Peer
from peers.beanstalkd import Beanstalkd
from peers.fastqueue import FastQueue
from peers.gearmand import Gearmand
from peers.jetstream import JetStream
from peers.redis import Redis
from stage import folder

SERVERS: dict[str, type[Peer]] = {each.NAME: each for each in (FastQueue, Beanstalkd, Gearmand, Redis, JetStream)}


def usable(bench, name: str) -> bool:
    """Whether this server is wanted and there; one that is not there is told."""
    if not bench.wants(name):
        return False
    missing = SERVERS[name].missing()
    if missing:
        bench.skip(name, missing)
    return missing is None


@contextlib.contextmanager
def running(name: str, mode: str):
    """A server with a fresh folder; both are gone afterwards."""
    server = SERVERS[name]()
    with folder() as path:
        try:
            server.start(path, mode)
            yield server
        finally:
            server.stop()


def describe(bench) -> dict:
    """Version, flags and durability modes of each server, for the record."""
    told = {}
    for name, kind in SERVERS.items():
        if usable(bench, name):
            server = kind()
            server.port = "PORT"
            told[name] = {"version": kind.version(), "modes": kind.MODES,
                          "flags": {mode: " ".join(server.arguments("DIR", mode)) for mode in kind.MODES}}
    return told
