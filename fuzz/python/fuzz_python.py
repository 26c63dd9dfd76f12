# SPDX-License-Identifier: Apache-2.0
"""The Python extension under arguments that nobody should give it: values of every type and size, hostile replies, objects
that misbehave. Whatever comes in, there is a result or an ordinary exception; a crash of the interpreter or a SystemError (a
function that failed without saying why) is a defect.

    fuzz_python.py CORE.so [libFuzzer's options] CORPUS…       guided, with atheris
    fuzz_python.py CORE.so --random SECONDS                    by chance, without it
    fuzz_python.py CORE.so --replay CORPUS                     once through a corpus
"""
import importlib.util
import json
import math
import os
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPTH_MAX, ACTIONS_MAX = 4, 30
TEXTS = ("add", "", "raw", "json", "critical", "00000000-0000-4000-8000-000000000001", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
         "a=b,c=d", "k=v;p", "\ud800", "\0", "é" * 200, "x" * 5000, "tls://u:p@[::1]:1", "unix:///x", "FQ.LIST")
REPLIES = (b"%1\r\n$6\r\nserver\r\n$9\r\nfastqueue\r\n", b"+OK\r\n", b"$36\r\n00000000-0000-4000-8000-000000000001\r\n", b"-ERR no\r\n",
           b"_\r\n", b"*-1\r\n", b":1\r\n", b",1.5\r\n", b"#t\r\n", b">2\r\n$9\r\nfq.result\r\n%0\r\n", b"~1\r\n:1\r\n", b"=7\r\ntxt:abc\r\n")


class Odd:
    """An object whose every use fails."""

    def _fail(self, *_):
        raise ValueError("odd")

    __len__ = __iter__ = __getitem__ = __hash__ = __eq__ = __bool__ = __str__ = __repr__ = __float__ = __int__ = __index__ = _fail
    keys = items = _fail


