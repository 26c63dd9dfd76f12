// SPDX-License-Identifier: Apache-2.0
// FQ_ASSERT stays on in release builds: it is for programmer errors only, outside input must never reach it.
#ifndef FQ_BASE_ASSERT_H
#define FQ_BASE_ASSERT_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define FQ_ASSERT(condition)                                                                                 \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0)) {                                                             \
            fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", __FILE__, __LINE__, __func__, #condition);  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
