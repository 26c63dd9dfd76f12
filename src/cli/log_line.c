// SPDX-License-Identifier: Apache-2.0
#include "cli/log_line.h"

#include "net/clock.h"

#include <stdio.h>
#include <time.h>

static void format_time(char *text, size_t size) {
    int64_t wall_us = fq_clock_now().wall_us;
    time_t seconds = (time_t)(wall_us / FQ_US_PER_S);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char date[32];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, size, "%s.%03dZ", date, (int)(wall_us / FQ_US_PER_MS % 1000));
}

// One write a line, so that the lines of several processes on one terminal stay whole.
static void write_text(void *context, enum fq_log_level level, const char *text) {
    (void)context;
    char when[48];
    format_time(when, sizeof when);
    fprintf(stderr, "%s %s %s\n", when, fq_log_level_name(level), text);
}

static void write_json(void *context, enum fq_log_level level, const char *text) {
    (void)context;
    char when[48], line[2200];
    format_time(when, sizeof when);
    size_t used = 0;
    for (const char *p = text; *p != '\0' && used + 3 < sizeof line; p++) {
        if (*p == '"' || *p == '\\')
            line[used++] = '\\';
        line[used++] = *p;
    }
    line[used] = '\0';
    fprintf(stderr, "{\"time\": \"%s\", \"level\": \"%s\", \"message\": \"%s\"}\n", when,
            fq_log_level_name(level), line);
}

struct fq_log fq_log_line_init(const struct fq_options *options) {
    bool as_json = fq_option_number(options, FQ_OPTION_LOG_FORMAT) == 1;
    return (struct fq_log){
        .level = (enum fq_log_level)fq_option_number(options, FQ_OPTION_LOG_LEVEL),
        .sink = as_json ? write_json : write_text,
    };
}
