// SPDX-License-Identifier: Apache-2.0
/**
 * Metrics.
 *
 *     otel_instrument *requests = otel_counter(meter, "requests", "{request}", "Requests served");
 *     otel_add(requests, 1, attributes, 2);              attributes looked up each time
 *     otel_series *series = otel_bind(requests, attributes, 2);
 *     otel_series_add(series, 1);                        looked up once: a few nanoseconds
 *
 * All functions are safe to be called by any number of threads at once; measuring takes no lock and, once a series exists,
 * no memory. NULL meters, instruments and series are fine: they do nothing. NaN and infinities are ignored and counted.
 */
#ifndef OTEL_METRICS_H
#define OTEL_METRICS_H

#include "otel/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct otel_meter_provider otel_meter_provider;
typedef struct otel_meter otel_meter;
typedef struct otel_instrument otel_instrument;
typedef struct otel_series otel_series;
typedef struct otel_observer otel_observer;

enum otel_instrument_kind {
    OTEL_COUNTER,
    OTEL_UP_DOWN_COUNTER,
    OTEL_HISTOGRAM,
    OTEL_GAUGE,
    OTEL_OBSERVABLE_COUNTER,
    OTEL_OBSERVABLE_UP_DOWN_COUNTER,
    OTEL_OBSERVABLE_GAUGE,
    OTEL_INSTRUMENT_KIND_COUNT
};

/* Called once a collection; observations are only valid during the call. */
typedef void (*otel_observe_callback)(otel_observer *observer, void *context);

struct otel_instrument_options {
    enum otel_instrument_kind kind;
    const char *name;        /* [A-Za-z][A-Za-z0-9_.\-/]{0,254} */
    const char *unit;        /* NULL = "" */
    const char *description; /* NULL = "" */
    bool integer;            /* points are integers; measurements are rounded toward zero */
    /* Advice; views win. */
    const double *bounds; /* ascending; NULL = the default of the specification */
    size_t bound_count;
    const char *const *attribute_keys; /* keep only these; NULL = all */
    size_t attribute_key_count;
    const char *const *opt_in_keys; /* keep these only if a view names them */
    size_t opt_in_key_count;
    otel_observe_callback observe; /* of observable kinds; more with otel_instrument_observe */
    void *observe_context;
};

/** Of the provider; the same scope gives the same meter. Lives as long as the provider. NULL provider: NULL. */
OTEL_API otel_meter *otel_meter_get(otel_meter_provider *provider, const struct otel_scope_info *scope);
/** Name as it was given, valid or not. */
OTEL_API const char *otel_meter_name(const otel_meter *meter);

/** The same instrument again gives the same pointer. A bad name or a conflict is warned of once and still works. NULL only
 *  without a meter or memory. Lives as long as the provider. */
OTEL_API otel_instrument *otel_instrument_new(otel_meter *meter,
                                              const struct otel_instrument_options *options);
OTEL_API otel_instrument *otel_counter(otel_meter *meter, const char *name, const char *unit,
                                       const char *description);
OTEL_API otel_instrument *otel_up_down_counter(otel_meter *meter, const char *name, const char *unit,
                                               const char *description);
OTEL_API otel_instrument *otel_gauge(otel_meter *meter, const char *name, const char *unit,
                                     const char *description);
/** `bounds` NULL = the default ones. */
OTEL_API otel_instrument *otel_histogram(otel_meter *meter, const char *name, const char *unit,
                                         const char *description, const double *bounds, size_t bound_count);
/** False if no view and reader wants it: measuring may be spared. */
OTEL_API bool otel_instrument_enabled(const otel_instrument *instrument);

/** Counters and up-down counters; a negative amount for a counter is ignored and warned of once. */
OTEL_API void otel_add(otel_instrument *instrument, double amount, const struct otel_attribute *attributes,
                       size_t count);
/** Histograms and gauges. */
OTEL_API void otel_record(otel_instrument *instrument, double value, const struct otel_attribute *attributes,
                          size_t count);
/** As otel_add/otel_record by the instrument's kind, in a context that is not the current one: what exemplars name. */
OTEL_API void otel_measure(otel_instrument *instrument, double value, const struct otel_attribute *attributes,
                           size_t count, const struct otel_span_context *exemplar);

/** The series of one attribute set. Lives as long as the provider. Any thread may use it. */
OTEL_API otel_series *otel_bind(otel_instrument *instrument, const struct otel_attribute *attributes,
                                size_t count);
OTEL_API void otel_series_add(otel_series *series, double amount);
OTEL_API void otel_series_add_int(otel_series *series, int64_t amount);
OTEL_API void otel_series_record(otel_series *series, double value);
/** With the span to be named by an exemplar, NULL = none. */
OTEL_API void otel_series_measure(otel_series *series, double value,
                                  const struct otel_span_context *exemplar);

