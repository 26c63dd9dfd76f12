# SPDX-License-Identifier: Apache-2.0
"""FastQueue inside web frameworks."""
