// SPDX-License-Identifier: Apache-2.0
// What a program asks of its SDK.
#include "otel/sdk/state.h"

otel_tracer_provider *otel_sdk_tracer_provider(const otel_sdk *sdk) {
    return sdk != NULL ? sdk->tracer_provider : NULL;
}

otel_meter_provider *otel_sdk_meter_provider(const otel_sdk *sdk) {
    return sdk != NULL ? sdk->meter_provider : NULL;
}

otel_logger_provider *otel_sdk_logger_provider(const otel_sdk *sdk) {
    return sdk != NULL ? sdk->logger_provider : NULL;
}

const otel_propagator *otel_sdk_propagator(const otel_sdk *sdk) {
    return sdk != NULL ? sdk->propagator : otel_propagator_global();
}

otel_tracer *otel_sdk_tracer(const otel_sdk *sdk, const char *name, const char *version) {
    struct otel_scope_info scope = {.name = name, .version = version};
    return otel_tracer_get(otel_sdk_tracer_provider(sdk), &scope);
}

otel_meter *otel_sdk_meter(const otel_sdk *sdk, const char *name, const char *version) {
    struct otel_scope_info scope = {.name = name, .version = version};
    return otel_meter_get(otel_sdk_meter_provider(sdk), &scope);
}

otel_logger *otel_sdk_logger(const otel_sdk *sdk, const char *name, const char *version) {
    struct otel_scope_info scope = {.name = name, .version = version};
    return otel_logger_get(otel_sdk_logger_provider(sdk), &scope);
}

int otel_sdk_add_span_processor(otel_sdk *sdk, struct otel_span_processor processor) {
    if (sdk == NULL || sdk->tracer_provider == NULL)
        return OTEL_FAILED;
    return otel_tracer_provider_add_processor(sdk->tracer_provider, processor);
}

bool otel_sdk_has_exporter(const otel_sdk *sdk, enum otel_signal signal) {
    return sdk != NULL && sdk->pipe_count[signal] > 0;
}

bool otel_sdk_has_room(const otel_sdk *sdk, enum otel_signal signal) {
    for (size_t i = 0; sdk != NULL && i < sdk->pipe_count[signal]; i++)
        if (otel_batch_has_room(sdk->pipes[signal][i].batch))
            return true;
    return false;
}

static int put(otel_sdk *sdk, enum otel_record_type type, const void *record, size_t len,
               int (*put_one)(otel_batch *batch, const void *record, size_t len)) {
    enum otel_signal signal = type == OTEL_RECORD_SPAN ? OTEL_SIGNAL_TRACES : OTEL_SIGNAL_LOGS;
    int result = OTEL_OK;
    if (sdk == NULL || sdk->pipe_count[signal] == 0)
        return OTEL_FAILED;
    for (size_t i = 0; i < sdk->pipe_count[signal]; i++) {
        int one = put_one(sdk->pipes[signal][i].batch, record, len);
        result = result == OTEL_OK ? one : result;
    }
    return result;
}

int otel_sdk_put_record(otel_sdk *sdk, enum otel_record_type type, const void *record, size_t len) {
    return put(sdk, type, record, len, otel_batch_put);
}

int otel_sdk_put_checked_record(otel_sdk *sdk, enum otel_record_type type, const void *record, size_t len) {
    return put(sdk, type, record, len, otel_batch_put_checked);
}

static void add(struct otel_signal_stats *sum, const struct otel_signal_stats *part) {
    sum->exported += part->exported;
    sum->dropped_queue_full += part->dropped_queue_full;
    sum->dropped_failed += part->dropped_failed;
    sum->dropped_rejected += part->dropped_rejected;
    sum->queue_len += part->queue_len;
    sum->queue_bytes += part->queue_bytes;
    sum->exports += part->exports;
    sum->export_failures += part->export_failures;
    if (part->last_success_unix_ns > sum->last_success_unix_ns)
        sum->last_success_unix_ns = part->last_success_unix_ns;
    if (part->last_error[0] != '\0')
        memcpy(sum->last_error, part->last_error, sizeof sum->last_error);
}

static uint64_t created(const otel_sdk *sdk, enum otel_signal signal) {
    struct otel_tracer_stats stats;
    uint64_t sum = 0;
    if (signal == OTEL_SIGNAL_LOGS)
        return sdk->logger_provider != NULL ? otel_logger_provider_created(sdk->logger_provider) : 0;
    if (sdk->tracer_provider == NULL)
        return 0;
    otel_tracer_provider_stats(sdk->tracer_provider, &stats);
    for (int origin = 0; origin < 3; origin++) {
        for (int decision = 0; decision < 3; decision++)
            sum += stats.started[origin][decision];
    }
    return sum;
}

void otel_sdk_stats(const otel_sdk *sdk, enum otel_signal signal, struct otel_signal_stats *ret_stats) {
    struct otel_signal_stats part;
    memset(ret_stats, 0, sizeof *ret_stats);
    if (sdk == NULL)
        return;
    if (signal == OTEL_SIGNAL_METRICS) {
        if (sdk->meter_provider != NULL)
            otel_meter_provider_stats(sdk->meter_provider, ret_stats);
        return;
    }
    ret_stats->created = created(sdk, signal);
    for (size_t i = 0; i < sdk->pipe_count[signal]; i++) {
        memset(&part, 0, sizeof part);
        otel_batch_stats(sdk->pipes[signal][i].batch, &part);
        add(ret_stats, &part);
    }
}

bool otel_sdk_destination(const otel_sdk *sdk, size_t index, struct otel_destination *ret_destination) {
    if (sdk == NULL || index >= sdk->outlet_count)
        return false;
    const struct otel_sdk_outlet *outlet = &sdk->outlets[index];
    *ret_destination = (struct otel_destination){.signal = outlet->signal,
                                                 .component_type = outlet->exporter.ops->component_type,
                                                 .endpoint = outlet->endpoint,
                                                 .protocol = outlet->protocol,
                                                 .insecure = outlet->insecure,
                                                 .header_keys = outlet->header_keys};
    if (outlet->exporter.ops->stats != NULL)
        outlet->exporter.ops->stats(outlet->exporter.self, &ret_destination->stats);
    return true;
}
