// SPDX-License-Identifier: Apache-2.0
#include "otel/sdk.h"

#include "otel/config/environment.h"
#include "otel/config/file.h"
#include "otel/sdk/state.h"

#include <stdlib.h>

enum { EXIT_TIMEOUT_MS = 1000 };

void otel_sdk_options_init(struct otel_sdk_options *options) {
    *options = (struct otel_sdk_options){.exit_timeout_ms = EXIT_TIMEOUT_MS};
}

static void report(void *context, enum otel_log_level level, const char *text) {
    const otel_sdk *sdk = context;
    if (level <= sdk->level)
        sdk->diagnostics.report(sdk->diagnostics.context, level, text);
}

static void begin(otel_sdk *sdk, const struct otel_sdk_options *options) {
    sdk->diagnostics = options->diagnostics.report != NULL ? options->diagnostics : otel_system_diagnostics();
    sdk->level = OTEL_LEVEL_INFO;
    sdk->exit_timeout_ms = options->exit_timeout_ms;
    sdk->runtime = (struct otel_runtime){
        .clock = options->clock != NULL ? *options->clock : otel_system_clock(),
        .ids = options->ids != NULL ? *options->ids : otel_system_ids(),
        .diagnostics = {.report = report, .context = sdk},
    };
    sdk->start_unix_ns = otel_unix_ns(&sdk->runtime);
    sdk->has_sink = options->sink != NULL;
    if (sdk->has_sink)
        sdk->sink = *options->sink;
}

static int make_parts(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config) {
    if (otel_sdk_make_propagator(sdk, options, config) != OTEL_OK)
        return OTEL_FAILED;
    if (config->disabled)
        return OTEL_OK;
    sdk->connections = otel_otlp_pool_new();
    if (sdk->connections == NULL || otel_sdk_make_resource(sdk, options, config) != OTEL_OK)
        return OTEL_FAILED;
    if (otel_sdk_make_traces(sdk, options, config) != OTEL_OK ||
        otel_sdk_make_logs(sdk, options, config) != OTEL_OK ||
        otel_sdk_make_metrics(sdk, options, config) != OTEL_OK)
        return OTEL_FAILED;
    otel_sdk_join(sdk);
    return OTEL_OK;
}

// A file that cannot be used leaves nothing to go by: variables would be something else than what was meant, so the SDK
// stays silent, and says so.
static otel_config *read_file(const otel_sdk *sdk, const char *path, const struct otel_variables *variables,
                              const struct otel_sdk_options *options) {
    char reason[300], *text;
    const char *why = reason;
    size_t len;
    otel_config *config = NULL;
    if (otel_system_read_file(path, OTEL_FILE_BYTES_MAX, &text, &len, &why) == OTEL_OK) {
        why = reason;
        config = otel_file_read(text, len, variables, options, reason, sizeof reason);
        free(text);
    }
    if (config != NULL)
        return config;
    otel_report(&sdk->runtime, OTEL_LEVEL_ERROR,
                "configuration file %.200s: %s; nothing is recorded or exported", path, why);
    config = otel_model_new();
    if (config != NULL)
        config->disabled = true;
    return config;
}

static otel_config *read_config(const otel_sdk *sdk, const struct otel_variables *variables,
                                const struct otel_sdk_options *options) {
    const char *path = otel_variables_text(variables, "OTEL_CONFIG_FILE");
    if (path == NULL)
        path = otel_variables_text(variables, "OTEL_EXPERIMENTAL_CONFIG_FILE");
    return path != NULL ? read_file(sdk, path, variables, options)
                        : otel_environment_read(variables, options);
}

otel_config *otel_config_parse(const char *yaml, size_t len, const struct otel_sdk_options *options,
                               char *reason, size_t reason_size) {
    struct otel_runtime runtime = {.diagnostics = options->diagnostics.report != NULL
                                                      ? options->diagnostics
                                                      : otel_system_diagnostics()};
    struct otel_variables variables = {.read = options->variable != NULL ? options->variable
                                                                         : otel_system_variable,
                                       .context = options->variable_context,
                                       .runtime = &runtime};
    return otel_file_read(yaml, len, &variables, options, reason, reason_size);
}

otel_sdk *otel_sdk_new(const struct otel_sdk_options *options) {
    otel_sdk *sdk = calloc(1, sizeof *sdk);
    if (sdk == NULL)
        return NULL;
    begin(sdk, options);
    struct otel_variables variables = {.read = options->variable != NULL ? options->variable
                                                                         : otel_system_variable,
                                       .context = options->variable_context,
                                       .runtime = &sdk->runtime};
    sdk->level = otel_environment_log_level(&variables);
    otel_config *read = options->config == NULL ? read_config(sdk, &variables, options) : NULL;
    const otel_config *config = options->config != NULL ? options->config : read;
    if (config != NULL && config->from_file)
        sdk->level = config->log_level;
    int result = config != NULL ? make_parts(sdk, options, config) : OTEL_FAILED;
    otel_config_free(read);
    return result == OTEL_OK ? sdk : otel_sdk_free(sdk);
}

otel_sdk *otel_sdk_free(otel_sdk *sdk) {
    if (sdk == NULL)
        return NULL;
    otel_sdk_shutdown(sdk, sdk->exit_timeout_ms);
    if (sdk->member.context != NULL)
        otel_process_leave(&sdk->member);
    if (otel_sdk_global() == sdk)
        otel_sdk_set_global(NULL);
    for (size_t i = 0; i < sdk->server_count; i++)
        otel_prometheus_server_free(sdk->servers[i]);
    otel_meter_provider_free(sdk->meter_provider); // its producers ask the others
    otel_tracer_provider_free(sdk->tracer_provider);
    otel_logger_provider_free(sdk->logger_provider);
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        for (size_t i = 0; i < sdk->pipe_count[signal]; i++)
            otel_batch_free(sdk->pipes[signal][i].batch);
    }
    otel_otlp_pool_free(sdk->connections);
    for (size_t i = 0; i < sdk->file_count; i++)
        otel_system_close(sdk->files[i]);
    otel_propagator_free(sdk->propagator);
    otel_resource_free(sdk->resource);
    fq_buf_done(&sdk->resource_bytes);
    otel_pool_done(&sdk->pool);
    free(sdk);
    return NULL;
}
