// SPDX-License-Identifier: Apache-2.0
#include "cli/top_view.h"

#include "cli/output.h"

#include <string.h>

enum { HEAD_LINES = 7 };

// Seconds between the samples; without an earlier one, since the control plane began.
static double seconds_between(const struct fq_top_sample *now, const struct fq_top_sample *before) {
    double seconds = before != NULL ? (double)(now->at.boot_us - before->at.boot_us) / 1e6
                                    : ((double)now->at.wall_us / 1e3 - (double)now->started_at) / 1e3;
    return seconds > 0.001 ? seconds : 0.001;
}

static void print_rate(FILE *out, const char *label, int64_t now, int64_t before, double seconds) {
    char text[FQ_OUTPUT_TIME_SIZE];
    // A counter that went back belongs to a control plane that was restarted.
    fq_output_count(now >= before ? (double)(now - before) / seconds : 0, text);
    fprintf(out, "  %s %s", label, text);
}

static void print_count(FILE *out, const char *label, int64_t count) {
    char text[FQ_OUTPUT_TIME_SIZE];
    fq_output_count((double)count, text);
    fprintf(out, "  %s %s", label, text);
}

static void print_percentiles(FILE *out, const char *label, const struct fq_top_percentiles *percentiles) {
    char p50[FQ_OUTPUT_TIME_SIZE], p95[FQ_OUTPUT_TIME_SIZE], p99[FQ_OUTPUT_TIME_SIZE];
    fq_output_duration(percentiles->known ? percentiles->p50_us : -1, p50);
    fq_output_duration(percentiles->known ? percentiles->p95_us : -1, p95);
    fq_output_duration(percentiles->known ? percentiles->p99_us : -1, p99);
    fprintf(out, "%-8s  p50 %-8s p95 %-8s p99 %-8s", label, p50, p95, p99);
}

static void print_title(FILE *out, const struct fq_top_view *view, const struct fq_top_sample *now) {
    char moment[FQ_OUTPUT_TIME_SIZE], up[FQ_OUTPUT_TIME_SIZE] = "-";
    fq_output_moment(now->at.wall_us / 1000, moment);
    if (now->started_at > 0)
        fq_output_duration(now->at.wall_us - now->started_at * 1000, up);
    fprintf(out, "%sFastQueue %s%s  %s  up %s  connections %lld%s  %.19s\n", view->coloured ? "\033[1m" : "",
            now->version, view->coloured ? "\033[0m" : "", view->address, up, (long long)now->connections,
            now->paused ? "  ALL PAUSED" : "", moment);
}

static void print_tasks(FILE *out, const struct fq_top_sample *now) {
    char oldest[FQ_OUTPUT_TIME_SIZE] = "-";
    if (now->oldest_pending_at > 0)
        fq_output_duration(now->at.wall_us - now->oldest_pending_at * 1000, oldest);
    static const char *const labels[4] = {"critical", "high", "normal", "low"};
    fputs("waiting ", out);
    for (int i = 0; i < 4; i++)
        print_count(out, labels[i], now->pending[i]);
    fprintf(out, "  oldest %s\ntasks   ", oldest);
    print_count(out, "running", now->started);
    print_count(out, "scheduled", now->scheduled);
    print_count(out, "dead", now->dead);
    print_count(out, "results", now->results);
    print_count(out, "done", now->completed_total);
    print_count(out, "failed", now->failed_total);
    print_count(out, "crashes", now->crashed_total);
    fputc('\n', out);
}

static void print_rates(FILE *out, const struct fq_top_sample *now, const struct fq_top_sample *before,
                        double seconds) {
    struct fq_top_sample none = {.name_count = 0};
    const struct fq_top_sample *then = before != NULL ? before : &none;
    fputs("per s   ", out);
    print_rate(out, "submitted", now->submitted_total, then->submitted_total, seconds);
    print_rate(out, "done", now->completed_total, then->completed_total, seconds);
    print_rate(out, "failed", now->failed_total, then->failed_total, seconds);
    print_rate(out, "retried", now->retried_total, then->retried_total, seconds);
    fputc('\n', out);
    print_percentiles(out, "wait", &now->wait);
    print_percentiles(out, " run", &now->run);
    fputc('\n', out);
    bool journal = strcmp(now->durability, "none") != 0;
    fprintf(out, "journal   %s", now->durability[0] != '\0' ? now->durability : "-");
    if (journal) {
        char sync[FQ_OUTPUT_TIME_SIZE];
        fq_output_duration(now->sync_us, sync);
        print_rate(out, "records/s", now->records_total, then->records_total, seconds);
        print_rate(out, "syncs/s", now->syncs_total, then->syncs_total, seconds);
        fprintf(out, "  sync %s", sync);
        print_count(out, "bytes since snapshot", now->since_snapshot_bytes);
        print_count(out, "segments", now->segments);
    }
    fputs("\n\n", out);
}

