// SPDX-License-Identifier: Apache-2.0
// `fastqueue workers`, `queues`, `pause` and `resume`.
#include "cli/connection.h"
#include "cli/output.h"
#include "cli/row.h"
#include "net/clock.h"

#include <string.h>

struct rows {
    struct fq_text_table table;
    bool as_json;
    int64_t now_ms;
};

static void add_age(struct fq_text_table *table, int64_t now_ms, int64_t then_ms) {
    char age[FQ_OUTPUT_TIME_SIZE] = "-";
    if (then_ms > 0)
        fq_output_duration(now_ms > then_ms ? (now_ms - then_ms) * 1000 : 0, age);
    fq_text_table_add(table, "%s", age);
}

static void add_number(struct fq_text_table *table, const struct fq_value *values, uint32_t at,
                       const char *key) {
    fq_text_table_add(table, "%lld", (long long)fq_row_number(values, at, key));
}

// --- workers ----------------------------------------------------------------------------------------------------------

static void add_task_names(struct fq_text_table *table, const struct fq_value *values, uint32_t at) {
    uint32_t tasks = fq_row_index(values, at, "tasks");
    char text[200];
    size_t used = 0;
    bool list = tasks != 0 && values[tasks].type == FQ_VALUE_ARRAY;
    uint32_t count = list ? values[tasks].child_count : 0, name = tasks + 1;
    text[0] = '\0';
    for (uint32_t i = 0; i < count && used < 100; i++, name = values[name].next) {
        int shown = values[name].text.len < 60 ? (int)values[name].text.len : 60;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", i > 0 ? " " : "", shown,
                                 values[name].text.ptr);
        if (used >= 100 && i + 1 < count)
            snprintf(text + used, sizeof text - used, " ... (%u)", count);
    }
    fq_text_table_add(table, "%s", text);
}

static void add_worker(void *context, const struct fq_value *values, uint32_t at) {
    struct rows *rows = context;
    if (rows->as_json) {
        fq_output_json_line(fq_output_json(values, at));
        return;
    }
    struct fq_text_table *table = &rows->table;
    fq_text_table_add_slice(table, fq_row_text(values, at, "id"));
    fq_text_table_add(table, "%s", fq_row_number(values, at, "active") ? "active" : "gone");
    add_number(table, values, at, "slots");
    add_number(table, values, at, "running");
    add_number(table, values, at, "leases");
    add_number(table, values, at, "completed");
    add_number(table, values, at, "failed");
    add_age(table, rows->now_ms, fq_row_number(values, at, "seen_at"));
    add_task_names(table, values, at);
}

// --- queues -----------------------------------------------------------------------------------------------------------

static void add_queue(void *context, const struct fq_value *values, uint32_t at) {
    struct rows *rows = context;
    if (rows->as_json) {
        fq_output_json_line(fq_output_json(values, at));
        return;
    }
    struct fq_text_table *table = &rows->table;
    fq_text_table_add_slice(table, fq_row_text(values, at, "name"));
    static const char *const numbers[] = {"critical", "high",      "normal", "low",    "scheduled",
                                          "started",  "completed", "failed", "workers"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        add_number(table, values, at, numbers[i]);
    add_age(table, rows->now_ms, fq_row_number(values, at, "oldest_at"));
    fq_slice note = fq_row_text(values, at, "note");
    bool paused = fq_row_number(values, at, "paused") != 0;
    fq_text_table_add(table, "%s%s%.*s", paused ? "paused" : "", paused && note.len > 0 ? "; " : "",
                      (int)note.len, note.ptr);
}

// --- both -------------------------------------------------------------------------------------------------------------

static int print_rows(const struct fq_options *options, const char *command,
                      void (*add)(void *, const struct fq_value *, uint32_t), struct rows *rows,
                      const char *empty) {
    fq_client *client;
    int code = fq_connection_open(options, &client);
    if (code != 0)
        return code;
    struct fq_args args = {.count = 0};
    fq_args_add(&args, command);
    rows->as_json = fq_option_number(options, FQ_OPTION_JSON) != 0;
    rows->now_ms = fq_clock_now().wall_us / FQ_US_PER_MS;
    code = fq_connection_list(client, &args, INT64_MAX, add, rows);
    if (!rows->as_json)
        fq_text_table_print(&rows->table, stdout, code == 0 ? empty : "");
    fq_client_close(client);
    return code;
}

int fq_verb_workers(struct fq_cli *cli) {
    struct rows rows;
    fq_text_table_init(&rows.table, "ID", "STATE", ">SLOTS", ">RUNNING", ">LEASES", ">DONE", ">FAILED",
                       ">SEEN", "TASKS", NULL);
    return print_rows(cli->options, "FQ.WORKERS", add_worker, &rows,
                      "No workers. 'fastqueue subworker --task-modules MODULE' starts one.");
}

int fq_verb_queues(struct fq_cli *cli) {
    struct rows rows;
    fq_text_table_init(&rows.table, "NAME", ">CRITICAL", ">HIGH", ">NORMAL", ">LOW", ">SCHEDULED", ">RUNNING",
                       ">DONE", ">FAILED", ">WORKERS", ">OLDEST", "NOTE", NULL);
    return print_rows(cli->options, "FQ.QUEUES", add_queue, &rows, "No task name is known yet.");
}

// --- pause, resume ----------------------------------------------------------------------------------------------------

static int change_flow(struct fq_cli *cli, const char *command, const char *done) {
    const struct fq_options *options = cli->options;
    bool all = fq_option_number(options, FQ_OPTION_ALL) != 0;
    const char *name = options->operand_count > 0 ? options->operands[0] : NULL;
    if (all == (name != NULL)) {
        fprintf(stderr, "fastqueue %s: give a task name, or --all\n", fq_verb_name(options->verb));
        return FQ_EXIT_USAGE;
    }
    fq_client *client;
    int code = fq_connection_open(options, &client);
    if (code != 0)
        return code;
    struct fq_args args = {.count = 0};
    int64_t changed = 0;
    fq_args_add(&args, command);
    if (name != NULL)
        fq_args_add(&args, name);
    code = fq_connection_ask_all(client, &args, &changed);
    if (code == 0 && fq_option_number(options, FQ_OPTION_JSON))
        fq_output_json_line(json_pack("{s:I}", "changed", (json_int_t)changed));
    else if (code == 0)
        printf("%s %s%s\n", name != NULL ? name : "every name", done, changed == 0 ? " already" : "");
    fq_client_close(client);
    return code;
}

int fq_verb_pause(struct fq_cli *cli) {
    return change_flow(cli, "FQ.PAUSE", "is paused");
}

int fq_verb_resume(struct fq_cli *cli) {
    return change_flow(cli, "FQ.RESUME", "is handed out");
}
