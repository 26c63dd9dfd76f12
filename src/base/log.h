// SPDX-License-Identifier: Apache-2.0
// One log line: `time level module message key=value …`. The owner of the program gives the sink; layers below it only
// fill a line and hand it over. Secrets and payloads never go in.
#ifndef FQ_BASE_LOG_H
#define FQ_BASE_LOG_H

#include <stdint.h>

enum fq_log_level { FQ_LOG_DEBUG, FQ_LOG_INFO, FQ_LOG_WARNING, FQ_LOG_ERROR };

typedef struct fq_log {
    enum fq_log_level level; // lines below it are dropped
    // Receives one line without newline; `text` is valid during the call only.
    void (*sink)(void *context, enum fq_log_level level, const char *text);
    void *context;
} fq_log;

/** Formats and delivers; a NULL log or sink drops the line. Cut at 1,000 bytes; control bytes become '?'. */
void fq_log_write(const fq_log *log, enum fq_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *fq_log_level_name(enum fq_log_level level);

#endif
