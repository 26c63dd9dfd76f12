# SPDX-License-Identifier: Apache-2.0
"""Clients: Client for asyncio, SyncClient for threads."""
