// SPDX-License-Identifier: Apache-2.0
// What FastQueue's own telemetry variables say.
#include "telemetry/telemetry.h"

#include "base/str.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct reading {
    const char *(*variable)(void *context, const char *name);
    void *context;
    const fq_log *log;
};

static const char *environment(void *context, const char *name) {
    (void)context;
    return getenv(name);
}

// FASTQUEUE_<what>, else FASTWORKER_<what>; NULL when both are unset or empty.
static const char *read_text(const struct reading *reading, const char *what, char name[64]) {
    static const char *const prefixes[] = {"FASTQUEUE_", "FASTWORKER_"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, 64, "%s%s", prefixes[i], what);
        const char *text = reading->variable(reading->context, name);
        if (text != NULL && text[0] != '\0')
            return text;
    }
    return NULL;
}

static bool read_switch(const struct reading *reading, const char *what) {
    char name[64];
    const char *text = read_text(reading, what, name);
    if (text == NULL || strcasecmp(text, "false") == 0)
        return false;
    if (strcasecmp(text, "true") == 0)
        return true;
    fq_log_write(reading->log, FQ_LOG_WARNING,
                 "telemetry %s=%.100s is neither true nor false and counts as false", name, text);
    return false;
}

static int64_t read_seconds(const struct reading *reading, const char *what, int64_t fallback_ms) {
    char name[64], *end;
    const char *text = read_text(reading, what, name);
    if (text == NULL)
        return fallback_ms;
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    double seconds = plain != (locale_t)0 ? strtod_l(text, &end, plain) : strtod(text, &end);
    if (plain != (locale_t)0)
        freelocale(plain);
    if (end != text && *end == '\0' && isfinite(seconds) && seconds >= 0 && seconds <= 1e6)
        return (int64_t)(seconds * 1000 + 0.5);
    fq_log_write(reading->log, FQ_LOG_WARNING,
                 "telemetry %s=%.100s is no number of seconds from 0 to 1000000; the default stays", name,
                 text);
    return fallback_ms;
}

static enum fq_trace_propagation read_propagation(const struct reading *reading) {
    static const char *const words[] = {"auto", "parent", "link", "both"};
    char name[64];
    const char *text = read_text(reading, "TRACE_PROPAGATION", name);
    for (unsigned i = 0; text != NULL && i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return (enum fq_trace_propagation)i;
    }
    if (text != NULL)
        fq_log_write(reading->log, FQ_LOG_WARNING,
                     "telemetry %s=%.100s is not known (there are auto, parent, link, both); auto stays",
                     name, text);
    return FQ_TRACE_AUTO;
}

static size_t read_cardinality(const struct reading *reading, size_t fallback) {
    char name[64];
    int64_t value;
    const char *text = read_text(reading, "METRICS_CARDINALITY_LIMIT", name);
    if (text == NULL)
        return fallback;
    if (fq_str_to_int64(fq_str_of(text), &value) == 0 && value >= 1 && value <= 10000000)
        return (size_t)value;
    fq_log_write(reading->log, FQ_LOG_WARNING,
                 "telemetry %s=%.100s is no whole number from 1 to 10000000; the default stays", name, text);
    return fallback;
}

void fq_telemetry_settings_read(struct fq_telemetry_settings *settings,
                                const char *(*variable)(void *context, const char *name), void *context,
                                const fq_log *log) {
    struct reading reading = {
        .variable = variable != NULL ? variable : environment, .context = context, .log = log};
    *settings = (struct fq_telemetry_settings){
        .enabled = read_switch(&reading, "TELEMETRY_ENABLED"),
        .exit_timeout_ms = read_seconds(&reading, "TELEMETRY_EXIT_TIMEOUT", 1000),
        .propagation = read_propagation(&reading),
        .link_after_ms = read_seconds(&reading, "TRACE_LINK_AFTER", 300 * 1000),
        .cardinality_limit = read_cardinality(&reading, 2000),
    };
}
