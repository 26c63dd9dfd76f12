// SPDX-License-Identifier: Apache-2.0
// Keys of vendors (HONEYCOMB_API_KEY, NEW_RELIC_API_KEY, DD_API_KEY) become headers of OTLP: only towards the vendor's own
// hosts, only over TLS, and only where the header was not given. What the vendor's intake needs besides (delta temporality,
// no gRPC) becomes the default. It all happens in front of the SDK, which goes on reading variables.
#ifndef FQ_TELEMETRY_VENDOR_H
#define FQ_TELEMETRY_VENDOR_H

#include "base/log.h"
#include "otel/exporter.h"

enum { FQ_VENDOR_ROWS_MAX = 8, FQ_VENDOR_NAME_SIZE = 64 };

// A variable as the SDK is to read it.
struct fq_vendor_row {
    char name[FQ_VENDOR_NAME_SIZE];
    char *value;        // owned; may hold a secret
    const char *origin; // what made it so, for doctors: "HONEYCOMB_API_KEY"
};
struct fq_vendor_variables {
    const char *(*variable)(void *context, const char *name); // beneath
    void *context;
    struct fq_vendor_row rows[FQ_VENDOR_ROWS_MAX];
    size_t row_count;
};
/** Looks at the endpoints. `variable` NULL = the process's environment. */
void fq_vendor_variables_init(struct fq_vendor_variables *variables,
                              const char *(*variable)(void *context, const char *name), void *context,
                              const fq_log *log);
/** As otel_sdk_options' `variable`, with the variables as context. */
const char *fq_vendor_variable(void *variables, const char *name);
/** NULL if the variable is what the environment says. */
const char *fq_vendor_origin(const struct fq_vendor_variables *variables, const char *name);
void fq_vendor_variables_done(struct fq_vendor_variables *variables);

#endif