static const struct fq_top_name *find_name(const struct fq_top_sample *sample, const char *name) {
    for (size_t i = 0; sample != NULL && i < sample->name_count; i++) {
        if (strcmp(sample->names[i].name, name) == 0)
            return &sample->names[i];
    }
    return NULL;
}

static const struct fq_top_worker *find_worker(const struct fq_top_sample *sample, const char *id) {
    for (size_t i = 0; sample != NULL && i < sample->worker_count; i++) {
        if (strcmp(sample->workers[i].id, id) == 0)
            return &sample->workers[i];
    }
    return NULL;
}

static void add_number(struct fq_text_table *table, int64_t number) {
    char text[FQ_OUTPUT_TIME_SIZE];
    fq_output_count((double)number, text);
    fq_text_table_add(table, "%s", text);
}

static void add_rate(struct fq_text_table *table, int64_t now, int64_t before, bool known, double seconds) {
    char text[FQ_OUTPUT_TIME_SIZE];
    fq_output_count(known && now > before ? (double)(now - before) / seconds : 0, text);
    fq_text_table_add(table, "%s", text);
}

static void add_age(struct fq_text_table *table, int64_t now_us, int64_t then_ms) {
    char age[FQ_OUTPUT_TIME_SIZE] = "-";
    if (then_ms > 0)
        fq_output_duration(now_us > then_ms * 1000 ? now_us - then_ms * 1000 : 0, age);
    fq_text_table_add(table, "%s", age);
}

static void print_names(FILE *out, const struct fq_top_sample *now, const struct fq_top_sample *before,
                        double seconds, size_t rows) {
    struct fq_text_table table;
    fq_text_table_init(&table, "QUEUE", ">CRITICAL", ">HIGH", ">NORMAL", ">LOW", ">SCHEDULED", ">RUNNING",
                       ">DONE/s", ">FAILED/s", ">DONE", ">FAILED", ">WORKERS", ">OLDEST", "NOTE", NULL);
    for (size_t i = 0; i < now->name_count && i < rows; i++) {
        const struct fq_top_name *row = &now->names[i], *then = find_name(before, row->name);
        fq_text_table_add(&table, "%s", row->name);
        for (int p = 0; p < 4; p++)
            add_number(&table, row->by_priority[p]);
        add_number(&table, row->scheduled);
        add_number(&table, row->started);
        add_rate(&table, row->completed, then != NULL ? then->completed : 0, then != NULL, seconds);
        add_rate(&table, row->failed, then != NULL ? then->failed : 0, then != NULL, seconds);
        add_number(&table, row->completed);
        add_number(&table, row->failed);
        add_number(&table, row->workers);
        add_age(&table, now->at.wall_us, row->oldest_at);
        fq_text_table_add(&table, "%s%s", row->paused ? "paused " : "",
                          row->workers == 0 ? "no worker offers this name" : "");
    }
    fq_text_table_print(&table, out, "No task name is known yet.");
    if (now->name_count > rows || now->more_names)
        fprintf(out, "... %zu names%s\n", now->name_count, now->more_names ? " and more" : "");
    fputc('\n', out);
}

static void print_workers(FILE *out, const struct fq_top_sample *now, const struct fq_top_sample *before,
                          double seconds) {
    struct fq_text_table table;
    fq_text_table_init(&table, "WORKER", "STATE", ">SLOTS", ">RUNNING", ">LEASES", ">DONE/s", ">DONE",
                       ">FAILED", ">SEEN", NULL);
    for (size_t i = 0; i < now->worker_count; i++) {
        const struct fq_top_worker *row = &now->workers[i], *then = find_worker(before, row->id);
        fq_text_table_add(&table, "%s", row->id);
        fq_text_table_add(&table, "%s", row->active ? "active" : "gone");
        add_number(&table, row->slots);
        add_number(&table, row->running);
        add_number(&table, row->leases);
        add_rate(&table, row->completed, then != NULL ? then->completed : 0, then != NULL, seconds);
        add_number(&table, row->completed);
        add_number(&table, row->failed);
        add_age(&table, now->at.wall_us, row->seen_at);
    }
    fq_text_table_print(&table, out, "No workers.");
}

void fq_top_view_draw(FILE *out, const struct fq_top_view *view, const struct fq_top_sample *now,
                      const struct fq_top_sample *before) {
    double seconds = seconds_between(now, before);
    print_title(out, view, now);
    print_tasks(out, now);
    print_rates(out, now, before, seconds);
    // Workers need what they need, at least a third of the screen; names get the rest.
    size_t rows = SIZE_MAX;
    if (view->lines > 0) {
        size_t left = view->lines > HEAD_LINES + 6 ? (size_t)view->lines - HEAD_LINES - 6 : 1;
        size_t for_workers = now->worker_count < left / 3 ? now->worker_count : left / 3;
        rows = left - for_workers > 0 ? left - for_workers : 1;
    }
    print_names(out, now, before, seconds, rows);
    print_workers(out, now, before, seconds);
}
