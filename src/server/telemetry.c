// SPDX-License-Identifier: Apache-2.0
#include "server/telemetry_state.h"

#include "fastqueue/version.h"
#include "net/clock.h"
#include "server/telemetry_instance.h"
#include "telemetry/names.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>

enum { SUBMIT_ATTRIBUTES = 6 };

// --- log lines ------------------------------------------------------------------------------------------------------------
static void log_line(void *context, enum fq_log_level level, const char *text) {
    static const int severities[] = {OTEL_SEVERITY_DEBUG, OTEL_SEVERITY_INFO, OTEL_SEVERITY_WARN,
                                     OTEL_SEVERITY_ERROR};
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    fq_server_telemetry *telemetry = context;
    if (telemetry->below != NULL && telemetry->below->sink != NULL)
        telemetry->below->sink(telemetry->below->context, level, text);
    const struct otel_log_record record = {.severity = severities[level],
                                           .severity_text = names[level],
                                           .body = otel_value_string(text, strlen(text)),
                                           .no_span = true};
    otel_log_emit(atomic_load(&telemetry->logger), &record);
}

const fq_log *fq_server_telemetry_log(fq_server_telemetry *telemetry, const fq_log *log) {
    return telemetry != NULL ? &telemetry->log : log;
}

// --- submissions that bring no context ------------------------------------------------------------------------------------
// The sampler of the control plane decides for the whole trace: also its "no" goes with the task.
static void begin_submission(void *context, struct fq_submit *submit) {
    fq_server_telemetry *telemetry = context;
    struct fq_task_options *options = &submit->options;
    struct otel_span_context identity;
    telemetry->submission = NULL;
    if (otel_traceparent_parse(options->traceparent.ptr, options->traceparent.len, &identity) == 0)
        return;
    const struct otel_attribute attributes[SUBMIT_ATTRIBUTES] = {
        otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM),
        otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_SUBMIT),
        otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_SEND),
        otel_text_len(FQ_ATTR_DESTINATION, submit->name.ptr, submit->name.len),
        otel_text_len(FQ_ATTR_TASK_NAME, submit->name.ptr, submit->name.len),
        otel_text(FQ_ATTR_TASK_PRIORITY, fq_priority_name(submit->priority)),
    };
    const struct otel_span_options span = {.kind = OTEL_SPAN_PRODUCER,
                                           .root = true,
                                           .attributes = attributes,
                                           .attribute_count = SUBMIT_ATTRIBUTES};
    telemetry->submission = otel_span_start(telemetry->tracer, FQ_SPAN_SUBMIT, &span);
    if (telemetry->submission == NULL)
        return;
    identity = otel_span_context_of(telemetry->submission);
    otel_traceparent_format(&identity, telemetry->traceparent);
    options->traceparent = (fq_str){telemetry->traceparent, sizeof telemetry->traceparent};
    options->tracestate.ptr = otel_span_tracestate(telemetry->submission, &options->tracestate.len);
}

static void end_submission(void *context, const fq_uuid *id, int error, bool is_new) {
    fq_server_telemetry *telemetry = context;
    otel_span *span = telemetry->submission;
    char text[FQ_UUID_TEXT];
    telemetry->submission = NULL;
    if (error == 0 && !is_new) { // the task goes on with the context of its first submission
        otel_span_release(span);
        return;
    }
    fq_uuid_format(id, text);
    otel_span_set_attribute(span, otel_text_len(FQ_ATTR_TASK_ID, text, sizeof text));
    otel_span_set_attribute(span, otel_text_len(FQ_ATTR_MESSAGE_ID, text, sizeof text));
    if (error < 0) {
        const struct fq_error_info *info = fq_error_info(error);
        otel_span_set_attribute(span, otel_text(FQ_ATTR_ERROR_TYPE, info->name));
        otel_span_set_status(span, OTEL_STATUS_ERROR, info->text);
    }
    otel_span_end(span);
}

// --- INFO -----------------------------------------------------------------------------------------------------------------
static int write_info(void *context, fq_buf *out) {
    static const char *const signals[OTEL_SIGNAL_COUNT] = {"traces", "metrics", "logs"};
    const fq_server_telemetry *telemetry = context;
    int rc = fq_buf_printf(out, "telemetry_enabled:1\r\n");
    for (int i = 0; i < OTEL_SIGNAL_COUNT && rc == 0; i++) {
        struct otel_signal_stats stats;
        otel_sdk_stats(telemetry->sdk, (enum otel_signal)i, &stats);
        rc = fq_buf_printf(out,
                           "telemetry_%s:created=%" PRIu64 ",exported=%" PRIu64 ",dropped_queue_full=%" PRIu64
                           ",dropped_failed=%" PRIu64 ",dropped_rejected=%" PRIu64 ",queued=%" PRIu64
                           ",failed_exports=%" PRIu64 "\r\n",
                           signals[i], stats.created, stats.exported, stats.dropped_queue_full,
                           stats.dropped_failed, stats.dropped_rejected, stats.queue_len,
                           stats.export_failures);
    }
    return rc;
}

