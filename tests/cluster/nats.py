# SPDX-License-Identifier: Apache-2.0
"""Three nats-servers with JetStream, on loopback or each at a place of its own, each a process that can be killed, stopped and started again."""
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

from harness import free_port
from net import Place

PROGRAM = shutil.which("nats-server", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
START_LIMIT_S = 90


def version(program: str) -> str:
    return subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]


class Nats:
    """`extra` goes into every server's configuration, `jetstream` into its part for streams."""

    def __init__(self, count: int = 3, program: str = PROGRAM, extra: str = "", jetstream: str = "", places: list[Place] | None = None):
        self.program, self.extra, self.jetstream = program, extra, jetstream
        self.places = places or [Place()] * count
        count = len(self.places)
        self.stores: list[pathlib.Path] = []  # elsewhere than in the folder
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-nats-"))
        self.ports = [free_port() for _ in range(count)]
        self.routes = [free_port() for _ in range(count)]
        self.monitors = [free_port() for _ in range(count)]
        self.processes: list[subprocess.Popen | None] = [None] * count

    def __enter__(self) -> "Nats":
        for index in range(len(self.ports)):
            self.start(index)
        self.wait()
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        return "nats://" + ",".join(f"{place.address}:{port}" for place, port in zip(self.places, self.ports)) + f"/{name}"

    def store(self, index: int) -> pathlib.Path:
        return self.stores[index] if self.stores else self.folder / f"store{index}"

    def configure(self, index: int) -> pathlib.Path:
        host = self.places[index].address
        routes = ", ".join(f"nats://{place.address}:{port}" for place, port in zip(self.places, self.routes))
        cluster = f'cluster {{ name: fq, listen: "{host}:{self.routes[index]}", routes: [ {routes} ] }}' if len(self.ports) > 1 else ""
        path = self.folder / f"{index}.conf"
        path.write_text(f"""server_name: n{index}
listen: "{host}:{self.ports[index]}"
http: "{host}:{self.monitors[index]}"
jetstream {{
  store_dir: "{self.store(index)}"
  {self.jetstream}
}}
{cluster}
{self.extra}
""")
        return path

    def start(self, index: int) -> None:
        with open(self.folder / f"{index}.log", "ab") as log:
            line = self.places[index].line([self.program, "-c", str(self.configure(index))])
            self.processes[index] = subprocess.Popen(line, stdout=log, stderr=log)

    def kill(self, index: int) -> None:
        self.processes[index].kill()
        self.processes[index].wait()

    def stop(self, index: int) -> None:
        self.processes[index].terminate()
        self.processes[index].wait(30)

    def signal(self, index: int, number: int) -> None:
        self.processes[index].send_signal(number)

    def ask(self, index: int, path: str) -> dict:
        with urllib.request.urlopen(f"http://{self.places[index].address}:{self.monitors[index]}/{path}", timeout=2) as answer:
            return json.load(answer)

    def wait(self) -> None:
        """Until every server that runs is healthy, streams and all."""
        end = time.monotonic() + START_LIMIT_S
        waiting = [index for index, process in enumerate(self.processes) if process is not None and process.poll() is None]
        while waiting:
            try:
                if self.ask(waiting[0], "healthz").get("status") == "ok":
                    waiting.pop(0)
                    continue
            except OSError:
                pass
            if time.monotonic() > end:
                raise AssertionError(f"nats-server {waiting[0]} is not healthy:\n" + (self.folder / f"{waiting[0]}.log").read_text()[-2000:])
            time.sleep(0.05)

    def leader(self, stream: str) -> int | None:
        """Which of them leads the stream; None while nobody does."""
        for index, process in enumerate(self.processes):
            if process is None or process.poll() is not None:
                continue
            try:
                accounts = self.ask(index, "jsz?streams=true&accounts=true").get("account_details", [])
            except OSError:
                continue
            for detail in (one for account in accounts for one in account.get("stream_detail", [])):
                name = detail.get("cluster", {}).get("leader", "")
                if detail["name"] == stream and name:
                    return int(name.removeprefix("n"))
        return None
