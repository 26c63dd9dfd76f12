# SPDX-License-Identifier: Apache-2.0
"""Every Python block of docs/telemetry-python.md and docs/telemetry.md runs, those of the former without telemetry, too."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from conftest import ControlPlane
from telemetry_support import ON, run

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


BLOCKS = blocks("telemetry-python.md")
SUBMITTING, WORKING = blocks("telemetry.md")

CALLS = """
import asyncio
assert resize("x.png", 7) == "x.png" and checksum(b"ab") == 195
asyncio.run(notify(7))
"""


def test_the_page_has_blocks() -> None:
    assert len(BLOCKS) == 4


def test_spans_of_your_own() -> None:
    done = run(BLOCKS[0] + CALLS)
    assert done.span("read file").parent == done.span("task.resize").id
    assert done.span("read file").attributes == {"file.path": "x.png", "file.size": 4711}
    assert done.span("send mail").parent == done.span("task.notify").id and done.span("checksum").parent == ""
    assert run(BLOCKS[0] + CALLS, {}).spans == []


def test_the_tracer() -> None:
    done = run(BLOCKS[1])
    span = done.span("GET /users")
    assert (span.status, span.events, span.trace in done.lines[0]) == (2, [("cache miss", {"key": "users"})], True)


def test_measurements_of_your_own() -> None:
    done = run(BLOCKS[2])
    assert done.points("shop.orders") == [({"country": "de"}, 1)] and done.points("shop.depth") == [({"basket": "a"}, 17)]


def test_the_processor() -> None:
    done = run(BLOCKS[3] + "with get_tracer().start_as_current_span('seen'): pass\n", {**ON, "OTEL_METRICS_EXPORTER": "none"})
    assert done.span("seen").name == "seen" and '"name": "seen"' in "\n".join(done.lines)


@pytest.mark.parametrize("block", range(3))
def test_blocks_run_with_telemetry_off(block: int) -> None:
    assert run(BLOCKS[block], {}).spans == []


def test_submitting_is_traced_and_counted(shared_server: ControlPlane) -> None:
    body = textwrap.indent(SUBMITTING, "    ")
    done = run(
        f"import asyncio\nasync def main():\n{body}\nasyncio.run(main())\n",
        {**ON, "FASTQUEUE_CONTROL_PLANE_ADDRESS": shared_server.address},
    )
    span = done.span("client.submit_task")
    assert (span.attributes["task.name"], span.attributes["task.priority"]) == ("process_data", "high")
    assert span.resource["service.name"] == "shop" and done.points("messaging.client.sent.messages")[0][1] == 1


def test_a_task_with_spans_and_measurements_of_its_own() -> None:
    done = run(WORKING + "assert process_data({}) == {'rows': [1, 2, 3]}\n")
    assert done.span("load").parent == done.span("task.process_data").id and done.span("load").attributes == {"rows": 3}
    assert done.points("fastqueue.tasks.completed") == [({"task.name": "import", "worker.id": "nightly"}, 1)]
