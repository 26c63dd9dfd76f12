// SPDX-License-Identifier: Apache-2.0
// One call of one function fails, once: for tests that the linker leads calls through (--wrap).
#ifndef FQ_TESTS_FAILING_CALL_H
#define FQ_TESTS_FAILING_CALL_H

#include <stdbool.h>

/** The call of `name` (NULL = none) behind the next `skip` of them fails with `error`. */
void failing_call_set(const char *name, int skip, int error);
/** How many have failed since: 0 or 1. */
int failing_call_count(void);
int failing_call_error(void);
/** For wrappers: whether this call of `name` fails; errno is set then. */
bool failing_call_now(const char *name);

// Defines the wrapper of one function, which returns `failure` for the call that fails.
#define WRAP(type, name, parameters, arguments, failure)                                                     \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters {                                                                          \
        return failing_call_now(#name) ? (failure) : __real_##name arguments;                                \
    }

#endif
