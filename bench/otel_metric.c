// SPDX-License-Identifier: Apache-2.0
// What measuring costs the thread that measures: nanoseconds of its CPU for one operation, medians of several runs.
#include "otel/metrics/provider.h"
#include "otel/system/system.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 15, OPERATIONS = 1000000, THREADS = 2 };

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct bench {
    struct otel_runtime runtime;
    otel_meter_provider *provider;
    otel_instrument *counter;
    otel_series *add, *integer, *record, *spread;
    struct otel_attribute attributes[3];
    struct otel_span_context span;
};

static void add_bound(struct bench *bench) {
    otel_series_add(bench->add, 1);
}
static void add_int_bound(struct bench *bench) {
    otel_series_add_int(bench->integer, 1);
}
static void record_bound(struct bench *bench) {
    otel_series_record(bench->record, 42);
}
static void record_exponential(struct bench *bench) {
    otel_series_record(bench->spread, 42);
}
static void record_sampled(struct bench *bench) {
    otel_series_measure(bench->record, 42, &bench->span);
}
static void add_looked_up(struct bench *bench) {
    otel_add(bench->counter, 1, bench->attributes, 3);
}
static void add_nothing(struct bench *bench) {
    (void)bench;
    otel_add(NULL, 1, NULL, 0);
}

static void do_nothing(struct bench *bench) {
    (void)bench;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static double loop_ns(struct bench *bench, void (*operation)(struct bench *)) {
    double runs[RUNS];
    for (int run = 0; run < RUNS; run++) {
        double begun = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < OPERATIONS; i++)
            operation(bench);
        runs[run] = (seconds(CLOCK_THREAD_CPUTIME_ID) - begun) * 1e9 / OPERATIONS;
    }
    return median(runs, RUNS);
}

// Without the loop around it.
static double ns_of(struct bench *bench, void (*operation)(struct bench *)) {
    return loop_ns(bench, operation) - loop_ns(bench, do_nothing);
}

// Every measurement is taken: each is the first one behind a collection, which is not timed.
static double ns_when_taken(struct bench *bench) {
    enum { TAKEN = 2000 };
    double runs[TAKEN], empty[TAKEN];
    fq_buf bytes = {0};
    size_t points;
    for (int i = 0; i < TAKEN; i++) {
        fq_buf_clear(&bytes);
        otel_meter_provider_collect(bench->provider, 0, &bytes, &points);
        record_bound(bench); // brings code and cell back into the cache
        double begun = seconds(CLOCK_MONOTONIC);
        record_sampled(bench);
        double ended = seconds(CLOCK_MONOTONIC);
        empty[i] = seconds(CLOCK_MONOTONIC) - ended;
        runs[i] = ended - begun;
    }
    fq_buf_done(&bytes);
    return (median(runs, TAKEN) - median(empty, TAKEN)) * 1e9;
}

struct worker {
    struct bench *bench;
    void (*operation)(struct bench *);
    pthread_barrier_t *barrier;
    double rate;
};

static void *work(void *context) {
    struct worker *worker = context;
    worker->operation(worker->bench); // the thread's cell is there now
    pthread_barrier_wait(worker->barrier);
    double begun = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < 4 * OPERATIONS; i++)
        worker->operation(worker->bench);
    worker->rate = 4 * OPERATIONS / (seconds(CLOCK_THREAD_CPUTIME_ID) - begun);
    return NULL;
}

// Operations for each second of CPU that all threads together make.
static double rate_of(struct bench *bench, void (*operation)(struct bench *), unsigned threads) {
    double runs[RUNS];
    for (int run = 0; run < RUNS; run++) {
        pthread_barrier_t barrier;
        pthread_t ids[THREADS];
        struct worker workers[THREADS];
        pthread_barrier_init(&barrier, NULL, threads);
        runs[run] = 0;
        for (unsigned i = 0; i < threads; i++) {
            workers[i] = (struct worker){.bench = bench, .operation = operation, .barrier = &barrier};
            if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0)
                abort();
        }
        for (unsigned i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
            runs[run] += workers[i].rate;
        }
        pthread_barrier_destroy(&barrier);
    }
    return median(runs, RUNS);
}

static void print(const char *what, double ns, const char *wanted) {
    printf("%-52s %8.1f ns   %s\n", what, ns, wanted);
}