/** Another callback; several instruments may share one (call it for each). */
OTEL_API int otel_instrument_observe(otel_instrument *instrument, otel_observe_callback callback,
                                     void *context);
/** After it returns, the callback is not running and will not be called again. */
OTEL_API void otel_instrument_unobserve(otel_instrument *instrument, otel_observe_callback callback,
                                        void *context);
OTEL_API void otel_observe(otel_observer *observer, double value, const struct otel_attribute *attributes,
                           size_t count);
OTEL_API void otel_observe_int(otel_observer *observer, int64_t value,
                               const struct otel_attribute *attributes, size_t count);

/* --- producers: points that are counted elsewhere --- */
/* Writes points into a collection. Valid during the call it is given to. */
typedef struct otel_point_writer otel_point_writer;
enum otel_temporality { OTEL_TEMPORALITY_DELTA = 1, OTEL_TEMPORALITY_CUMULATIVE = 2 };

struct otel_point_exemplar {
    double value;
    int64_t unix_ns; /* 0 = this one is empty */
    uint8_t trace_id[16];
    uint8_t span_id[8];
};
struct otel_point_histogram {
    const double *bounds;
    const uint64_t *buckets; /* bound_count + 1, not cumulated */
    size_t bound_count;
    double sum;
    bool has_min_max;
    double min, max;
    const struct otel_point_exemplar *exemplars; /* one a bucket; NULL = none */
};
/** Starts a metric; the points that follow are its. Temporality is for sums and histograms; `kind` may be any but only its
 *  shape counts. */
OTEL_API void otel_point_metric(otel_point_writer *writer, enum otel_instrument_kind kind, const char *name,
                                const char *unit, const char *description, enum otel_temporality temporality);
OTEL_API void otel_point_int(otel_point_writer *writer, const struct otel_attribute *attributes, size_t count,
                             int64_t start_unix_ns, int64_t value);
OTEL_API void otel_point_double(otel_point_writer *writer, const struct otel_attribute *attributes,
                                size_t count, int64_t start_unix_ns, double value);
OTEL_API void otel_point_histogram(otel_point_writer *writer, const struct otel_attribute *attributes,
                                   size_t count, int64_t start_unix_ns,
                                   const struct otel_point_histogram *histogram);
/** The series has ended: a point with NO_RECORDED_VALUE, of the current metric's shape. */
OTEL_API void otel_point_ended(otel_point_writer *writer, const struct otel_attribute *attributes,
                               size_t count);

struct otel_metric_producer {
    /* Called by each collection of each reader, on its thread; scope is the one points stand under. */
    void (*produce)(void *context, otel_point_writer *writer, int64_t now_unix_ns);
    void *context;
    struct otel_scope_info scope; /* copied */
};

/* --- exemplars: how the program itself chooses which measurements are kept as examples (set by a view) --- */
struct otel_reservoir_exemplar {
    double value;
    int64_t unix_ns;
    uint8_t trace_id[16], span_id[8];        /* all zero = none */
    const struct otel_attribute *attributes; /* what the stream left out; memory of the reservoir */
    size_t attribute_count;
};
struct otel_reservoir_ops {
    /* A reservoir for one series; `bounds` of an explicit histogram, else NULL. NULL = no exemplars. */
    void *(*create)(void *context, const double *bounds, size_t bound_count);
    /* A measurement that passed the exemplar filter. One call at a time for a reservoir. `attributes`: all that were given.
     * `span`: NULL = none; `context`: the current one. */
    void (*offer)(void *self, double value, int64_t unix_ns, const struct otel_attribute *attributes,
                  size_t count, const struct otel_span_context *span, const otel_context *context);
    /* What it holds now, at most `max`. Valid until the next call. */
    size_t (*collect)(void *self, struct otel_reservoir_exemplar *ret_exemplars, size_t max);
    void (*free)(void *self);
};

/* --- changes while it runs; any thread --- */
/** The producer is asked in each collection from now on. Copied. OTEL_OK or OTEL_FAILED. */
OTEL_API int otel_meter_provider_add_producer(otel_meter_provider *provider,
                                              const struct otel_metric_producer *producer);
/* Which measurements may become exemplars: those in sampled spans, all, none. */
enum otel_exemplar_filter { OTEL_EXEMPLARS_TRACE_BASED, OTEL_EXEMPLARS_ALWAYS_ON, OTEL_EXEMPLARS_ALWAYS_OFF };
/** From now on, also for instruments that are there already. */
OTEL_API void otel_meter_provider_set_exemplar_filter(otel_meter_provider *provider,
                                                      enum otel_exemplar_filter filter);

/** Collects and exports now. */
OTEL_API int otel_meter_provider_flush(otel_meter_provider *provider, int64_t timeout_ms);
/** Collects and exports for the last time. */
OTEL_API int otel_meter_provider_shutdown(otel_meter_provider *provider, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
