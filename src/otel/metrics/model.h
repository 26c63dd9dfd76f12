// SPDX-License-Identifier: Apache-2.0
// What a meter provider is made of. An instrument feeds streams (what a view, or the lack of one, makes of it); a stream has
// a row for each attribute set it keeps; a row has a cell for each thread that measures.
//
// `lock` guards all growth; lists only grow at their ends, so that measuring and collecting walk them without it.
#ifndef OTEL_METRICS_MODEL_H
#define OTEL_METRICS_MODEL_H

#include "otel/metrics/attribute_set.h"
#include "otel/metrics/exponential.h"
#include "otel/metrics/produced.h"
#include "otel/metrics/provider.h"
#include "otel/metrics/store.h"
#include "otel/pool.h"
#include "otel/system/thread_slot.h"

#include <pthread.h>

enum { OTEL_ROW_CELLS = 4, OTEL_CARDINALITY_DEFAULT = 2000, OTEL_READERS_MAX = 16, OTEL_VIEWS_MAX = 256 };

// What one reader had at its last collection.
struct otel_baseline {
    uint64_t sum, count;
    uint64_t *buckets; // explicit histograms
    int64_t unix_ns;   // of that collection
};

struct otel_row {
    _Atomic(struct otel_row *) next; // of the stream
    struct otel_stream *stream;
    const uint8_t *key; // attribute set
    uint32_t key_len;
    uint32_t offset; // in the area
    uint64_t hash;
    int64_t start_unix_ns;
    _Atomic bool cell_lock;     // of the common cell
    _Atomic bool exemplar_lock; // of the reservoir
    bool is_overflow;
    bool is_observed;                                   // asynchronous: by this collection
    _Atomic(struct otel_block *) cells[OTEL_ROW_CELLS]; // by thread slot
    _Atomic(struct otel_more_cells *) more;
    _Atomic(struct otel_reservoir *) reservoir;
    void *custom_reservoir;
    struct otel_baseline *baselines; // one for each reader; NULL until a delta is wanted
    int64_t observed_unix_ns;        // asynchronous: last time
    double observed;
    int64_t observed_int;
};
struct otel_more_cells {
    _Atomic(struct otel_block *) cells[OTEL_THREAD_SLOTS - OTEL_ROW_CELLS];
};

struct otel_row_table {
    struct otel_row **slots;
    uint32_t mask, count;
};

struct otel_stream {
    struct otel_stream *next; // of the instrument
    struct otel_instrument *instrument;
    const char *name, *description;
    enum otel_aggregation aggregation;
    bool has_min_max;
    bool resets; // min, max and exponential buckets start anew with each collection of its only reader
    const double *bounds;
    uint32_t bound_count;
    int max_size, max_scale;
    struct otel_key_filter filter;
    bool filters; // some key may be left out
    const struct otel_reservoir_ops *reservoir;
    void *reservoir_context;
    uint32_t limit;
    uint32_t readers;        // bit for each that collects it
    _Atomic uint32_t window; // of min and max
    uint32_t offset;         // in the area
    struct otel_row_table table;
    _Atomic(struct otel_row *) first;
    struct otel_row *last, *overflow;
};

// What a measurement of one attribute set goes into.
struct otel_row_link {
    struct otel_row *row;
    const uint8_t *filtered; // the attributes that the stream leaves out
    uint32_t filtered_len;
};
struct otel_series {
    struct otel_instrument *instrument;
    const uint8_t *key;
    uint32_t key_len;
    uint32_t link_count;
    uint64_t hash;
    const struct otel_attribute *attributes; // only if a reservoir of the program's own wants them
    size_t attribute_count;
    struct otel_series *next;
    struct otel_row_link links[];
};

// Attributes as they were given once, in that order: finds the series without sorting.
struct otel_alias {
    uint64_t hash;
    struct otel_series *series;
    uint32_t len;
    uint8_t bytes[];
};
struct otel_alias_table {
    struct otel_alias_table *older; // readers may still be in it
    uint32_t mask, count;
    _Atomic(struct otel_alias *) slots[];
};

struct otel_callback {
    struct otel_callback *next;
    otel_observe_callback call;
    void *context;
    bool is_removed; // by a callback: not called any more, freed later
};

struct otel_instrument {
    _Atomic(struct otel_instrument *) next; // of the meter
    struct otel_meter *meter;
    const char *name, *unit, *description;
    enum otel_instrument_kind kind;
    bool integer;
    _Atomic uint8_t exemplar_filter; // enum otel_exemplar_filter
    const double *bounds;
    uint32_t bound_count;
    const char *const *attribute_keys;
    size_t attribute_key_count;
    const char *const *opt_in_keys;
    size_t opt_in_key_count;
    struct otel_stream *streams;
    uint32_t stream_count, series_max;
    _Atomic(struct otel_alias_table *) aliases;
    struct otel_series *series; // newest first
    struct otel_series **series_slots;
    uint32_t series_mask, series_count;
    struct otel_callback *callbacks; // collect_lock
    int64_t created_unix_ns;
    _Atomic bool warned;
};

struct otel_meter {
    _Atomic(struct otel_meter *) next;
    struct otel_meter_provider *provider;
    struct otel_scope_info scope;
    const uint8_t *scope_bytes;
    uint32_t scope_len;
    _Atomic(struct otel_instrument *) first;
    struct otel_instrument *last;
};

