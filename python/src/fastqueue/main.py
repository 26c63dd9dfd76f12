# SPDX-License-Identifier: Apache-2.0
"""The names that programs import from fastqueue.main."""

from .clients.client import Client
from .tasks.registry import task, task_registry
from .workers.worker import Worker

__all__ = ["Client", "Worker", "task", "task_registry"]
