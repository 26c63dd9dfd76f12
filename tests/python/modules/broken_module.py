# SPDX-License-Identifier: Apache-2.0
import a_module_that_does_not_exist  # noqa: F401  # type: ignore[import-not-found]