struct otel_reader {
    struct otel_meter_provider *provider;
    uint32_t index;
    struct otel_reader_options options;
    int64_t previous_unix_ns;       // collection
    otel_produced_totals *produced; // of producers, when deltas are wanted; under collect_lock
    pthread_mutex_t lock;           // all below
    pthread_cond_t wake, done;
    pthread_t thread;
    bool is_running, stops, has_shut_down;
    uint64_t wanted, finished; // exports asked for, by number
    int last_result;
    struct otel_reader_stats stats;
};

struct otel_produced {
    _Atomic(struct otel_produced *) next;
    struct otel_metric_producer producer;
    const uint8_t *scope_bytes;
    uint32_t scope_len;
};

struct otel_meter_provider {
    const struct otel_runtime *runtime;
    uint8_t *resource;
    size_t resource_len;
    const char *resource_schema_url;
    enum otel_exemplar_filter exemplar_filter;
    const struct otel_view_options *views;
    size_t view_count;
    bool views_compose;
    struct otel_reader *readers;
    uint32_t reader_count;
    pthread_mutex_t lock;
    bool fork_locked;             // by fork_prepare
    pthread_mutex_t collect_lock; // one collection at a time; recursive use is an error that is noticed
    struct otel_pool pool;
    struct otel_store store;
    _Atomic(struct otel_meter *) first_meter;
    struct otel_meter *last_meter;
    _Atomic(struct otel_produced *) first_producer;
    struct otel_produced *last_producer;
    struct otel_area_source *sources; // collect_lock
    _Atomic uint32_t epoch;           // collections so far: exemplars are chosen anew in each
    uint64_t seed;
    _Atomic bool has_shut_down, threads_are_gone; // gone: by a fork
    _Atomic uint64_t ignored, overflowed, lost;
    uint32_t random, objects; // lock; objects: meters and instruments
};

static inline bool otel_kind_is_observable(enum otel_instrument_kind kind) {
    return kind >= OTEL_OBSERVABLE_COUNTER;
}
static inline bool otel_kind_is_monotonic(enum otel_instrument_kind kind) {
    return kind == OTEL_COUNTER || kind == OTEL_OBSERVABLE_COUNTER || kind == OTEL_HISTOGRAM;
}
static inline uint64_t otel_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline double otel_real(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
void otel_row_lock_slowly(_Atomic bool *lock);
static inline void otel_row_lock(_Atomic bool *lock) {
    if (atomic_exchange_explicit(lock, true, memory_order_acquire))
        otel_row_lock_slowly(lock);
}
static inline void otel_row_unlock(_Atomic bool *lock) {
    atomic_store_explicit(lock, false, memory_order_release);
}

// instrument.c
/** The scope as an encoded InstrumentationScope message in the pool. */
bool otel_scope_copy(struct otel_pool *pool, const struct otel_scope_info *scope, const uint8_t **ret_bytes,
                     uint32_t *ret_len);
/** Whether a meter and an instrument are there already, or may be made while there are fewer than `max` of both. */
bool otel_meter_provider_has_room(struct otel_meter_provider *provider, uint32_t max,
                                  const struct otel_scope_info *scope,
                                  const struct otel_instrument_options *options);
/** Texts with their array; NULL without memory. */
const char *const *otel_texts_copy(struct otel_pool *pool, const char *const *texts, size_t count);
// view.c, compose.c
/** Makes the instrument's streams. Under `lock`. */
void otel_instrument_make_streams(struct otel_instrument *instrument);
/** Whether points of an instrument kind can be made into this. */
bool otel_aggregation_suits(enum otel_instrument_kind kind, enum otel_aggregation aggregation);
/** One view out of those among `views` that have this name or none; its lists are in the provider's pool. False without
 *  memory. Under `lock`. */
bool otel_views_compose(const struct otel_instrument *instrument,
                        const struct otel_view_options *const *views, size_t count, const char *name,
                        struct otel_view_options *ret_view);
// row.c, series.c
/** Row of the stream for these sorted attributes, the overflow row past the limit, NULL without memory. Under `lock`. */
struct otel_row *otel_stream_row(struct otel_stream *stream, const uint8_t *key, size_t key_len);
struct otel_row *otel_stream_overflow_row(struct otel_stream *stream);
/** Whether otel_stream_row would give another row than the overflow row. Under `lock`. */
bool otel_stream_would_keep(const struct otel_stream *stream, const uint8_t *key, size_t key_len);
/** Gives back what is not in the pool. */
void otel_row_done(struct otel_row *row);
/** The slot's cell, made if it is not there. NULL without memory. Takes `lock`. */
struct otel_block *otel_row_make_cell(struct otel_row *row, unsigned slot);
/** An empty cell in zeroed memory. */
void otel_cell_start(struct otel_block *block, const struct otel_stream *stream, uint32_t random);
/** The series of an attribute set, made if it is not there. NULL without memory. Takes `lock`. */
struct otel_series *otel_series_find(struct otel_instrument *instrument,
                                     const struct otel_attribute *attributes, size_t count);
// record.c
/** What a series' rows are told; `integer` and `real` are the same amount. */
struct otel_measurement {
    double real;
    int64_t integer;
    bool offers;                          // to reservoirs
    const struct otel_span_context *span; // NULL = none
};
// reader.c
int otel_readers_init(struct otel_meter_provider *provider,
                      const struct otel_meter_provider_options *options);
void otel_readers_done(struct otel_meter_provider *provider);
void otel_readers_fork_prepare(struct otel_meter_provider *provider);
void otel_readers_fork_parent(struct otel_meter_provider *provider);
void otel_readers_fork_child(struct otel_meter_provider *provider);
/** There is something to collect: periodic readers run from now on. */
void otel_readers_start(struct otel_meter_provider *provider);

#endif
