// SPDX-License-Identifier: Apache-2.0
#include "support/failing_call.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static struct {
    const char *name;
    int skip, error, failed;
} fault;

void failing_call_set(const char *name, int skip, int error) {
    fault.name = name;
    fault.skip = skip;
    fault.error = error;
    fault.failed = 0;
}

int failing_call_count(void) {
    return fault.failed;
}

int failing_call_error(void) {
    return fault.error;
}

bool failing_call_now(const char *name) {
    if (fault.name == NULL || strcmp(fault.name, name) != 0 || fault.skip-- > 0)
        return false;
    fault.name = NULL;
    fault.failed++;
    errno = fault.error;
    return true;
}
