// SPDX-License-Identifier: Apache-2.0
// Readers: temporality and aggregation by kind, independent state, filters, periodic export, flush, shutdown and fork.
#include "support/metrics_probe.h"

#include "otel/exporters/otlp.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct probe_world world;
static struct probe probe;
static otel_meter_provider *provider;
static otel_meter *meter;

static int begin(void **state) {
    (void)state;
    probe_world_init(&world);
    provider = NULL;
    return 0;
}
static int end(void **state) {
    (void)state;
    otel_meter_provider_free(provider);
    probe_done(&probe);
    return 0;
}
static void use(const struct otel_reader_options *readers, size_t count) {
    struct otel_meter_provider_options options = {
        .runtime = &world.runtime, .readers = readers, .reader_count = count};
    provider = otel_meter_provider_new(&options);
    assert_non_null(provider);
    meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
}
static struct otel_reader_options all_delta(void) {
    struct otel_reader_options reader = {0};
    for (int i = 0; i < OTEL_INSTRUMENT_KIND_COUNT; i++)
        reader.temporality[i] = OTEL_TEMPORALITY_DELTA;
    return reader;
}
static void collect_at(int64_t unix_ns, size_t reader) {
    world.unix_ns = unix_ns;
    probe_collect(&probe, provider, reader);
}
static const struct probe_point *found(const char *name, const char *attributes) {
    return probe_find(&probe, name, attributes);
}

// --- temporality -----------------------------------------------------------------------------------------------------
static void delta_of_counters_and_histograms(void **state) {
    (void)state;
    struct otel_reader_options reader = all_delta();
    use(&reader, 1);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    otel_instrument *histogram = otel_histogram(meter, "h", NULL, NULL, NULL, 0);
    struct otel_attribute a = otel_int("a", 1), b = otel_int("a", 2);
    world.unix_ns = 1500;
    otel_add(counter, 5, &a, 1);
    otel_add(counter, 7, &b, 1);
    otel_record(histogram, 3, NULL, 0);
    otel_record(histogram, 300, NULL, 0);
    collect_at(2000, 0);
    assert_true(found("c", "a=1")->value == 5 && found("c", "a=1")->temporality == OTEL_TEMPORALITY_DELTA);
    assert_int_equal(found("c", "a=1")->start, 1500);
    assert_true(found("h", NULL)->min == 3 && found("h", NULL)->max == 300);
    otel_add(counter, 1, &a, 1);
    otel_record(histogram, 20, NULL, 0);
    collect_at(3000, 0);
    assert_true(found("c", "a=1")->value == 1);
    assert_int_equal(found("c", "a=1")->start, 2000);
    assert_int_equal(found("c", "a=1")->time, 3000);
    assert_null(found("c", "a=2")); // only what was measured since
    const struct probe_point *point = found("h", NULL);
    assert_true(point->count == 1 && point->sum == 20 && point->min == 20 && point->max == 20);
    collect_at(4000, 0);
    assert_int_equal(probe.count, 0);
    otel_add(counter, 0, &a, 1); // nothing added is still a measurement
    collect_at(5000, 0);
    assert_true(found("c", "a=1")->value == 0);
}

static void delta_of_exponential_histograms_starts_anew(void **state) {
    (void)state;
    struct otel_reader_options reader = all_delta();
    reader.aggregation[OTEL_HISTOGRAM] = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    use(&reader, 1);
    otel_instrument *histogram = otel_histogram(meter, "h", NULL, NULL, NULL, 0);
    otel_record(histogram, 1e-9, NULL, 0);
    otel_record(histogram, 1e9, NULL, 0);
    collect_at(2000, 0);
    assert_true(found("h", NULL)->scale < 4);
    otel_record(histogram, 4, NULL, 0);
    collect_at(3000, 0);
    const struct probe_point *point = found("h", NULL);
    assert_true(point->count == 1 && point->sum == 4 && point->min == 4 && point->max == 4);
    assert_int_equal(point->scale, 20);
}

