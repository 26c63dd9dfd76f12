// SPDX-License-Identifier: Apache-2.0
// Log lines on standard error, as text (`2026-01-31T08:00:00.123Z info message`) or as JSON, one object a line.
#ifndef FQ_CLI_LOG_LINE_H
#define FQ_CLI_LOG_LINE_H

#include "cli/option.h"

/** A log that writes to standard error in the level and form that the options name. */
struct fq_log fq_log_line_init(const struct fq_options *options);

#endif
