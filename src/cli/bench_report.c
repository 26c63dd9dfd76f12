// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_report.h"

#include "cli/output.h"

#include <string.h>

static const char HEADINGS[] = "%-9s%11s%12s%10s%10s%10s%10s%10s%8s%10s%12s\n";

// The address without the credentials that it may carry.
static void format_address(const char *given, char text[FQ_ADDRESS_TEXT]) {
    struct fq_address address;
    const char *reason;
    if (fq_address_parse(fq_str_of(given), &address, &reason) == 0)
        fq_address_format(&address, text);
    else
        snprintf(text, FQ_ADDRESS_TEXT, "%s", strchr(given, '@') != NULL ? "" : given);
}

static double per_task_us(double seconds, uint64_t tasks) {
    return tasks > 0 ? seconds * 1e6 / (double)tasks : 0;
}

static double rate(const struct fq_bench_row *row) {
    uint64_t ns = row->figures->elapsed_ns;
    return ns > 0 ? (double)row->tasks * 1e9 / (double)ns : 0;
}

// --- for people ---------------------------------------------------------------------------------------------------------
void fq_bench_report_begin(struct fq_bench_report *report) {
    char address[FQ_ADDRESS_TEXT];
    if (report->as_json) {
        report->json_runs = json_array();
        return;
    }
    format_address(report->target->address, address);
    printf("FastQueue %s at %s, durability %s, telemetry %s; payload %zu bytes\n\n", report->facts->version,
           address, report->facts->durability, report->facts->has_telemetry ? "on" : "off",
           report->target->payload.len);
    printf(HEADINGS, "WORKLOAD", "TASKS", "PER SECOND", "P50", "P90", "P99", "P99.9", "MAX", "ERRORS",
           "OWN CPU", "SERVER CPU");
    fflush(stdout);
}

static void add_line(const struct fq_bench_row *row) {
    const struct fq_bench_figures *figures = row->figures;
    const struct fq_bench_latency *latency = figures->result.count > 0 ? &figures->result : &figures->ack;
    const double percents[] = {50, 90, 99, 99.9, 100};
    char cells[5][FQ_OUTPUT_TIME_SIZE], own[32], server[32] = "-";
    for (size_t i = 0; i < 5; i++) {
        if (latency->count > 0)
            fq_output_duration((int64_t)(fq_bench_latency_percentile(latency, percents[i]) + 500) / 1000,
                               cells[i]);
        else
            snprintf(cells[i], sizeof cells[i], "-");
    }
    char tasks[32], each[32], errors[32];
    snprintf(tasks, sizeof tasks, "%llu", (unsigned long long)row->tasks);
    snprintf(each, sizeof each, "%.0f", rate(row));
    snprintf(errors, sizeof errors, "%llu", (unsigned long long)figures->errors);
    snprintf(own, sizeof own, "%.2fus", per_task_us(figures->own_cpu_s, row->tasks));
    if (row->has_server_cpu)
        snprintf(server, sizeof server, "%.2fus", per_task_us(row->server_cpu_s, row->tasks));
    printf(HEADINGS, fq_bench_workload_name(row->workload), tasks, each, cells[0], cells[1], cells[2],
           cells[3], cells[4], errors, own, server);
    if (figures->errors > 0)
        printf("  first error: %s\n", figures->first_error);
    if (figures->reconnects > 0)
        printf("  the connection was lost %llu times\n", (unsigned long long)figures->reconnects);
    fflush(stdout);
}

// --- for programs -------------------------------------------------------------------------------------------------------
static json_t *latency_json(const struct fq_bench_latency *latency) {
    static const struct {
        const char *key;
        double percent;
    } keys[] = {
        {"p50_us",   50  },
        {"p90_us",   90  },
        {"p99_us",   99  },
        {"p99_9_us", 99.9},
        {"max_us",   100 },
    };
    if (latency->count == 0)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "count", json_integer((json_int_t)latency->count));
    json_object_set_new(object, "mean_us", json_real((double)fq_bench_latency_mean(latency) / 1e3));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_set_new(object, keys[i].key,
                            json_real((double)fq_bench_latency_percentile(latency, keys[i].percent) / 1e3));
    return object;
}

static json_t *row_json(const struct fq_bench_row *row) {
    const struct fq_bench_figures *figures = row->figures;
    json_t *server =
        row->has_server_cpu ? json_real(per_task_us(row->server_cpu_s, row->tasks)) : json_null();
    json_t *error = figures->errors > 0
                        ? fq_output_json_text((fq_slice){figures->first_error, strlen(figures->first_error)})
                        : json_null();
    return json_pack("{s:s,s:I,s:f,s:f,s:I,s:o,s:I,s:I,s:f,s:o,s:o,s:o}", "workload",
                     fq_bench_workload_name(row->workload), "tasks", (json_int_t)row->tasks, "seconds",
                     (double)figures->elapsed_ns / 1e9, "per_second", rate(row), "errors",
                     (json_int_t)figures->errors, "first_error", error, "reconnects",
                     (json_int_t)figures->reconnects, "left", (json_int_t)row->left, "own_cpu_us_per_task",
                     per_task_us(figures->own_cpu_s, row->tasks), "server_cpu_us_per_task", server, "ack",
                     latency_json(&figures->ack), "result", latency_json(&figures->result));
}

void fq_bench_report_add(struct fq_bench_report *report, const struct fq_bench_row *row) {
    if (report->as_json)
        json_array_append_new(report->json_runs, row_json(row));
    else
        add_line(row);
}

static json_t *settings_json(const struct fq_bench_target *target) {
    static const struct {
        const char *key;
        enum fq_option option;
    } numbers[] = {
        {"in_flight",   FQ_OPTION_BENCH_IN_FLIGHT  },
        {"batch",       FQ_OPTION_BENCH_BATCH      },
        {"connections", FQ_OPTION_BENCH_CONNECTIONS},
        {"workers",     FQ_OPTION_BENCH_WORKERS    },
        {"rate",        FQ_OPTION_BENCH_RATE       },
        {"names",       FQ_OPTION_BENCH_NAMES      },
        {"delay_ms",    FQ_OPTION_BENCH_DELAY      },
        {"warm_up",     FQ_OPTION_BENCH_WARM_UP    },
        {"seed",        FQ_OPTION_BENCH_SEED       },
    };
    json_t *object = json_object();
    json_object_set_new(object, "task", fq_output_json_text((fq_slice){target->task, strlen(target->task)}));
    json_object_set_new(object, "payload_bytes", json_integer((json_int_t)target->payload.len));
    json_object_set_new(object, "priority",
                        json_string(fq_option_text(target->options, FQ_OPTION_BENCH_PRIORITY)));
    json_object_set_new(object, "external",
                        json_boolean(fq_option_number(target->options, FQ_OPTION_BENCH_EXTERNAL)));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(object, numbers[i].key,
                            json_integer((json_int_t)fq_option_number(target->options, numbers[i].option)));
    return object;
}

void fq_bench_report_end(struct fq_bench_report *report) {
    char address[FQ_ADDRESS_TEXT];
    if (!report->as_json)
        return;
    format_address(report->target->address, address);
    json_t *server =
        json_pack("{s:s,s:s,s:s,s:b}", "address", address, "version", report->facts->version, "durability",
                  report->facts->durability, "telemetry", report->facts->has_telemetry);
    fq_output_json_line(json_pack("{s:o,s:o,s:o}", "server", server, "settings",
                                  settings_json(report->target), "runs", (json_t *)report->json_runs));
}
