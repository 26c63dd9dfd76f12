// SPDX-License-Identifier: Apache-2.0
// Flush, shutdown, fork, exit. Signals do not wait for each other: one receiver that hangs costs its own data only.
#include "otel/sdk/state.h"

struct task {
    otel_sdk *sdk;
    enum otel_signal signal;
    otel_batch *batch; // of one pipe
    int64_t timeout_ms;
    bool shut;
    int result;
};

static int worse(int a, int b) {
    return a == OTEL_OK ? b : a;
}

// --- pipes -----------------------------------------------------------------------------------------------------------
static void run_pipe(void *item) {
    struct task *task = item;
    task->result = task->shut ? otel_batch_shutdown(task->batch, task->timeout_ms)
                              : otel_batch_flush(task->batch, task->timeout_ms);
}

static int each_pipe(otel_sdk *sdk, enum otel_signal signal, int64_t timeout_ms, bool shut) {
    struct task tasks[OTEL_PIPES_MAX];
    void *items[OTEL_PIPES_MAX] = {NULL};
    size_t count = sdk->pipe_count[signal];
    int result = OTEL_OK;
    for (size_t i = 0; i < count; i++) {
        tasks[i] =
            (struct task){.batch = sdk->pipes[signal][i].batch, .timeout_ms = timeout_ms, .shut = shut};
        items[i] = &tasks[i];
    }
    otel_system_together(run_pipe, items, count);
    for (size_t i = 0; i < count; i++)
        result = worse(result, tasks[i].result);
    return result;
}

int otel_sdk_flush_traces(void *sdk, int64_t timeout_ms) {
    return each_pipe(sdk, OTEL_SIGNAL_TRACES, timeout_ms, false);
}

int otel_sdk_flush_logs(void *sdk, int64_t timeout_ms) {
    return each_pipe(sdk, OTEL_SIGNAL_LOGS, timeout_ms, false);
}

// --- signals ---------------------------------------------------------------------------------------------------------
static int run_provider(const struct task *task) {
    const otel_sdk *sdk = task->sdk;
    switch (task->signal) {
    case OTEL_SIGNAL_TRACES:
        return task->shut ? otel_tracer_provider_shutdown(sdk->tracer_provider, task->timeout_ms)
                          : otel_tracer_provider_flush(sdk->tracer_provider, task->timeout_ms);
    case OTEL_SIGNAL_METRICS:
        return task->shut ? otel_meter_provider_shutdown(sdk->meter_provider, task->timeout_ms)
                          : otel_meter_provider_flush(sdk->meter_provider, task->timeout_ms);
    default:
        return task->shut ? otel_logger_provider_shutdown(sdk->logger_provider, task->timeout_ms)
                          : otel_logger_provider_flush(sdk->logger_provider, task->timeout_ms);
    }
}

static void run_signal(void *item) {
    struct task *task = item;
    int64_t start = otel_monotonic_ns(&task->sdk->runtime);
    task->result = run_provider(task);
    if (!task->shut)
        return;
    int64_t left = task->timeout_ms - (otel_monotonic_ns(&task->sdk->runtime) - start) / 1000000;
    task->result = worse(task->result, each_pipe(task->sdk, task->signal, left > 0 ? left : 0, true));
}

static int each_signal(otel_sdk *sdk, int64_t timeout_ms, bool shut) {
    struct task tasks[OTEL_SIGNAL_COUNT];
    void *items[OTEL_SIGNAL_COUNT] = {NULL};
    const bool is_on[] = {sdk->tracer_provider != NULL, sdk->meter_provider != NULL,
                          sdk->logger_provider != NULL};
    size_t count = 0;
    int result = OTEL_OK;
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        if (!is_on[signal])
            continue;
        tasks[count] = (struct task){
            .sdk = sdk, .signal = (enum otel_signal)signal, .timeout_ms = timeout_ms, .shut = shut};
        items[count] = &tasks[count];
        count++;
    }
    otel_system_together(run_signal, items, count);
    for (size_t i = 0; i < count; i++)
        result = worse(result, tasks[i].result);
    return result;
}

int otel_sdk_flush(otel_sdk *sdk, int64_t timeout_ms) {
    if (sdk == NULL || atomic_load(&sdk->is_shut))
        return OTEL_OK;
    return each_signal(sdk, timeout_ms, false);
}

