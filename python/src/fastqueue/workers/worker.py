# SPDX-License-Identifier: Apache-2.0
"""Worker: the older name of a worker of its own. It works for the control plane at `base_address`."""

from __future__ import annotations

from typing import Any

from ..tasks.serializer import SerializationFormat
from .subworker import SubWorker


class Worker(SubWorker):
    """As SubWorker; `base_address` is the control plane's."""

    def __init__(
        self,
        worker_id: str,
        base_address: str = "tcp://127.0.0.1:5555",
        discovery_address: str | None = None,
        serialization_format: SerializationFormat | None = None,
        **more: Any,
    ) -> None:
        super().__init__(worker_id, base_address, None, discovery_address, serialization_format, **more)
