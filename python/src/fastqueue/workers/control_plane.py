# SPDX-License-Identifier: Apache-2.0
"""ControlPlaneWorker: `fastqueue control-plane`, which runs the tasks of this process itself, too."""

from __future__ import annotations

from typing import Any

from ..clients.settings import DEFAULT_ADDRESS
from ..clients.settings import environment as setting
from ..tasks.serializer import SerializationFormat
from .process import CommandProcess, flags


class ControlPlaneWorker(CommandProcess):
    """A control plane beside this process. What is None comes from the FASTQUEUE_ variables, as for the command."""

    def __init__(
        self,
        worker_id: str | None = None,
        base_address: str | None = None,
        discovery_address: str | None = None,
        serialization_format: SerializationFormat | None = None,
        subworker_management_port: int | None = None,
        result_cache_max_size: int | None = None,
        result_cache_ttl_seconds: int | None = None,
        **more: Any,
    ) -> None:
        self.worker_id = worker_id or setting("WORKER_ID") or "control-plane"
        self.base_address = base_address or setting("BASE_ADDRESS") or DEFAULT_ADDRESS
        super().__init__(
            [
                "control-plane",
                *flags(
                    worker_id=worker_id,
                    base_address=base_address,
                    discovery_address=discovery_address,
                    subworker_port=subworker_management_port,
                    result_cache_size=result_cache_max_size,
                    result_cache_ttl=result_cache_ttl_seconds,
                    **more,
                ),
            ]
        )

    def get_subworker_status(self) -> dict[str, Any]:
        """The workers that the control plane knows, by id."""
        from ..clients.sync import SyncClient

        subworkers: dict[str, dict[str, Any]] = {}
        with SyncClient(self.base_address, timeout=5, retries=0) as client:
            cursor = "0"
            while True:
                cursor, rows = client.command("FQ.WORKERS", "CURSOR", cursor, "COUNT", 1000)
                for row in rows:
                    meta = row.get("meta") if isinstance(row.get("meta"), dict) else {}
                    subworkers[row["id"]] = {
                        "address": meta.get("address") or meta.get("host") or "",
                        "status": "active" if row.get("active") else "inactive",
                        "load": row.get("leases", 0),
                        "last_seen": (row.get("seen_at") or 0) / 1000,
                    }
                if cursor == "0":
                    break
        active = sum(1 for row in subworkers.values() if row["status"] == "active")
        return {"total_subworkers": len(subworkers), "active_subworkers": active, "subworkers": subworkers}
