// SPDX-License-Identifier: Apache-2.0
// What an SDK is made of. Created whole by otel_sdk_new, then only its parts change, each by its own rules.
#ifndef OTEL_SDK_STATE_H
#define OTEL_SDK_STATE_H

#include "otel/config/model.h"
#include "otel/exporters/prometheus_server.h"
#include "otel/logs/provider.h"
#include "otel/metrics/provider.h"
#include "otel/pipeline/batch.h"
#include "otel/resource.h"
#include "otel/sdk.h"
#include "otel/system/system.h"
#include "otel/trace/provider.h"

#include <stdatomic.h>

enum { OTEL_PIPES_MAX = 8, OTEL_READERS_MAX = 8, OTEL_COMPONENT_NAME_SIZE = 64 };

// Where an exporter goes, for doctors and otel.sdk.*. The exporter itself belongs to its batch or reader and lives as long.
struct otel_sdk_outlet {
    enum otel_signal signal;
    struct otel_exporter exporter;
    char name[OTEL_COMPONENT_NAME_SIZE]; // "<type>/<number>"
    const char *endpoint, *protocol;     // "" = none
    bool insecure;
    const char *const *header_keys;
};

// A processor of spans or log records with its exporter.
struct otel_sdk_pipe {
    otel_batch *batch;
    bool simple;
    uint32_t queue_max;
    char name[OTEL_COMPONENT_NAME_SIZE];
};

struct otel_sdk {
    struct otel_runtime runtime;
    struct otel_diagnostics diagnostics; // where reports end
    enum otel_log_level level;
    struct otel_pool pool; // texts that live as long as the SDK
    int64_t exit_timeout_ms;
    _Atomic bool is_shut;
    int64_t start_unix_ns; // when it, or this process of it, began to count

    otel_resource *resource;
    fq_buf resource_bytes; // an encoded Resource message
    bool instance_is_ours; // service.instance.id was made here, so a child makes another one

    otel_tracer_provider *tracer_provider;
    otel_logger_provider *logger_provider;
    otel_meter_provider *meter_provider;
    struct otel_sdk_pipe pipes[OTEL_SIGNAL_COUNT][OTEL_PIPES_MAX]; // traces and logs
    size_t pipe_count[OTEL_SIGNAL_COUNT];
    struct otel_sdk_outlet outlets[3 * OTEL_PIPES_MAX];
    size_t outlet_count;
    otel_prometheus_server *servers[OTEL_READERS_MAX];
    size_t server_count;
    bool has_sink;
    struct otel_sink sink; // of the program: instead of pipes
    otel_otlp_pool *connections;
    int files[OTEL_PIPES_MAX];
    size_t file_count;

    otel_propagator *propagator;       // composite, owned
    struct otel_process_member member; // fork and exit
};

// --- making the parts (create_*.c). Each returns OTEL_OK, or OTEL_FAILED when out of memory. -----------------------------
int otel_sdk_make_resource(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config);
otel_sampler *otel_sdk_make_sampler(const otel_sdk *sdk, const struct otel_model_sampler *model);
int otel_sdk_make_propagator(otel_sdk *sdk, const struct otel_sdk_options *options,
                             const otel_config *config);
/** 0 and *ret_exporter, or OTEL_FAILED: it was reported. */
int otel_sdk_make_exporter(otel_sdk *sdk, const struct otel_sdk_options *options, enum otel_signal signal,
                           const struct otel_model_exporter *model, struct otel_exporter *ret_exporter);
int otel_sdk_make_traces(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config);
int otel_sdk_make_logs(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config);
int otel_sdk_make_metrics(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config);
/** Remembers where an exporter goes. */
void otel_sdk_note_outlet(otel_sdk *sdk, enum otel_signal signal, const struct otel_model_exporter *model,
                          struct otel_exporter exporter);
/** Metrics of the SDK itself, out of what its parts count anyway. */
void otel_sdk_produce(void *sdk, otel_point_writer *writer, int64_t now_unix_ns);

/** As the callbacks of the providers: all pipes of a signal. */
int otel_sdk_flush_traces(void *sdk, int64_t timeout_ms);
int otel_sdk_flush_logs(void *sdk, int64_t timeout_ms);
/** Joins those who are told of fork and exit. */
void otel_sdk_join(otel_sdk *sdk);

#endif
