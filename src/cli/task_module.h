// SPDX-License-Identifier: Apache-2.0
// Which task names a module defines. Modules are loaded in a child process: whatever they do costs that child.
#ifndef FQ_CLI_TASK_MODULE_H
#define FQ_CLI_TASK_MODULE_H

#include "fastqueue/error.h"

#include <stddef.h>

/** Shared objects are named by a path or end in .so; everything else is an importable Python module. */
bool fq_task_module_is_shared_object(const char *module);

/** The interpreter in force: `given`, else $VIRTUAL_ENV's, else python3. */
void fq_task_module_python(const char *given, char *ret_path, size_t size);

/**
 * Loads `module` (at most 30 s) and calls `on_name(context, name)` for each task it defines. How many, or FQ_EINVALID
 * with the reason in `errstr`. What the module prints goes nowhere unless it fails to load.
 */
FQ_MUST_USE int fq_task_module_names(const char *module, const char *python,
                                     void (*on_name)(void *context, const char *name), void *context,
                                     char *errstr, size_t errstr_size);

#endif
