// SPDX-License-Identifier: Apache-2.0
// What FastQueue's own telemetry variables say.
#include "telemetry/telemetry.h"

#include <stdlib.h>
#include <strings.h>

static const char *environment(void *context, const char *name) {
    (void)context;
    return getenv(name);
}

void fq_telemetry_settings_read(struct fq_telemetry_settings *settings,
                                const char *(*variable)(void *context, const char *name), void *context,
                                const fq_log *log) {
    (void)log;
    *settings = (struct fq_telemetry_settings){
        .exit_timeout_ms = 1000, .link_after_ms = 300 * 1000, .cardinality_limit = 2000};
    const char *enabled = (variable != NULL ? variable : environment)(context, "FASTQUEUE_TELEMETRY_ENABLED");
    settings->enabled = enabled != NULL && strcasecmp(enabled, "true") == 0;
}
