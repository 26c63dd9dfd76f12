// SPDX-License-Identifier: Apache-2.0
/**
 * The SDK put together: providers, processors, readers and exporters from the environment, from a configuration file, or
 * from a program's own choice.
 *
 *     struct otel_sdk_options options;
 *     otel_sdk_options_init(&options);                        what OTEL_* variables say
 *     otel_sdk *sdk = otel_sdk_new(&options);
 *     otel_tracer *tracer = otel_sdk_tracer(sdk, "my program", "1.0");
 *     …
 *     otel_sdk_free(sdk);                                     flushes, at most `exit_timeout_ms`
 */
#ifndef OTEL_SDK_H
#define OTEL_SDK_H

#include "otel/config.h"
#include "otel/exporter.h"
#include "otel/propagation.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct otel_sdk otel_sdk;
typedef struct otel_resource otel_resource;

/* Where time and randomness come from; the defaults ask the system. Any thread calls them. */
struct otel_clock {
    int64_t (*unix_ns)(void *context);
    int64_t (*monotonic_ns)(void *context);
    void *context;
};
struct otel_id_generator {
    void (*trace_id)(void *context, uint8_t ret_id[16]);
    void (*span_id)(void *context, uint8_t ret_id[8]);
    bool random; /* the last 7 bytes of trace ids are random: sets the level 2 flag */
    void *context;
};
/* Told what goes wrong, at most a few times a minute for each kind. Any thread. */
enum otel_log_level { OTEL_LEVEL_NONE, OTEL_LEVEL_ERROR, OTEL_LEVEL_WARN, OTEL_LEVEL_INFO, OTEL_LEVEL_DEBUG };
struct otel_diagnostics {
    void (*report)(void *context, enum otel_log_level level, const char *text);
    void *context;
};

struct otel_view_options {
    /* Which instruments: NULL or -1 = any. Names may hold * and ?. */
    const char *instrument_name, *instrument_unit, *meter_name, *meter_version, *meter_schema_url;
    int instrument_kind; /* enum otel_instrument_kind or -1 */
    /* What becomes of them: NULL, 0 = unchanged. Attributes that a view leaves out of its stream may still leave the program
     * on exemplars, as their filtered attributes: OTEL_METRICS_EXEMPLAR_FILTER=always_off prevents that. */
    const char *name, *description;
    const char *const *attribute_keys; /* keep only these */
    size_t attribute_key_count;
    const char *const *excluded_keys;
    size_t excluded_key_count;
    enum otel_aggregation {
        OTEL_AGGREGATE_DEFAULT,
        OTEL_AGGREGATE_DROP,
        OTEL_AGGREGATE_SUM,
        OTEL_AGGREGATE_LAST_VALUE,
        OTEL_AGGREGATE_EXPLICIT_HISTOGRAM,
        OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM,
    } aggregation;
    const double *bounds;
    size_t bound_count;
    int max_size, max_scale; /* exponential; 0 = 160, 20 */
    bool no_min_max;
    size_t cardinality_limit;                   /* 0 = the reader's */
    const struct otel_reservoir_ops *reservoir; /* NULL = the specification's choice */
    void *reservoir_context;
};
void otel_view_options_init(struct otel_view_options *options);

struct otel_sdk_options {
    /* Reads a variable; NULL = the process's environment. A program may keep its own. */
    const char *(*variable)(void *context, const char *name);
    void *variable_context;
    /* Defaults of the program, below the environment. */
    const char *service_name;              /* NULL: "unknown_service:" and the program's name */
    const char *service_version;           /* NULL = none */
    const struct otel_attribute *resource; /* above the environment */
    size_t resource_count;
    const char *user_agent_product; /* put before the SDK's: "fastqueue/1.2.3"; NULL = none */
    bool grpc_by_default;           /* OTLP protocol when no variable says: grpc instead of http/protobuf */
    /* Instead of processors and exporters of the SDK's own: all spans and log records go here, encoded. */
    const struct otel_sink *sink;
    /* Instead of memory of the SDK's own: series of metrics live here, for another process to collect (metric_area.h). */
    void *metric_area;
    size_t metric_area_len;
    /* Beside what the variables ask for. Taken over. */
    const struct otel_span_processor *span_processors;
    size_t span_processor_count;
    const struct otel_log_processor *log_processors;
    size_t log_processor_count;
    const struct otel_exporter
        *exporters[OTEL_SIGNAL_COUNT]; /* one of the program's own for each signal; NULL = none */
    bool only_own_exporters;           /* no exporter by variables */
    otel_sampler *sampler;             /* NULL = by variables */
    const struct otel_view_options *views;
    size_t view_count;
    /* Views of one stream name make one stream of an instrument: of each setting the last one said counts, attributes are
     * kept if all of them keep them; views without a name add to all. Otherwise each view makes a stream of its own. */
    bool views_compose;
    size_t metric_batch_max; /* data points in one export of a periodic reader; 0 = all of a collection */
    const struct otel_metric_producer *producers;
    size_t producer_count;
    size_t cardinality_limit; /* series of one metric; 0 = 2,000 */
    const struct otel_clock *clock;
    const struct otel_id_generator *ids;
    /* What the SDK is, instead of variables; borrowed during otel_sdk_new. NULL = variables, or the file they name. */
    const otel_config *config;
    const struct otel_component_provider *components; /* copied; for files and for names in variables */
    size_t component_count;
    struct otel_diagnostics diagnostics; /* report NULL = lines on stderr */
    int64_t exit_timeout_ms;             /* of otel_sdk_free; default 1,000 */
};
/** All defaults: everything by the environment. */
OTEL_API void otel_sdk_options_init(struct otel_sdk_options *options);

