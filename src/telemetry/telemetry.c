// SPDX-License-Identifier: Apache-2.0
#include "telemetry/telemetry.h"

#include "fastqueue/version.h"
#include "telemetry/names.h"
#include "telemetry/vendor.h"

#include <stdlib.h>
#include <string.h>

static void report(void *context, enum otel_log_level level, const char *text) {
    static const enum fq_log_level levels[] = {FQ_LOG_DEBUG, FQ_LOG_ERROR, FQ_LOG_WARNING, FQ_LOG_INFO,
                                               FQ_LOG_DEBUG};
    fq_log_write(context, levels[level], "telemetry %s", text);
}

// What a user says of the instance wins over what we know of it.
static bool is_instance_named(const struct fq_telemetry_options *options) {
    const char *name = "OTEL_RESOURCE_ATTRIBUTES";
    const char *text =
        options->variable != NULL ? options->variable(options->variable_context, name) : getenv(name);
    return text != NULL && strstr(text, "service.instance.id=") != NULL;
}

otel_sdk *fq_telemetry_open(const struct fq_telemetry_settings *settings,
                            const struct fq_telemetry_options *options) {
    if (!settings->enabled)
        return NULL;
    fq_log log = options->log != NULL ? *options->log : (fq_log){0};
    struct fq_vendor_variables variables;
    fq_vendor_variables_init(&variables, options->variable, options->variable_context, &log);
    struct otel_attribute resource[2];
    size_t resource_count = 0;
    if (options->instance_note != NULL)
        resource[resource_count++] = otel_text(FQ_ATTR_WORKER_ID, options->instance_note);
    if (options->instance_id != NULL && !is_instance_named(options))
        resource[resource_count++] = otel_text("service.instance.id", options->instance_id);
    struct otel_sdk_options sdk;
    otel_sdk_options_init(&sdk);
    sdk.variable = fq_vendor_variable;
    sdk.variable_context = &variables;
    sdk.service_name = "fastqueue";
    sdk.service_version = FQ_VERSION;
    sdk.resource = resource;
    sdk.resource_count = resource_count;
    sdk.user_agent_product = "fastqueue/" FQ_VERSION;
    sdk.grpc_by_default = true;
    sdk.sink = options->sink;
    sdk.metric_area = options->metric_area;
    sdk.metric_area_len = options->metric_area_len;
    sdk.producers = options->producers;
    sdk.producer_count = options->producer_count;
    sdk.cardinality_limit = settings->cardinality_limit;
    sdk.exit_timeout_ms = settings->exit_timeout_ms;
    if (options->log != NULL) // it lives as long as the SDK
        sdk.diagnostics =
            (struct otel_diagnostics){.report = report, .context = (void *)(uintptr_t)options->log};
    otel_sdk *opened = otel_sdk_new(&sdk);
    fq_vendor_variables_done(&variables);
    return opened;
}
