// SPDX-License-Identifier: Apache-2.0
// What a span costs the thread that makes it: CPU time of that thread, medians of several runs, one table.
#include "otel/pipeline/batch.h"
#include "otel/pipeline/request.h"
#include "otel/system/system.h"
#include "otel/trace/provider.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 9, SPANS = 200 * 1000, PACED_SPANS = 200 * 1000, BATCH = 512 };

static double clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

// --- a sink that takes everything ------------------------------------------------------------------------------------
static int discard(void *self, const struct otel_export_batch *batch) {
    (void)self;
    (void)batch;
    return OTEL_OK;
}
static const struct otel_exporter_ops discard_ops = {.component_type = "discard", .export_batch = discard};

struct rig {
    struct otel_runtime runtime;
    otel_batch *batch;
    otel_tracer_provider *provider;
    otel_tracer *tracer;
};

static void open_rig(struct rig *rig, otel_sampler *sampler) {
    rig->runtime = (struct otel_runtime){.clock = otel_system_clock(), .ids = otel_system_ids()};
    const struct otel_batch_options batch = {
        .signal = OTEL_SIGNAL_TRACES,
        .runtime = &rig->runtime,
        .exporter = {&discard_ops, NULL},
        .queue_max = 2048,
        .batch_max = BATCH,
        .delay_ms = 5000,
        .timeout_ms = 30000
    };
    rig->batch = otel_batch_new(&batch);
    const struct otel_sink sink = otel_batch_sink(rig->batch);
    const struct otel_tracer_provider_options options = {.runtime = &rig->runtime,
                                                         .sampler = sampler,
                                                         .limits = OTEL_LIMITS_DEFAULT,
                                                         .sinks = &sink,
                                                         .sink_count = 1};
    rig->provider = otel_tracer_provider_new(&options);
    rig->tracer = otel_tracer_get(rig->provider, &(struct otel_scope_info){.name = "fastqueue"});
}

static void close_rig(struct rig *rig) {
    otel_batch_shutdown(rig->batch, 5000);
    otel_tracer_provider_free(rig->provider);
    otel_batch_free(rig->batch);
}

static void one_span(otel_tracer *tracer) {
    const struct otel_attribute attributes[] = {
        otel_text("task.name", "send_email"),
        otel_text("task.priority", "normal"),
        otel_text("task.id", "0b1c8a52-6a3e-4a52-9d3c-2f8f4f1f7a10"),
        otel_text("worker.id", "worker-1"),
    };
    const struct otel_span_options options = {
        .kind = OTEL_SPAN_CONSUMER, .attributes = attributes, .attribute_count = 4};
    otel_span_end(otel_span_start(tracer, "worker.execute_task", &options));
}

static void bare_span(otel_tracer *tracer) {
    otel_span_end(otel_span_start(tracer, "worker.execute_task", NULL));
}

static void nothing(otel_tracer *tracer) {
    (void)tracer;
}

// --- one thread, two threads -----------------------------------------------------------------------------------------
struct job {
    otel_tracer *tracer;
    void (*make)(otel_tracer *tracer);
    double cpu_ns, wall_ns;
    pthread_barrier_t *start;
};

static void *work(void *context) {
    struct job *job = context;
    pthread_barrier_wait(job->start);
    double wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < SPANS; i++)
        job->make(job->tracer);
    job->cpu_ns = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / SPANS;
    job->wall_ns = (clock_ns(CLOCK_MONOTONIC) - wall) / SPANS;
    return NULL;
}

struct cost {
    double cpu, wall; // ns per span: of its thread, over all threads
};

static struct cost measure(otel_tracer *tracer, void (*make)(otel_tracer *), unsigned threads) {
    double cpu[RUNS], wall[RUNS];
    for (size_t run = 0; run < RUNS; run++) {
        struct job jobs[2];
        pthread_t ids[2];
        pthread_barrier_t start;
        pthread_barrier_init(&start, NULL, threads);
        for (unsigned i = 0; i < threads; i++) {
            jobs[i] = (struct job){.tracer = tracer, .make = make, .start = &start};
            pthread_create(&ids[i], NULL, work, &jobs[i]);
        }
        cpu[run] = wall[run] = 0;
        for (unsigned i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
            cpu[run] += jobs[i].cpu_ns / threads;
            wall[run] = jobs[i].wall_ns > wall[run] ? jobs[i].wall_ns : wall[run];
        }
        wall[run] /= threads;
        pthread_barrier_destroy(&start);
    }
    return (struct cost){median(cpu, RUNS), median(wall, RUNS)};
}