struct fq_core_telemetry fq_server_telemetry_hooks(fq_server_telemetry *telemetry) {
    if (telemetry == NULL)
        return (struct fq_core_telemetry){.context = NULL};
    return (struct fq_core_telemetry){.submitting = begin_submission,
                                      .submitted = end_submission,
                                      .info = write_info,
                                      .context = telemetry};
}

const otel_sdk *fq_server_telemetry_sdk(const fq_server_telemetry *telemetry) {
    return telemetry != NULL ? telemetry->sdk : NULL;
}

// --- handing over figures ---------------------------------------------------------------------------------------------------
void fq_server_telemetry_attach(fq_server_telemetry *telemetry, fq_core *core, fq_metrics *metrics,
                                void (*wake)(void *context), void *wake_context) {
    if (telemetry == NULL)
        return;
    telemetry->core = core;
    telemetry->metrics = metrics;
    fq_metrics_keep_ended(metrics, FQ_ENDED_COLLECTIONS);
    telemetry->wake = wake;
    telemetry->wake_context = wake_context;
    atomic_store(&telemetry->is_attached, true);
}

void fq_server_telemetry_step(fq_server_telemetry *telemetry, struct fq_now now) {
    int wanted = FQ_HANDOVER_WANTED;
    if (telemetry == NULL ||
        !atomic_compare_exchange_strong(&telemetry->handover, &wanted, FQ_HANDOVER_TAKING))
        return;
    if (fq_figures_take(&telemetry->figures, telemetry->core, telemetry->metrics, now) < 0)
        telemetry->figures.cell_count = 0;
    atomic_store(&telemetry->handover, FQ_HANDOVER_READY);
    sem_post(&telemetry->ready);
}

void fq_server_telemetry_detach(fq_server_telemetry *telemetry, struct fq_now now) {
    if (telemetry == NULL || telemetry->core == NULL)
        return;
    while (pthread_mutex_trylock(&telemetry->collecting) !=
           0) { // a collection waits for figures, or reads them
        fq_server_telemetry_step(telemetry, now);
        sched_yield();
    }
    if (fq_figures_take(&telemetry->figures, telemetry->core, telemetry->metrics, now) < 0)
        telemetry->figures.cell_count = 0;
    atomic_store(&telemetry->is_detached, true);
    pthread_mutex_unlock(&telemetry->collecting);
    telemetry->core = NULL;
}

// --- life -----------------------------------------------------------------------------------------------------------------
fq_server_telemetry *fq_server_telemetry_open(const fq_log *log, const char *server_id, const char *data_dir,
                                              const char *(*variable)(void *context, const char *name),
                                              void *variable_context) {
    fq_server_telemetry *telemetry = calloc(1, sizeof *telemetry);
    if (telemetry == NULL)
        return NULL;
    fq_telemetry_settings_read(&telemetry->settings, variable, variable_context, log);
    sem_init(&telemetry->ready, 0, 0);
    pthread_mutex_init(&telemetry->collecting, NULL);
    telemetry->server_id = server_id;
    telemetry->began_unix_ns = fq_clock_now().wall_us * 1000;
    telemetry->below = log;
    telemetry->log =
        (fq_log){.level = log != NULL ? log->level : FQ_LOG_INFO, .sink = log_line, .context = telemetry};
    char instance[FQ_INSTANCE_TEXT];
    const struct otel_metric_producer producer = {
        .produce = fq_server_telemetry_produce,
        .context = telemetry,
        .scope = {.name = FQ_TELEMETRY_SCOPE, .version = FQ_VERSION}
    };
    const struct fq_telemetry_options options = {
        .variable = variable,
        .variable_context = variable_context,
        .log = log,
        .instance_id = fq_telemetry_instance(data_dir, instance) ? instance : NULL,
        .producers = &producer,
        .producer_count = 1};
    telemetry->sdk = fq_telemetry_open(&telemetry->settings, &options);
    if (telemetry->sdk == NULL || fq_server_telemetry_metrics_init(telemetry) < 0)
        return fq_server_telemetry_free(telemetry);
    telemetry->tracer = otel_sdk_tracer(telemetry->sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    atomic_store(&telemetry->logger, otel_sdk_logger(telemetry->sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION));
    return telemetry;
}

fq_server_telemetry *fq_server_telemetry_free(fq_server_telemetry *telemetry) {
    if (telemetry == NULL)
        return NULL;
    atomic_store(&telemetry->logger, NULL);
    otel_sdk_free(telemetry->sdk);
    fq_server_telemetry_metrics_done(telemetry);
    sem_destroy(&telemetry->ready);
    pthread_mutex_destroy(&telemetry->collecting);
    free(telemetry);
    return NULL;
}