static void print_threads(struct bench *bench, const char *what, void (*operation)(struct bench *)) {
    double one = rate_of(bench, operation, 1), two = rate_of(bench, operation, 2);
    printf("%-52s %8.2f x    at least 1.8 x of one thread\n", what, two / one);
}

static void begin(struct bench *bench, enum otel_exemplar_filter filter) {
    bench->runtime = (struct otel_runtime){.clock = otel_system_clock(), .ids = otel_system_ids()};
    static const struct otel_reader_options reader;
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.instrument_name = "spread";
    view.aggregation = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    struct otel_meter_provider_options options = {.runtime = &bench->runtime,
                                                  .exemplar_filter = filter,
                                                  .views = &view,
                                                  .view_count = 1,
                                                  .readers = &reader,
                                                  .reader_count = 1};
    bench->provider = otel_meter_provider_new(&options);
    otel_meter *meter = otel_meter_get(bench->provider, &(struct otel_scope_info){.name = "bench"});
    struct otel_instrument_options integer = {.kind = OTEL_COUNTER, .name = "integer", .integer = true};
    bench->attributes[0] = otel_text("task.name", "send_email");
    bench->attributes[1] = otel_text("task.priority", "normal");
    bench->attributes[2] = otel_text("worker.id", "worker-0a1b2c3d");
    bench->counter = otel_counter(meter, "counter", "{task}", NULL);
    bench->add = otel_bind(bench->counter, bench->attributes, 3);
    bench->integer = otel_bind(otel_instrument_new(meter, &integer), bench->attributes, 3);
    bench->record = otel_bind(otel_histogram(meter, "histogram", "ms", NULL, NULL, 0), bench->attributes, 3);
    bench->spread = otel_bind(otel_histogram(meter, "spread", "ms", NULL, NULL, 0), bench->attributes, 3);
    memset(&bench->span, 0x11, sizeof bench->span);
    bench->span.flags = OTEL_FLAG_SAMPLED;
}

// 2,000 series with a cell each, and what is still allocated for one of them.
static double bytes_per_series(struct bench *bench) {
    enum { SERIES = 1900 };
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < SERIES; i++) {
        bench->attributes[2] = otel_int("worker.id", i);
        otel_add(bench->counter, 1, bench->attributes, 3);
    }
    return (double)(mallinfo2().uordblks - before) / SERIES;
}

int main(void) {
    static char line_buffer[4096];
    setvbuf(stdout, line_buffer, _IOLBF, sizeof line_buffer); // not counted as allocated meanwhile
    struct bench bench = {0};
    begin(&bench, OTEL_EXEMPLARS_TRACE_BASED);
    void (*all[])(struct bench *) = {add_bound,      add_int_bound,      record_bound,
                                     record_sampled, record_exponential, add_looked_up};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        all[i](&bench);
    size_t before = mallinfo2().uordblks;
    printf("one operation, CPU of the caller; series of 3 string attributes\n");
    print("counter add, bound", ns_of(&bench, add_bound), "at most 10 ns");
    print("counter add of an integer, bound", ns_of(&bench, add_int_bound), "at most 10 ns");
    print("histogram record, bound, 15 bounds", ns_of(&bench, record_bound), "at most 20 ns");
    print("histogram record, exemplar offered", ns_of(&bench, record_sampled), "");
    print("exponential histogram record, bound", ns_of(&bench, record_exponential), "");
    print("counter add, attributes looked up", ns_of(&bench, add_looked_up), "at most 110 ns");
    print("counter add, telemetry off", ns_of(&bench, add_nothing), "at most 3 ns");
    size_t after = mallinfo2().uordblks;
    print("histogram record, exemplar taken each time", ns_when_taken(&bench), "at most 70 ns");
    print_threads(&bench, "counter add, two threads on one series", add_bound);
    print_threads(&bench, "histogram record, two threads on one series", record_bound);
    print_threads(&bench, "counter add, looked up by two threads", add_looked_up);
    printf("%-52s %8zd B    0\n", "memory allocated meanwhile", (ssize_t)(after - before));
    printf("%-52s %8.0f B\n", "memory of one more series", bytes_per_series(&bench));
    otel_meter_provider_free(bench.provider);
    return 0;
}