static void cumulative_has_every_set_and_a_constant_start(void **state) {
    (void)state;
    struct otel_reader_options reader = {0};
    use(&reader, 1);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    struct otel_attribute a = otel_int("a", 1), b = otel_int("a", 2);
    world.unix_ns = 1500;
    otel_add(counter, 5, &a, 1);
    world.unix_ns = 1700;
    otel_add(counter, 7, &b, 1);
    for (int64_t at = 2000; at <= 4000; at += 1000) {
        collect_at(at, 0);
        assert_true(found("c", "a=1")->value == 5 && found("c", "a=2")->value == 7);
        assert_int_equal(found("c", "a=1")->start, 1500);
        assert_int_equal(found("c", "a=2")->start, 1700);
        assert_int_equal(found("c", "a=2")->time, at);
    }
}

static double observed_value;
static void observe(otel_observer *observer, void *context) {
    (void)context;
    otel_observe(observer, observed_value, NULL, 0);
}

static void delta_of_observed_totals(void **state) {
    (void)state;
    struct otel_reader_options readers[2] = {[0] = all_delta()};
    use(readers, 2);
    struct otel_instrument_options options = {
        .kind = OTEL_OBSERVABLE_COUNTER, .name = "o", .observe = observe};
    otel_instrument_new(meter, &options);
    observed_value = 10;
    collect_at(2000, 0);
    assert_true(found("o", NULL)->value == 10);
    observed_value = 14;
    collect_at(3000, 0);
    assert_true(found("o", NULL)->value == 4 && found("o", NULL)->start == 2000);
    collect_at(3500, 1);
    assert_true(found("o", NULL)->value == 14);
    assert_int_equal(found("o", NULL)->temporality, OTEL_TEMPORALITY_CUMULATIVE);
}

static void temporality_is_chosen_by_instrument_kind(void **state) {
    (void)state;
    struct otel_reader_options reader = {0}; // lowmemory
    reader.temporality[OTEL_COUNTER] = reader.temporality[OTEL_HISTOGRAM] = OTEL_TEMPORALITY_DELTA;
    use(&reader, 1);
    struct otel_instrument_options options = {
        .kind = OTEL_OBSERVABLE_COUNTER, .name = "o", .observe = observe};
    otel_instrument_new(meter, &options);
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, NULL, 0);
    otel_add(otel_up_down_counter(meter, "u", NULL, NULL), 1, NULL, 0);
    otel_record(otel_histogram(meter, "h", NULL, NULL, NULL, 0), 1, NULL, 0);
    collect_at(2000, 0);
    assert_int_equal(found("c", NULL)->temporality, OTEL_TEMPORALITY_DELTA);
    assert_int_equal(found("h", NULL)->temporality, OTEL_TEMPORALITY_DELTA);
    assert_int_equal(found("u", NULL)->temporality, OTEL_TEMPORALITY_CUMULATIVE);
    assert_int_equal(found("o", NULL)->temporality, OTEL_TEMPORALITY_CUMULATIVE);
}

static void default_aggregation_is_chosen_by_instrument_kind(void **state) {
    (void)state;
    struct otel_reader_options reader = {0};
    reader.aggregation[OTEL_HISTOGRAM] = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    reader.aggregation[OTEL_UP_DOWN_COUNTER] = OTEL_AGGREGATE_DROP;
    use(&reader, 1);
    otel_record(otel_histogram(meter, "h", NULL, NULL, NULL, 0), 1, NULL, 0);
    otel_add(otel_up_down_counter(meter, "u", NULL, NULL), 1, NULL, 0);
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, NULL, 0);
    collect_at(2000, 0);
    assert_int_equal(probe.count, 2);
    assert_int_equal(found("h", NULL)->shape, 10);
}

static void several_readers_have_independent_state(void **state) {
    (void)state;
    struct otel_reader_options readers[3] = {[0] = all_delta(), [2] = all_delta()};
    use(readers, 3);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    otel_instrument *histogram = otel_histogram(meter, "h", NULL, NULL, NULL, 0);
    otel_add(counter, 1, NULL, 0);
    otel_record(histogram, 100, NULL, 0);
    collect_at(2000, 0);
    assert_true(found("c", NULL)->value == 1);
    otel_add(counter, 2, NULL, 0);
    otel_record(histogram, 1, NULL, 0);
    collect_at(3000, 1);
    assert_true(found("c", NULL)->value == 3 && found("h", NULL)->count == 2);
    collect_at(4000, 0);
    assert_true(found("c", NULL)->value == 2 && found("c", NULL)->start == 2000);
    assert_true(found("h", NULL)->count == 1 && found("h", NULL)->max == 1);
    collect_at(5000, 2);
    assert_true(found("c", NULL)->value == 3);
    assert_true(found("h", NULL)->count == 2 && found("h", NULL)->max == 100);
}

