# SPDX-License-Identifier: Apache-2.0
"""Examples that run: tasks, a callback listener, a FastAPI application."""
