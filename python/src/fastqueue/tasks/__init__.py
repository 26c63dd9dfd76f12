# SPDX-License-Identifier: Apache-2.0
"""Tasks: the decorator, the registry, the models, the serializer."""

from .registry import task, task_registry

__all__ = ["task", "task_registry"]