/** Never fails for bad configuration: that is reported and the default taken. NULL only when out of memory. */
OTEL_API otel_sdk *otel_sdk_new(const struct otel_sdk_options *options);
/** Shuts down within exit_timeout_ms, then frees. Spans, series and tracers must not be used any more. Returns NULL. */
OTEL_API otel_sdk *otel_sdk_free(otel_sdk *sdk);

/** NULL when the signal is off. Borrowed. */
OTEL_API otel_tracer_provider *otel_sdk_tracer_provider(const otel_sdk *sdk);
OTEL_API otel_meter_provider *otel_sdk_meter_provider(const otel_sdk *sdk);
OTEL_API otel_logger_provider *otel_sdk_logger_provider(const otel_sdk *sdk);
OTEL_API const otel_propagator *otel_sdk_propagator(const otel_sdk *sdk);
/** Short forms; `version` may be NULL. NULL when the signal is off, which all functions take. */
OTEL_API otel_tracer *otel_sdk_tracer(const otel_sdk *sdk, const char *name, const char *version);
OTEL_API otel_meter *otel_sdk_meter(const otel_sdk *sdk, const char *name, const char *version);
OTEL_API otel_logger *otel_sdk_logger(const otel_sdk *sdk, const char *name, const char *version);

/** All signals. OTEL_OK, OTEL_FAILED, OTEL_TIMEOUT. */
OTEL_API int otel_sdk_flush(otel_sdk *sdk, int64_t timeout_ms);
/** Sends what is left, without the waits of retries (whoever wants those flushes first), and ends. A second call does
 *  nothing. */
OTEL_API int otel_sdk_shutdown(otel_sdk *sdk, int64_t timeout_ms);

/** Adds a processor to what runs. Taken over. */
OTEL_API int otel_sdk_add_span_processor(otel_sdk *sdk, struct otel_span_processor processor);
/** Whether records of this signal leave through an exporter of this SDK: what otel_sdk_put_record needs. */
OTEL_API bool otel_sdk_has_exporter(const otel_sdk *sdk, enum otel_signal signal);
/** Whether otel_sdk_put_record would be taken now, of any size. A reader that can wait asks first. Cheap. */
OTEL_API bool otel_sdk_has_room(const otel_sdk *sdk, enum otel_signal signal);
/** A finished span or log record from elsewhere (a sink's reader): checked to the bottom, exported like one's own. */
OTEL_API int otel_sdk_put_record(otel_sdk *sdk, enum otel_record_type type, const void *record, size_t len);
/** The same for a record that the caller has checked, or that its own process made: what is not sound would make the
 *  receiver refuse the whole request. */
OTEL_API int otel_sdk_put_checked_record(otel_sdk *sdk, enum otel_record_type type, const void *record,
                                         size_t len);

/* --- the program's default --- */
/** NULL until set. */
OTEL_API otel_sdk *otel_sdk_global(void);
OTEL_API void otel_sdk_set_global(otel_sdk *sdk);
/** Makes `sdk` the default if there is none yet; else frees it. Returns the default. */
OTEL_API otel_sdk *otel_sdk_global_or(otel_sdk *sdk);

/* --- what happened to telemetry: for doctors and /metrics --- */
struct otel_signal_stats {
    uint64_t created, exported, dropped_queue_full, dropped_failed, dropped_rejected;
    uint64_t queue_len, queue_bytes;
    uint64_t exports, export_failures;
    int64_t last_success_unix_ns; /* 0 = never */
    char last_error[200];         /* "" = none */
};
OTEL_API void otel_sdk_stats(const otel_sdk *sdk, enum otel_signal signal,
                             struct otel_signal_stats *ret_stats);

/* --- the variables, for help texts and doctors --- */
struct otel_variable {
    char name[64];
    const char
        *type; /* "boolean", "number", "milliseconds", "ratio", "word", "words", "text", "file", "secret" */
    const char *default_value; /* "" = none */
    const char *help;
};
/** Row `index` of what the SDK reads; false behind the last. */
OTEL_API bool otel_variable_at(size_t index, struct otel_variable *ret_variable);

/* Where a signal goes: one row for each exporter. */
struct otel_destination {
    enum otel_signal signal;
    const char *component_type;     /* of the exporter: "otlp_grpc_span_exporter", … */
    const char *endpoint;           /* "" = none; borrowed from the SDK */
    const char *protocol;           /* "grpc", "http/protobuf", "http/json", "" */
    bool insecure;                  /* a gRPC endpoint without scheme is spoken to in plain text */
    const char *const *header_keys; /* values are secret; NULL-terminated */
    struct otel_exporter_stats stats;
};
/** Row `index`; false behind the last. */
OTEL_API bool otel_sdk_destination(const otel_sdk *sdk, size_t index,
                                   struct otel_destination *ret_destination);
/** Who sends: the resource as it is in force. */
OTEL_API size_t otel_sdk_resource_count(const otel_sdk *sdk);
OTEL_API struct otel_attribute otel_sdk_resource_at(const otel_sdk *sdk, size_t index);

#ifdef __cplusplus
}
#endif
#endif