// --- filters ---------------------------------------------------------------------------------------------------------
static bool only_wanted(void *context, const char *name, const struct otel_attribute *attributes,
                        size_t count) {
    (void)context;
    if (strcmp(name, "dropped") == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(attributes[i].key, "secret") == 0 && attributes[i].value.type == OTEL_VALUE_BOOL)
            return false;
    }
    return true;
}
static void produce_some(void *context, otel_point_writer *writer, int64_t now) {
    (void)context, (void)now;
    struct otel_attribute secret = otel_bool("secret", true);
    otel_point_metric(writer, OTEL_GAUGE, "dropped", NULL, NULL, OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_int(writer, NULL, 0, 0, 1);
    otel_point_metric(writer, OTEL_GAUGE, "produced", NULL, NULL, OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_int(writer, NULL, 0, 0, 2);
    otel_point_int(writer, &secret, 1, 0, 3);
}
static void metric_filter_is_asked_for_producers_and_instruments(void **state) {
    (void)state;
    struct otel_reader_options readers[2] = {[0] = {.filter = only_wanted}};
    use(readers, 2);
    struct otel_metric_producer producer = {.produce = produce_some, .scope = {.name = "p"}};
    assert_int_equal(otel_meter_provider_add_producer(provider, &producer), OTEL_OK);
    struct otel_attribute secret = otel_bool("secret", true);
    otel_add(otel_counter(meter, "dropped", NULL, NULL), 1, NULL, 0);
    otel_add(otel_counter(meter, "kept", NULL, NULL), 1, NULL, 0);
    otel_add(otel_counter(meter, "kept", NULL, NULL), 1, &secret, 1);
    collect_at(2000, 0);
    assert_int_equal(probe.count, 2);
    assert_non_null(found("produced", ""));
    assert_non_null(found("kept", ""));
    collect_at(2000, 1);
    assert_int_equal(probe.count, 6);
}

static void produce_end(void *context, otel_point_writer *writer, int64_t now) {
    (void)context, (void)now;
    struct otel_attribute attribute = otel_int("a", 1);
    otel_point_metric(writer, OTEL_GAUGE, "g", NULL, NULL, OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_ended(writer, &attribute, 1);
    otel_point_metric(writer, OTEL_HISTOGRAM, "h", NULL, NULL, OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_ended(writer, &attribute, 1);
}
static void ended_series_say_that_there_is_no_value(void **state) {
    (void)state;
    struct otel_reader_options reader = {0};
    use(&reader, 1);
    struct otel_metric_producer producer = {.produce = produce_end};
    assert_int_equal(otel_meter_provider_add_producer(provider, &producer), OTEL_OK);
    collect_at(2000, 0);
    assert_int_equal(found("g", "a=1")->flags, 1);
    assert_int_equal(found("h", "a=1")->flags, 1);
    assert_int_equal(found("h", "a=1")->bucket_count, 0);
}

// --- periodic readers ------------------------------------------------------------------------------------------------
// An exporter that does as it is told, and notices when it is called by two at once.
struct told_exporter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int result;
    bool hangs, is_cancelled;
    int running, most_running, calls, flushes, shutdowns, frees, forks;
    size_t items;
    fq_buf last;
};
static int told_export(void *self, const struct otel_export_batch *batch) {
    struct told_exporter *told = self;
    pthread_mutex_lock(&told->lock);
    told->running++;
    told->most_running = told->running > told->most_running ? told->running : told->most_running;
    while (told->hangs && !told->is_cancelled)
        pthread_cond_wait(&told->changed, &told->lock);
    told->calls++;
    told->items += batch->item_count;
    fq_buf_clear(&told->last);
    (void)fq_buf_append(&told->last, batch->bytes, batch->len);
    told->running--;
    int result = told->is_cancelled ? OTEL_FAILED : told->result;
    pthread_cond_broadcast(&told->changed);
    pthread_mutex_unlock(&told->lock);
    return result;
}
static int told_flush(void *self, int64_t timeout_ms) {
    (void)timeout_ms;
    return ((struct told_exporter *)self)->flushes++, OTEL_OK;
}
static void told_cancel(void *self) {
    struct told_exporter *told = self;
    pthread_mutex_lock(&told->lock);
    told->is_cancelled = true;
    pthread_cond_broadcast(&told->changed);
    pthread_mutex_unlock(&told->lock);
}
static int told_shutdown(void *self, int64_t timeout_ms) {
    (void)timeout_ms;
    return ((struct told_exporter *)self)->shutdowns++, OTEL_OK;
}
static void told_after_fork(void *self) {
    ((struct told_exporter *)self)->forks++;
}
static void told_free(void *self) {
    ((struct told_exporter *)self)->frees++;
}
static const struct otel_exporter_ops told_ops = {.component_type = "told",
                                                  .export_batch = told_export,
                                                  .flush = told_flush,
                                                  .cancel = told_cancel,
                                                  .shutdown = told_shutdown,
                                                  .after_fork = told_after_fork,
                                                  .free = told_free};
static void told_init(struct told_exporter *told) {
    memset(told, 0, sizeof *told);
    pthread_mutex_init(&told->lock, NULL);
    pthread_cond_init(&told->changed, NULL);
}
static void use_told(struct told_exporter *told, int64_t interval_ms) {
    struct otel_reader_options reader = {
        .exporter = {&told_ops, told},
          .interval_ms = interval_ms, .timeout_ms = 30000
    };
    use(&reader, 1);
}

static void periodic_reader_exports_every_interval(void **state) {
    (void)state;
    struct told_exporter told;
    told_init(&told);
    use_told(&told, 5);
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, NULL, 0);
    pthread_mutex_lock(&told.lock);
    while (told.calls < 3)
        pthread_cond_wait(&told.changed, &told.lock);
    pthread_mutex_unlock(&told.lock);
    assert_int_equal(otel_meter_provider_shutdown(provider, 5000), OTEL_OK);
    assert_int_equal(told.most_running, 1);
    assert_int_equal(told.items, told.calls);
    probe_read(&probe, fq_buf_str(&told.last).ptr, fq_buf_len(&told.last));
    assert_true(found("c", NULL)->value == 1);
    provider = otel_meter_provider_free(provider);
    assert_int_equal(told.frees, 1);
    fq_buf_done(&told.last);
}

// Takes in each message: that it is well formed is checked by reading it.
static struct parts {
    int count;
    size_t points, most;
    double sum;
    uint64_t histogram_points;
} parts;
static int take_part(void *self, const struct otel_export_batch *batch) {
    (void)self;
    probe_read(&probe, batch->bytes, batch->len);
    parts.count++;
    parts.points += probe.count;
    parts.most = probe.count > parts.most ? probe.count : parts.most;
    for (size_t i = 0; i < probe.count; i++) {
        const struct probe_point *point = &probe.points[i];
        parts.sum += point->value;
        parts.histogram_points += point->shape == 9 ? 1 : 0;
        if (strcmp(point->name, "c") != 0)
            continue;
        // Every part says all that the whole says of its points.
        if (!point->monotonic || point->temporality != OTEL_TEMPORALITY_CUMULATIVE ||
            strcmp(point->unit, "{x}") != 0 || strcmp(point->schema_url, "https://s") != 0 ||
            strcmp(point->scope, "lib") != 0 || strcmp(probe.resource_schema_url, "https://r") != 0)
            return OTEL_FAILED;
    }
    return batch->item_count == probe.count ? OTEL_OK : OTEL_FAILED;
}

static void periodic_reader_exports_at_most_so_many_points_at_once(void **state) {
    (void)state;
    static const struct otel_exporter_ops ops = {.component_type = "parts", .export_batch = take_part};
    parts = (struct parts){0};
    struct otel_reader_options reader = {
        .exporter = {.ops = &ops}, .timeout_ms = 30000, .export_points_max = 10};
    struct otel_meter_provider_options options = {
        .runtime = &world.runtime, .resource_schema_url = "https://r", .readers = &reader, .reader_count = 1};
    provider = otel_meter_provider_new(&options);
    meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "lib", .schema_url = "https://s"});
    otel_instrument *counter = otel_counter(meter, "c", "{x}", NULL);
    otel_instrument *histogram = otel_histogram(meter, "h", NULL, NULL, NULL, 0);
    for (int i = 0; i < 25; i++) {
        struct otel_attribute attribute = otel_int("i", i);
        otel_add(counter, 1, &attribute, 1);
        if (i < 8)
            otel_record(histogram, i, &attribute, 1);
    }
    assert_int_equal(otel_meter_provider_flush(provider, 5000), OTEL_OK);
    assert_int_equal(parts.count, 4);
    assert_int_equal(parts.points, 33);
    assert_int_equal(parts.most, 10);
    assert_true(parts.sum == 25 && parts.histogram_points == 8);
    struct otel_reader_stats stats;
    otel_meter_provider_reader_stats(provider, 0, &stats);
    assert_true(stats.exports == 4 && stats.exported_points == 33);
}

