# SPDX-License-Identifier: Apache-2.0
"""Service discovery is part of the control plane: workers register with it, clients connect to it."""

from __future__ import annotations

from typing import NoReturn


class ServiceDiscovery:
    """Kept so that imports go on working. There is no discovery bus any more."""

    def __init__(self, discovery_address: str) -> NoReturn:
        raise NotImplementedError(
            "FastQueue has no discovery bus: workers register with the control plane, and Client.workers or "
            "`fastqueue workers` lists them"
        )
