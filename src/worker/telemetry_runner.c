// SPDX-License-Identifier: Apache-2.0
#include "worker/telemetry_runner.h"

#include "fastqueue/version.h"
#include "telemetry/names.h"
#include "worker/ring.h"
#include "worker/runner_state.h"

#include <stdlib.h>

// --- the sink: the board's ring ---------------------------------------------------------------------------------------

// A forked child shares the board with its parent but is no runner: what it records goes nowhere.
static void *reserve(void *context, enum otel_record_type type, uint32_t len) {
    const fq_runner *runner = context;
    bool is_wanted = type == OTEL_RECORD_SPAN ? runner->setup.traces : runner->setup.logs;
    if (!is_wanted || fq_runner_is_forked(runner) || len == 0 || len > FQ_RING_RECORD_MAX)
        return NULL;
    return fq_ring_reserve(&runner->board, (uint8_t)type, len);
}

// While tasks run the supervisor looks by itself; it is woken only when it sleeps.
static void commit(void *context, void *reserved) {
    const fq_runner *runner = context;
    fq_ring_commit(&runner->board, reserved);
    if (fq_board_get(&runner->board, FQ_BOARD_ASLEEP) != 0 &&
        fq_board_swap(&runner->board, FQ_BOARD_ASLEEP, 0) != 0)
        (void)fq_control_send(runner->control_fd, FQ_CONTROL_WAKE, NULL, 0);
}

// --- opening ---------------------------------------------------------------------------------------------------------

static const double SECONDS[] = FQ_MESSAGING_BOUNDS_S;

static void make_instruments(struct fq_runner_telemetry *telemetry) {
    otel_meter *meter = otel_sdk_meter(telemetry->sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    telemetry->duration =
        otel_histogram(meter, FQ_METRIC_PROCESS_DURATION, "s", "Duration of processing operation", SECONDS,
                       sizeof SECONDS / sizeof SECONDS[0]);
    telemetry->consumed = otel_counter(meter, FQ_METRIC_CONSUMED, "{message}",
                                       "Number of messages that were delivered to the application");
}

struct fq_runner_telemetry *fq_runner_telemetry_new(fq_runner *runner) {
    struct fq_runner_telemetry *telemetry = calloc(1, sizeof *telemetry);
    if (telemetry == NULL)
        return NULL;
    telemetry->runner = runner;
    // What the variables have wrong was said by the supervisor, which reads the same ones.
    static const struct fq_log silent = {.level = FQ_LOG_ERROR};
    fq_telemetry_settings_read(&telemetry->settings, NULL, NULL, &silent);
    const struct otel_sink sink = {reserve, commit, runner};
    const struct fq_telemetry_options options = {.log = &silent,
                                                 .instance_note = runner->setup.worker_id,
                                                 .sink = &sink,
                                                 .metric_area = fq_board_metrics(&runner->board),
                                                 .metric_area_len = FQ_BOARD_METRIC_BYTES};
    telemetry->sdk = fq_telemetry_open(&telemetry->settings, &options);
    if (telemetry->sdk == NULL) {
        free(telemetry);
        return NULL;
    }
    if (runner->setup.traces)
        telemetry->tracer = otel_sdk_tracer(telemetry->sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    telemetry->logs = runner->setup.logs;
    if (telemetry->logs)
        fq_output_open(telemetry);
    make_instruments(telemetry);
    otel_sdk_set_global(telemetry->sdk);
    return telemetry;
}

struct fq_runner_telemetry *fq_runner_telemetry_free(struct fq_runner_telemetry *telemetry) {
    if (telemetry == NULL)
        return NULL;
    if (otel_sdk_global() == telemetry->sdk)
        otel_sdk_set_global(NULL);
    telemetry->sdk = otel_sdk_free(telemetry->sdk);
    free(telemetry->series);
    free(telemetry);
    return NULL;
}

void fq_runner_telemetry_names(struct fq_runner_telemetry *telemetry) {
    const fq_runner *runner = telemetry->runner;
    telemetry->series = calloc(runner->name_count + 1, sizeof *telemetry->series);
    for (size_t i = 0; telemetry->series != NULL && i < runner->name_count; i++) {
        fq_str name = runner->names[i].text;
        const struct otel_attribute attributes[] = {
            otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM),
            otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_EXECUTE),
            otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_PROCESS),
            otel_text_len(FQ_ATTR_DESTINATION, name.ptr, name.len),
        };
        const size_t count = sizeof attributes / sizeof attributes[0];
        telemetry->series[i].duration = otel_bind(telemetry->duration, attributes, count);
        telemetry->series[i].consumed = otel_bind(telemetry->consumed, attributes, count);
    }
}

// --- for those who run tasks ------------------------------------------------------------------------------------------

otel_sdk *fq_runner_sdk(const fq_runner *runner) {
    return runner->telemetry != NULL ? runner->telemetry->sdk : NULL;
}

otel_span *fq_runner_span(const fq_runner *runner, uint32_t slot) {
    return runner->telemetry != NULL && slot < FQ_BOARD_SLOTS ? runner->telemetry->spans[slot] : NULL;
}