static void flush_says_success_failure_or_timeout(void **state) {
    (void)state;
    struct told_exporter told;
    told_init(&told);
    use_told(&told, 3600000);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    otel_add(counter, 1, NULL, 0);
    assert_int_equal(otel_meter_provider_flush(provider, 5000), OTEL_OK);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.flushes, 1);
    told.result = OTEL_FAILED;
    assert_int_equal(otel_meter_provider_flush(provider, 5000), OTEL_FAILED);
    told.hangs = true;
    assert_int_equal(otel_meter_provider_flush(provider, 30), OTEL_TIMEOUT);
    struct otel_reader_stats stats;
    otel_meter_provider_reader_stats(provider, 0, &stats);
    assert_int_equal(stats.points_in_flight, 1);
    assert_true(stats.exports == 2 && stats.failed_exports == 1 && stats.exported_points == 1 &&
                stats.failed_points == 1);
    assert_int_equal(stats.collections, 3);
    provider = otel_meter_provider_free(provider); // the exporter is told to give up
    assert_true(told.is_cancelled);
    fq_buf_done(&told.last);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void shutdown_exports_once_more_and_never_again(void **state) {
    (void)state;
    struct told_exporter told;
    told_init(&told);
    use_told(&told, 3600000);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    otel_add(counter, 1, NULL, 0);
    assert_int_equal(otel_meter_provider_shutdown(provider, 5000), OTEL_OK);
    assert_true(told.calls == 1 && told.shutdowns == 1);
    otel_add(counter, 1, NULL, 0);
    assert_false(otel_instrument_enabled(counter));
    assert_int_equal(otel_meter_provider_flush(provider, 100), OTEL_OK);
    assert_int_equal(otel_meter_provider_shutdown(provider, 100), OTEL_OK);
    assert_true(told.calls == 1 && told.shutdowns == 1);
    provider = otel_meter_provider_free(provider);
    fq_buf_done(&told.last);
}