class Bytes:
    """What the fuzzer says, taken piece by piece; zeros when it is used up."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def left(self) -> int:
        return max(0, len(self.data) - self.at)

    def bytes(self) -> bytes:
        size = self.byte()
        piece = self.data[self.at:self.at + size]
        self.at += size
        return piece

    def text(self) -> str:
        choice = self.byte()
        return TEXTS[choice % len(TEXTS)] if choice < 200 else self.bytes().decode("utf-8", "surrogateescape")

    def number(self):
        choice = self.byte() % 12
        return (0, 1, -1, self.byte(), 2**31, 2**63 - 1, 2**63, -2**63, 10**400, 1.5, math.inf, math.nan)[choice]

    def value(self, depth: int = 0):
        choice = self.byte() % 14
        if choice >= 10 and depth < DEPTH_MAX:
            count = self.byte() % 4
            if choice == 10:
                return [self.value(depth + 1) for _ in range(count)]
            if choice == 11:
                return tuple(self.value(depth + 1) for _ in range(count))
            if choice == 12:
                return {self.text(): self.value(depth + 1) for _ in range(count)}
            return Odd()
        return (None, True, False, self.number(), self.text(), self.bytes(), bytearray(self.bytes()), memoryview(self.bytes()),
                self.number(), object)[choice % 10]


def check_json(core, value) -> None:
    text = core.json_encode(value)
    try:
        expected = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return  # what the library does not take, the extension may
    if json.loads(text) != expected:
        raise AssertionError(f"json_encode({value!r}) is {text!r}")


class World:
    def __init__(self, core):
        self.core = core
        self.session = core.Session()
        self.tracer = core.tracer("fuzz", "1", None, None)
        self.span = self.tracer.start_span("first")
        self.now = 1.0

    def act(self, source: Bytes) -> None:
        ACTIONS[source.byte() % len(ACTIONS)](self, source)

    def address(self, source):
        self.core.parse_address(source.value() if source.byte() % 4 == 0 else source.text())

    def json(self, source):
        check_json(self.core, source.value())

    def new_session(self, source):
        self.session = self.core.Session(user=source.value(), token=source.value(), client_name=source.value(),
                                         reply_timeout=source.number(), ping_interval=source.number())

    def connect(self, source):
        self.now += 0.1
        self.session.connected(self.now if source.byte() % 8 else source.value())

    def disconnect(self, source):
        self.session.disconnected(self.now if source.byte() % 8 else source.value())
        self.session.reconnect_delay()

    def feed(self, source):
        choice = source.byte()
        data = REPLIES[choice % len(REPLIES)] if choice < 128 else source.bytes() if choice < 250 else source.value()
        self.session.feed(data, self.now)

    def take(self, _source):
        self.session.events()
        self.session.take_output()
        self.session.deadline()
        self.session.tick(self.now)

    def submit(self, source):
        names = ("id", "priority", "delay_ms", "at_unix_ms", "expires_ms", "timeout_ms", "retries", "backoff_ms", "unique", "result_ttl_ms",
                 "encoding", "traceparent", "tracestate", "baggage")
        options = {names[source.byte() % len(names)]: source.value() for _ in range(source.byte() % 4)}
        payload = source.bytes() if source.byte() % 4 else source.value()
        self.session.submit(source.text(), payload, source.byte(), bool(source.byte() % 2), **options)

    def watch(self, source):
        self.session.watch(source.text(), source.number())
        self.session.forget(source.number())

    def command(self, source):
        words = tuple(source.text() for _ in range(source.byte() % 5)) if source.byte() % 4 else source.value()
        self.session.command(words, source.number(), bool(source.byte() % 2))

    def start_span(self, source):
        names = ("context", "kind", "attributes", "links", "start_time", "record_exception", "set_status_on_exception")
        options = {names[source.byte() % len(names)]: source.value() for _ in range(source.byte() % 4)}
        self.span = self.tracer.start_span(source.text(), **options)

    def change_span(self, source):
        span = self.span
        choice = source.byte() % 8
        if choice == 0:
            span.set_attribute(source.text(), source.value())
        elif choice == 1:
            span.set_attributes(source.value())
        elif choice == 2:
            span.add_event(source.text(), source.value(), source.value())
        elif choice == 3:
            span.add_link(source.value(), source.value())
        elif choice == 4:
            span.set_status(source.value(), source.value())
        elif choice == 5:
            span.record_exception(ValueError(source.text()), source.value())
        elif choice == 6:
            span.update_name(source.value())
        else:
            span.end(source.value())

    def look_at_span(self, source):
        for name in ("name", "traceparent", "tracestate"):
            getattr(self.span, name)
        self.span.identity()
        self.core.trace_of(source.value())

    def operation(self, source):
        with self.core.trace_operation(source.text(), source.value()):
            self.core.current_trace()

    def log(self, source):
        self.core.log_emit(source.text(), source.number(), source.value(), source.value(), source.value(), source.number())

    def measure(self, source):
        instrument = self.core.meter(source.text(), None, None, None).instrument(source.byte() % 9, source.text(), source.text(), source.text(),
                                                                               source.value(), None, bool(source.byte() % 2))
        (instrument.add, instrument.record, instrument.set)[source.byte() % 3](source.number(), source.value())


ACTIONS = [World.address, World.json, World.new_session, World.connect, World.disconnect, World.feed, World.feed, World.take, World.submit,
           World.watch, World.command, World.start_span, World.change_span, World.look_at_span, World.operation, World.log, World.measure]


def try_one(core, data: bytes) -> None:
    source = Bytes(data)
    world = World(core)
    for _ in range(ACTIONS_MAX):
        if source.left() == 0:
            break
        try:
            world.act(source)
        except (SystemError, AssertionError):
            raise
        except Exception:  # pylint: disable=broad-except
            pass  # an ordinary exception is an answer


def load(path: str):
    """The extension alone, and on top of it the package."""
    os.environ.update(FASTQUEUE_TELEMETRY_ENABLED="true", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_LOG_LEVEL="none",
                      OTEL_BSP_SCHEDULE_DELAY="3600000", OTEL_BLRP_SCHEDULE_DELAY="3600000", OTEL_METRIC_EXPORT_INTERVAL="3600000",
                      FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="0")
    spec = importlib.util.spec_from_file_location("fastqueue._core", path)
    core = importlib.util.module_from_spec(spec)
    sys.modules["fastqueue._core"] = core
    spec.loader.exec_module(core)
    sys.path.insert(0, str(ROOT / "python/src"))
    import fastqueue.telemetry  # pylint: disable=import-outside-toplevel,unused-import
    core.telemetry_start()
    return core


def main() -> None:
    core = load(sys.argv[1])
    mode = sys.argv[2] if len(sys.argv) > 2 else ""
    if mode == "--random":
        chance, end, count = random.Random(), time.monotonic() + float(sys.argv[3]), 0
        while time.monotonic() < end:
            try_one(core, chance.randbytes(chance.randrange(200)))
            count += 1
        print(f"stat::number_of_executed_units: {count}")
    elif mode == "--replay":
        files = sorted(path for path in Path(sys.argv[3]).iterdir() if path.is_file())
        for path in files:
            try_one(core, path.read_bytes())
        print(f"{len(files)} inputs replayed")
    else:
        import atheris  # pylint: disable=import-outside-toplevel
        atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: try_one(core, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
