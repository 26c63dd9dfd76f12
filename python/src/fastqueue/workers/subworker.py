# SPDX-License-Identifier: Apache-2.0
"""SubWorker: `fastqueue subworker` with the task modules of this process."""

from __future__ import annotations

from typing import Any

from ..clients.settings import environment as setting
from ..tasks.serializer import SerializationFormat
from .process import CommandProcess, flags


class SubWorker(CommandProcess):
    """A worker beside this process. What is None comes from FASTQUEUE_WORKER_ID and FASTQUEUE_CONTROL_PLANE_ADDRESS."""

    def __init__(
        self,
        worker_id: str | None = None,
        control_plane_address: str | None = None,
        base_address: str | None = None,
        discovery_address: str | None = None,
        serialization_format: SerializationFormat | None = None,
        *,
        concurrency: int | None = None,
        **more: Any,
    ) -> None:
        self.worker_id = worker_id or setting("WORKER_ID")
        self.control_plane_address = control_plane_address or setting("CONTROL_PLANE_ADDRESS")
        super().__init__(
            [
                "subworker",
                *flags(
                    worker_id=self.worker_id,
                    control_plane_address=self.control_plane_address,
                    base_address=base_address,
                    discovery_address=discovery_address,
                    concurrency=concurrency,
                    **more,
                ),
            ]
        )