static void shutdown_does_not_wait_for_a_hanging_exporter(void **state) {
    (void)state;
    struct told_exporter told;
    told_init(&told);
    told.hangs = true;
    use_told(&told, 3600000);
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, NULL, 0);
    int64_t begun = now_ms();
    assert_int_equal(otel_meter_provider_shutdown(provider, 50), OTEL_TIMEOUT);
    assert_in_range(now_ms() - begun, 0, 2000);
    assert_true(told.is_cancelled);
    provider = otel_meter_provider_free(provider);
    fq_buf_done(&told.last);
}

static void shutdown_without_instruments_starts_nothing(void **state) {
    (void)state;
    struct told_exporter told;
    told_init(&told);
    use_told(&told, 1);
    assert_int_equal(otel_meter_provider_shutdown(provider, 50), OTEL_OK);
    assert_int_equal(told.calls, 0);
    provider = otel_meter_provider_free(provider);
    fq_buf_done(&told.last);
}

static void collection_is_refused_inside_a_callback(void **state);
static void collect_inside(otel_observer *observer, void *context) {
    fq_buf out = {0};
    size_t points;
    *(int *)context = otel_meter_provider_collect(provider, 0, &out, &points);
    otel_observe(observer, 1, NULL, 0);
    fq_buf_done(&out);
}
static void collection_is_refused_inside_a_callback(void **state) {
    (void)state;
    struct otel_reader_options reader = {0};
    use(&reader, 1);
    int result = OTEL_OK;
    struct otel_instrument_options options = {
        .kind = OTEL_OBSERVABLE_GAUGE, .name = "g", .observe = collect_inside, .observe_context = &result};
    otel_instrument_new(meter, &options);
    collect_at(2000, 0);
    assert_int_equal(result, OTEL_FAILED);
    assert_non_null(found("g", NULL));
}

