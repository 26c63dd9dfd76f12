// SPDX-License-Identifier: Apache-2.0
// `fastqueue doctor`: findings and the checks that make them.
#ifndef FQ_CLI_DOCTOR_H
#define FQ_CLI_DOCTOR_H

#include "cli/option.h"
#include "fastqueue/client.h"

enum fq_verdict_of_check { FQ_CHECK_OK, FQ_CHECK_WARNING, FQ_CHECK_FAILED, FQ_CHECK_SKIPPED };

struct fq_doctor {
    const struct fq_options *options;
    unsigned counts[FQ_CHECK_SKIPPED + 1];
    bool as_json, coloured;
};

/** Prints one finding: what was looked at, what was found, and (may be NULL) what to do. */
void fq_doctor_report(struct fq_doctor *doctor, const char *check, enum fq_verdict_of_check verdict,
                      const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));

/** Address, connection, TLS, credentials, roles, versions, clocks. */
void fq_doctor_check_server(struct fq_doctor *doctor);
/** Data directory, its file system and owner. */
void fq_doctor_check_data_dir(struct fq_doctor *doctor);
/** Open files, memory overcommit. */
void fq_doctor_check_limits(struct fq_doctor *doctor);
/** Loads each task module in a child. */
void fq_doctor_check_modules(struct fq_doctor *doctor);
/** Telemetry's configuration, and a test of its receivers. */
void fq_doctor_check_telemetry(struct fq_doctor *doctor);

#endif
