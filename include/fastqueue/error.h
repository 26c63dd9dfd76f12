// SPDX-License-Identifier: Apache-2.0
// Errors of every FastQueue interface: functions return 0 (or a count) on success and a negative FQ_E… on failure.
#ifndef FASTQUEUE_ERROR_H
#define FASTQUEUE_ERROR_H

#include <stdbool.h>

#if defined(__GNUC__)
#define FQ_API      __attribute__((visibility("default")))
#define FQ_MUST_USE __attribute__((warn_unused_result))
#else
#define FQ_API
#define FQ_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum fq_error {
    FQ_OK = 0,
#define FQ_ERROR(name, number, code, retryable, text) FQ_E##name = -(number),
#include "fastqueue/error.def"
#undef FQ_ERROR
};

/** One row of the table, for printing: `name` is "IDCONFLICT", `code` the first word of the wire's error. */
struct fq_error_info {
    int error;
    const char *name;
    const char *code;
    const char *text;
    bool retryable;
};

/** The row of `error`, or of FQ_EINVALID for a number that is not in the table. Never NULL; static storage. */
FQ_API const struct fq_error_info *fq_error_info(int error);

/** The sentence for `error`; "ok" for 0 and positive numbers. Static storage, any thread. */
FQ_API const char *fq_strerror(int error);

/** The error whose wire code is the first word of `line` ("STALELEASE text…"), FQ_ESERVER if none has it. */
FQ_API int fq_error_from_wire(const char *line, unsigned long len);

/** Row `index` of the table, NULL past its end: for generators of documentation and bindings. */
FQ_API const struct fq_error_info *fq_error_row(unsigned index);

#ifdef __cplusplus
}
#endif
#endif
