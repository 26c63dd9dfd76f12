# SPDX-License-Identifier: Apache-2.0
"""Workers, started from Python: each is the fastqueue binary as a child process."""