// --- fork ------------------------------------------------------------------------------------------------------------
static int forked_child(struct told_exporter *told, otel_series *series) {
    static const uint8_t resource[] = "\x0a\x08\x0a\x01k\x12\x03\x0a\x01"
                                      "c";
    world.unix_ns = 9000;
    otel_meter_provider_fork_child(provider, resource, 10);
    otel_series_add(series, 2);
    if (otel_meter_provider_flush(provider, 5000) != OTEL_OK || told->forks != 1)
        return 1;
    probe_read(&probe, fq_buf_str(&told->last).ptr, fq_buf_len(&told->last));
    const struct probe_point *point = found("c", NULL);
    if (point == NULL || point->value != 2 || point->start != 9000 || strcmp(probe.resource, "k=c") != 0)
        return 2;
    otel_meter_provider_free(provider);
    return 0;
}

static void forked_child_starts_at_zero_and_the_parent_goes_on(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("ThreadSanitizer starts no threads in a forked child: skipped\n");
    skip();
#endif
    struct told_exporter told;
    told_init(&told);
    use_told(&told, 3600000);
    otel_series *series = otel_bind(otel_counter(meter, "c", NULL, NULL), NULL, 0);
    otel_series_add(series, 40);
    assert_int_equal(otel_meter_provider_flush(provider, 5000), OTEL_OK);
    otel_meter_provider_fork_prepare(provider);
    pid_t pid = fork();
    if (pid == 0)
        _exit(forked_child(&told, series));
    otel_meter_provider_fork_parent(provider);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    otel_series_add(series, 1);
    assert_int_equal(otel_meter_provider_flush(provider, 5000), OTEL_OK);
    probe_read(&probe, fq_buf_str(&told.last).ptr, fq_buf_len(&told.last));
    assert_true(found("c", NULL)->value == 41);
    provider = otel_meter_provider_free(provider);
    fq_buf_done(&told.last);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(delta_of_counters_and_histograms, begin, end),
        cmocka_unit_test_setup_teardown(delta_of_exponential_histograms_starts_anew, begin, end),
        cmocka_unit_test_setup_teardown(cumulative_has_every_set_and_a_constant_start, begin, end),
        cmocka_unit_test_setup_teardown(delta_of_observed_totals, begin, end),
        cmocka_unit_test_setup_teardown(temporality_is_chosen_by_instrument_kind, begin, end),
        cmocka_unit_test_setup_teardown(default_aggregation_is_chosen_by_instrument_kind, begin, end),
        cmocka_unit_test_setup_teardown(several_readers_have_independent_state, begin, end),
        cmocka_unit_test_setup_teardown(metric_filter_is_asked_for_producers_and_instruments, begin, end),
        cmocka_unit_test_setup_teardown(ended_series_say_that_there_is_no_value, begin, end),
        cmocka_unit_test_setup_teardown(periodic_reader_exports_every_interval, begin, end),
        cmocka_unit_test_setup_teardown(periodic_reader_exports_at_most_so_many_points_at_once, begin, end),
        cmocka_unit_test_setup_teardown(flush_says_success_failure_or_timeout, begin, end),
        cmocka_unit_test_setup_teardown(shutdown_exports_once_more_and_never_again, begin, end),
        cmocka_unit_test_setup_teardown(shutdown_does_not_wait_for_a_hanging_exporter, begin, end),
        cmocka_unit_test_setup_teardown(shutdown_without_instruments_starts_nothing, begin, end),
        cmocka_unit_test_setup_teardown(collection_is_refused_inside_a_callback, begin, end),
        cmocka_unit_test_setup_teardown(forked_child_starts_at_zero_and_the_parent_goes_on, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