int otel_sdk_shutdown(otel_sdk *sdk, int64_t timeout_ms) {
    if (sdk == NULL || atomic_exchange(&sdk->is_shut, true))
        return OTEL_OK;
    for (size_t i = 0; i < sdk->outlet_count; i++) {
        const struct otel_exporter *exporter = &sdk->outlets[i].exporter;
        if (exporter->ops->hurry != NULL)
            exporter->ops->hurry(exporter->self);
    }
    return each_signal(sdk, timeout_ms, true);
}

// --- fork ------------------------------------------------------------------------------------------------------------
static void fork_prepare(void *context) {
    otel_sdk *sdk = context;
    if (sdk->tracer_provider != NULL)
        otel_tracer_provider_fork_prepare(sdk->tracer_provider);
    if (sdk->logger_provider != NULL)
        otel_logger_provider_fork_prepare(sdk->logger_provider);
    if (sdk->meter_provider != NULL)
        otel_meter_provider_fork_prepare(sdk->meter_provider);
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        for (size_t i = 0; i < sdk->pipe_count[signal]; i++)
            otel_batch_fork_prepare(sdk->pipes[signal][i].batch);
    }
}

static void fork_parent(void *context) {
    otel_sdk *sdk = context;
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        for (size_t i = 0; i < sdk->pipe_count[signal]; i++)
            otel_batch_fork_parent(sdk->pipes[signal][i].batch);
    }
    if (sdk->meter_provider != NULL)
        otel_meter_provider_fork_parent(sdk->meter_provider);
    if (sdk->logger_provider != NULL)
        otel_logger_provider_fork_parent(sdk->logger_provider);
    if (sdk->tracer_provider != NULL)
        otel_tracer_provider_fork_parent(sdk->tracer_provider);
}

// The child is another process: another instance of the service, if the user did not name it, with another pid.
static void renew_resource(otel_sdk *sdk) {
    char uuid[37];
    struct otel_attribute changed[2];
    size_t count = 0;
    otel_system_uuid(uuid);
    if (sdk->instance_is_ours)
        changed[count++] = otel_text("service.instance.id", uuid);
    if (otel_resource_get(sdk->resource, "process.pid") != NULL)
        changed[count++] = otel_int("process.pid", otel_system_pid());
    otel_resource *over = otel_resource_new(changed, count, NULL);
    otel_resource *renewed = over != NULL ? otel_resource_merge(sdk->resource, over) : NULL;
    fq_buf bytes = {0};
    otel_resource_free(over);
    if (renewed == NULL || otel_resource_encode(renewed, &bytes) < 0) {
        otel_resource_free(renewed);
        fq_buf_done(&bytes);
        return;
    }
    otel_resource_free(sdk->resource);
    fq_buf_done(&sdk->resource_bytes);
    sdk->resource = renewed;
    sdk->resource_bytes = bytes;
}

static void fork_child(void *context) {
    otel_sdk *sdk = context;
    renew_resource(sdk);
    sdk->start_unix_ns = otel_unix_ns(&sdk->runtime);
    fq_str resource = fq_buf_str(&sdk->resource_bytes);
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        for (size_t i = 0; i < sdk->pipe_count[signal]; i++)
            otel_batch_fork_child(sdk->pipes[signal][i].batch, resource.ptr, resource.len);
    }
    for (size_t i = 0; i < sdk->server_count; i++)
        otel_prometheus_server_fork_child(sdk->servers[i]);
    if (sdk->meter_provider != NULL)
        otel_meter_provider_fork_child(sdk->meter_provider, resource.ptr, resource.len);
    if (sdk->logger_provider != NULL)
        otel_logger_provider_fork_child(sdk->logger_provider);
    if (sdk->tracer_provider != NULL)
        otel_tracer_provider_fork_child(sdk->tracer_provider);
}

static void at_exit(void *context, int64_t timeout_ms) {
    otel_sdk_shutdown(context, timeout_ms);
}

void otel_sdk_join(otel_sdk *sdk) {
    sdk->member = (struct otel_process_member){.fork_prepare = fork_prepare,
                                               .fork_parent = fork_parent,
                                               .fork_child = fork_child,
                                               .exit = at_exit,
                                               .context = sdk,
                                               .exit_timeout_ms = sdk->exit_timeout_ms};
    otel_process_join(&sdk->member);
}
