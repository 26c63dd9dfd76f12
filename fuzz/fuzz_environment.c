// SPDX-License-Identifier: Apache-2.0
// Variables of OpenTelemetry, of vendors and of FastQueue's telemetry: lines NAME=VALUE. Whatever they say, there is a
// configuration, its figures are in their ranges, and what is complained of is told in bounds.
#include "lines.h"
#include "target.h"

#include "base/assert.h"
#include "otel/config/environment.h"
#include "telemetry/telemetry.h"
#include "telemetry/vendor.h"

static void note(void *context, enum otel_log_level level, const char *text) {
    (void)level;
    *(size_t *)context += strlen(text) > 0;
    FQ_ASSERT(strlen(text) < 4096);
}

static void check_processors(const struct otel_model_processor *at) {
    for (; at != NULL; at = at->next) {
        FQ_ASSERT(at->delay_ms >= 0 && at->timeout_ms >= 0 && at->queue_max > 0);
        FQ_ASSERT(at->simple || (at->batch_max > 0 && at->batch_max <= at->queue_max));
    }
}

static void check_sampler(const struct otel_model_sampler *sampler, int depth) {
    if (sampler == NULL)
        return;
    FQ_ASSERT(depth < 70 && sampler->ratio >= 0 && sampler->ratio <= 1);
    check_sampler(sampler->root, depth + 1);
}

static void check(const otel_config *config) {
    FQ_ASSERT(config->propagator_count <= OTEL_MODEL_PROPAGATORS_MAX);
    for (size_t i = 0; i < config->attribute_count; i++)
        FQ_ASSERT(config->attributes[i].key != NULL);
    check_processors(config->span_processors);
    check_processors(config->log_processors);
    check_sampler(config->sampler, 0);
    for (const struct otel_model_reader *reader = config->readers; reader != NULL; reader = reader->next)
        FQ_ASSERT(reader->pull || (reader->interval_ms > 0 && reader->timeout_ms >= 0));
}

static void read_otel(struct lines *lines, const char *(*variable)(void *, const char *), void *context) {
    size_t notes = 0;
    struct otel_runtime runtime = {
        .diagnostics = {.report = note, .context = &notes}
    };
    struct otel_variables variables = {.read = variable, .context = context, .runtime = &runtime};
    const char *component = lines_variable(lines, "GRPC");
    struct otel_sdk_options options = {.grpc_by_default = component != NULL};
    (void)otel_environment_log_level(&variables);
    otel_config *config = otel_environment_read(&variables, &options);
    FQ_ASSERT(config != NULL);
    check(config);
    otel_config_free(config);
}

static void write_log(void *context, enum fq_log_level level, const char *text) {
    (void)level;
    *(size_t *)context += strlen(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lines lines;
    lines_init(&lines, data, size);
    read_otel(&lines, lines_variable, &lines);

    size_t written = 0;
    fq_log log = {.sink = write_log, .context = &written, .level = FQ_LOG_DEBUG};
    struct fq_vendor_variables vendor;
    fq_vendor_variables_init(&vendor, lines_variable, &lines, &log);
    read_otel(&lines, fq_vendor_variable, &vendor);
    for (size_t i = 0; i < vendor.row_count; i++)
        FQ_ASSERT(fq_vendor_origin(&vendor, vendor.rows[i].name) != NULL);
    fq_vendor_variables_done(&vendor);

    struct fq_telemetry_settings settings;
    fq_telemetry_settings_read(&settings, lines_variable, &lines, &log);
    FQ_ASSERT(settings.exit_timeout_ms >= 0 && settings.exit_timeout_ms <= 1000000000);
    FQ_ASSERT(settings.link_after_ms >= 0 && settings.cardinality_limit >= 1);
    lines_done(&lines);
    return 0;
}