static void print_cost(const char *what, struct cost one, struct cost two) {
    printf("%-44s %8.1f %8.1f %12.2f\n", what, one.cpu, two.cpu, 2 * one.cpu / two.cpu);
}

static void measure_case(const char *what, otel_sampler *sampler, void (*make)(otel_tracer *)) {
    struct rig rig;
    open_rig(&rig, sampler);
    struct cost one = measure(rig.tracer, make, 1);
    struct cost two = measure(rig.tracer, make, 2);
    close_rig(&rig);
    print_cost(what, one, two);
}

// --- putting a batch together ----------------------------------------------------------------------------------------
struct keeper {
    uint8_t bytes[BATCH][512];
    struct otel_ring_record records[BATCH];
    uint32_t count;
};
static void *keep_reserve(void *context, enum otel_record_type type, uint32_t len) {
    struct keeper *keeper = context;
    (void)type;
    if (keeper->count == BATCH || len > sizeof keeper->bytes[0])
        return NULL;
    keeper->records[keeper->count] = (struct otel_ring_record){keeper->bytes[keeper->count], len};
    return keeper->bytes[keeper->count];
}
static void keep_commit(void *context, void *reserved) {
    (void)reserved;
    ((struct keeper *)context)->count++;
}

static void measure_request(void) {
    struct keeper *keeper = calloc(1, sizeof *keeper);
    const struct otel_runtime runtime = {.clock = otel_system_clock(), .ids = otel_system_ids()};
    const struct otel_sink sink = {keep_reserve, keep_commit, keeper};
    const struct otel_tracer_provider_options options = {
        .runtime = &runtime, .limits = OTEL_LIMITS_DEFAULT, .sinks = &sink, .sink_count = 1};
    otel_tracer_provider *provider = otel_tracer_provider_new(&options);
    otel_tracer *tracer = otel_tracer_get(provider, &(struct otel_scope_info){.name = "fastqueue"});
    while (keeper->count < BATCH)
        one_span(tracer);
    const struct otel_request_resource resource = {(const uint8_t *)"", 0, ""};
    struct otel_request request = {0};
    double times[101];
    for (size_t i = 0; i < 101; i++) {
        uint32_t count;
        double begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        otel_request_build(&request, &resource, keeper->records, BATCH, &count);
        times[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
    }
    printf("%-44s %8.1f us, %zu bytes\n", "512 spans to a request", median(times, 101) / 1000, request.len);
    otel_request_done(&request);
    otel_tracer_provider_free(provider);
    free(keeper);
}

// --- 200,000 spans a second ------------------------------------------------------------------------------------------
static void measure_pace(void) {
    struct rig rig;
    open_rig(&rig, NULL);
    double begin = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < PACED_SPANS; i++) {
        while (clock_ns(CLOCK_MONOTONIC) - begin < i * (1e9 / PACED_SPANS))
            continue;
        one_span(rig.tracer);
    }
    double seconds = (clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    otel_batch_flush(rig.batch, 5000);
    struct otel_signal_stats stats;
    otel_batch_stats(rig.batch, &stats);
    printf("%-44s %llu exported, %llu dropped, %llu exports in %.2f s\n", "200,000 spans/s",
           (unsigned long long)stats.exported, (unsigned long long)stats.dropped_queue_full,
           (unsigned long long)stats.exports, seconds);
    close_rig(&rig);
}

int main(void) {
    printf("ns of caller CPU per span, start to end      1 thread 2 threads  rate 2 / 1\n");
    struct cost loop_one = measure(NULL, nothing, 1), loop_two = measure(NULL, nothing, 2);
    print_cost("the loop alone, in all rows", loop_one, loop_two);
    struct cost off_one = measure(NULL, bare_span, 1), off_two = measure(NULL, bare_span, 2);
    print_cost("telemetry off", off_one, off_two);
    measure_case("sampled out (always off)", otel_sampler_always_off(), bare_span);
    measure_case("sampled out (parent based, ratio 0)",
                 otel_sampler_parent_based(otel_sampler_trace_id_ratio(0), NULL, NULL, NULL, NULL),
                 bare_span);
    measure_case("no attributes, batch, discarded", NULL, bare_span);
    measure_case("4 attributes, batch, discarded", NULL, one_span);
    measure_request();
    measure_pace();
    return 0;
}
