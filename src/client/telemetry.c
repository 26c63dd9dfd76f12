// SPDX-License-Identifier: Apache-2.0
// Source of names and units: messaging semantic conventions; telemetry/names.h.
#include "client/telemetry.h"

#include "base/str.h"
#include "base/time.h"
#include "fastqueue/version.h"
#include "net/clock.h"
#include "telemetry/names.h"
#include "telemetry/telemetry.h"

#include <stdio.h>

enum { COMMON_ATTRIBUTES = 6, NAME_TEXT = 257 };

static const double operation_bounds_s[] = FQ_MESSAGING_BOUNDS_S;

void fq_client_telemetry_init(struct fq_client_telemetry *telemetry, otel_sdk *sdk) {
    *telemetry = (struct fq_client_telemetry){.tracer = NULL};
    if (sdk == NULL)
        return;
    telemetry->tracer = otel_sdk_tracer(sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    otel_meter *meter = otel_sdk_meter(sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    const struct otel_instrument_options sent = {.kind = OTEL_COUNTER,
                                                 .name = FQ_METRIC_SENT,
                                                 .unit = "{message}",
                                                 .description = "Tasks that were to be submitted.",
                                                 .integer = true};
    telemetry->sent = otel_instrument_new(meter, &sent);
    const struct otel_instrument_options consumed = {.kind = OTEL_COUNTER,
                                                     .name = FQ_METRIC_CONSUMED,
                                                     .unit = "{message}",
                                                     .description = "Tasks that were handed to a worker.",
                                                     .integer = true};
    telemetry->consumed = otel_instrument_new(meter, &consumed);
    telemetry->process =
        otel_histogram(meter, FQ_METRIC_PROCESS_DURATION, "s", "Run time of tasks.", operation_bounds_s,
                       sizeof operation_bounds_s / sizeof operation_bounds_s[0]);
    telemetry->duration =
        otel_histogram(meter, FQ_METRIC_OPERATION, "s", "Time until a submission was answered.",
                       operation_bounds_s, sizeof operation_bounds_s / sizeof operation_bounds_s[0]);
}

otel_sdk *fq_client_telemetry_sdk(void) {
    struct fq_telemetry_settings settings;
    fq_telemetry_settings_read(&settings, NULL, NULL, NULL);
    if (!settings.enabled)
        return NULL;
    otel_sdk *sdk = otel_sdk_global();
    if (sdk != NULL)
        return sdk;
    const struct fq_telemetry_options options = {.log = NULL};
    return otel_sdk_global_or(fq_telemetry_open(&settings, &options));
}

// Attributes of span and metrics. Returns how many.
static size_t common_attributes(fq_slice name, const struct fq_address *server,
                                struct otel_attribute attributes[COMMON_ATTRIBUTES]) {
    size_t count = 0;
    attributes[count++] = otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM);
    attributes[count++] = otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_SUBMIT);
    attributes[count++] = otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_SEND);
    attributes[count++] = otel_text_len(FQ_ATTR_DESTINATION, name.ptr, name.len);
    if (server == NULL)
        return count;
    bool is_unix = server->kind == FQ_ADDRESS_UNIX;
    attributes[count++] = otel_text(FQ_ATTR_SERVER_ADDRESS, is_unix ? server->path : server->host);
    if (!is_unix)
        attributes[count++] = otel_int(FQ_ATTR_SERVER_PORT, server->port);
    return count;
}

void fq_submission_begin(const struct fq_client_telemetry *telemetry, struct fq_submission *submission,
                         fq_slice name, const struct fq_submit_options *options,
                         const struct fq_address *server) {
    struct otel_attribute attributes[COMMON_ATTRIBUTES + 2];
    struct otel_span_context given;
    const char *traceparent = options->traceparent;
    // A context that comes with the options travels on as it is: the span is then not the one that workers continue.
    bool is_given =
        traceparent != NULL && otel_traceparent_parse(traceparent, strlen(traceparent), &given) == 0;
    size_t count = common_attributes(name, server, attributes);
    attributes[count++] = otel_text_len(FQ_ATTR_TASK_NAME, name.ptr, name.len);
    attributes[count++] =
        otel_text(FQ_ATTR_TASK_PRIORITY, options->priority != NULL ? options->priority : "normal");
    const struct otel_span_options span = {.kind = is_given ? OTEL_SPAN_CLIENT : OTEL_SPAN_PRODUCER,
                                           .parent = is_given ? &given : NULL,
                                           .parent_tracestate = is_given ? options->tracestate : NULL,
                                           .attributes = attributes,
                                           .attribute_count = count};
    submission->began_us = fq_clock_now().boot_us;
    submission->span = otel_span_start(telemetry->tracer, FQ_SPAN_SUBMIT, &span);
}

void fq_submission_inject(const struct fq_submission *submission, struct fq_submission_context *texts,
                          struct fq_submit_options *options) {
    struct otel_span_context context = otel_span_context_of(submission->span);
    if (options->traceparent == NULL && otel_span_context_is_valid(&context)) {
        size_t len;
        const char *tracestate = otel_span_tracestate(submission->span, &len);
        otel_traceparent_format(&context, texts->traceparent);
        texts->traceparent[OTEL_TRACEPARENT_TEXT] = '\0';
        options->traceparent = texts->traceparent;
        if (len > 0 && len <= FQ_TRACESTATE_TEXT) {
            memcpy(texts->tracestate, tracestate, len);
            texts->tracestate[len] = '\0';
            options->tracestate = texts->tracestate;
        }
    }
    if (options->baggage == NULL) {
        size_t len = otel_baggage_format(otel_baggage_current(), texts->baggage, FQ_BAGGAGE_TEXT);
        texts->baggage[len] = '\0';
        options->baggage = len > 0 ? texts->baggage : NULL;
    }
}

void fq_submission_end(const struct fq_client_telemetry *telemetry, struct fq_submission *submission,
                       fq_slice name, const struct fq_address *server, const char *id, int error) {
    if (submission->began_us == 0)
        return;
    double seconds = (double)(fq_clock_now().boot_us - submission->began_us) / FQ_US_PER_S;
    submission->began_us = 0;
    otel_span *span = submission->span;
    submission->span = NULL;
    struct otel_attribute attributes[COMMON_ATTRIBUTES + 1];
    size_t count = common_attributes(name, server, attributes);
    if (id != NULL && id[0] != '\0') {
        otel_span_set_attribute(span, otel_text(FQ_ATTR_TASK_ID, id));
        otel_span_set_attribute(span, otel_text(FQ_ATTR_MESSAGE_ID, id));
    }
    if (error < 0) {
        const struct fq_error_info *info = fq_error_info(error);
        attributes[count++] = otel_text(FQ_ATTR_ERROR_TYPE, info->name);
        otel_span_set_attribute(span, attributes[count - 1]);
        otel_span_set_status(span, OTEL_STATUS_ERROR, info->text);
    }
    struct otel_span_context context = otel_span_context_of(span);
    otel_measure(telemetry->sent, 1, attributes, count, &context);
    otel_measure(telemetry->duration, seconds, attributes, count, &context);
    otel_span_end(span);
}
