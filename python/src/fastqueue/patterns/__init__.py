# SPDX-License-Identifier: Apache-2.0
"""Message patterns that programs written for NNG transports import."""
