// SPDX-License-Identifier: Apache-2.0
// `fastqueue list` and `fastqueue dead`: tasks in rows.
#include "cli/connection.h"
#include "cli/output.h"
#include "cli/row.h"
#include "cli/task_module.h"
#include "net/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

// --- rows of tasks ----------------------------------------------------------------------------------------------------

struct task_rows {
    struct fq_text_table table;
    bool as_json;
    uint64_t count;
};

static void init_rows(struct task_rows *rows, const struct fq_options *options) {
    *rows = (struct task_rows){.as_json = fq_option_number(options, FQ_OPTION_JSON) != 0};
    fq_text_table_init(&rows->table, "ID", "NAME", "STATUS", "PRIORITY", ">TRY", "SUBMITTED", ">WAIT", ">RUN",
                       "WORKER", "NOTE", NULL);
}

static void add_note(struct fq_text_table *table, const struct fq_value *values, uint32_t at) {
    uint32_t error = fq_row_index(values, at, "error");
    char due[FQ_OUTPUT_TIME_SIZE];
    if (error != 0 && values[error].type == FQ_VALUE_MAP) {
        fq_slice type = fq_row_text(values, error, "type"), message = fq_row_text(values, error, "message");
        int shown = message.len < 80 ? (int)message.len : 80;
        fq_text_table_add(table, "%.*s: %.*s", (int)type.len, type.ptr, shown, message.ptr);
    } else if (fq_row_is(values, at, "status", "scheduled")) {
        fq_output_moment(fq_row_number(values, at, "due_at"), due);
        fq_text_table_add(table, "due %s", due);
    } else
        fq_text_table_add(table, "%s",
                          fq_row_number(values, at, "cancel_requested") ? "cancel requested" : "");
}

static void add_task_row(void *context, const struct fq_value *values, uint32_t at) {
    struct task_rows *rows = context;
    rows->count++;
    if (rows->as_json) {
        fq_output_json_line(fq_output_json(values, at));
        return;
    }
    struct fq_text_table *table = &rows->table;
    char submitted[FQ_OUTPUT_TIME_SIZE], wait[FQ_OUTPUT_TIME_SIZE] = "-", run[FQ_OUTPUT_TIME_SIZE] = "-";
    fq_output_moment(fq_row_number(values, at, "submitted_at"), submitted);
    if (fq_row_number(values, at, "attempt") > 0)
        fq_output_duration(fq_row_number(values, at, "wait_us"), wait);
    if (fq_row_number(values, at, "completed_at") > 0)
        fq_output_duration(fq_row_number(values, at, "run_us"), run);
    fq_text_table_add_slice(table, fq_row_text(values, at, "id"));
    fq_text_table_add_slice(table, fq_row_text(values, at, "name"));
    fq_text_table_add_slice(table, fq_row_text(values, at, "status"));
    fq_text_table_add_slice(table, fq_row_text(values, at, "priority"));
    fq_text_table_add(table, "%lld", (long long)fq_row_number(values, at, "attempt"));
    fq_text_table_add(table, "%s", submitted);
    fq_text_table_add(table, "%s", wait);
    fq_text_table_add(table, "%s", run);
    fq_text_table_add_slice(table, fq_row_text(values, at, "worker"));
    add_note(table, values, at);
}

static int print_tasks(const struct fq_options *options, fq_client *client, struct fq_args *args,
                       const char *empty) {
    struct task_rows rows;
    init_rows(&rows, options);
    int64_t limit = fq_option_number(options, FQ_OPTION_LIMIT);
    int code = fq_connection_list(client, args, limit, add_task_row, &rows);
    if (!rows.as_json)
        fq_text_table_print(&rows.table, stdout, code == 0 ? empty : "");
    if (!rows.as_json && (int64_t)rows.count == limit)
        printf("(the first %lld; --limit shows more)\n", (long long)limit);
    return code;
}

// --- list -------------------------------------------------------------------------------------------------------------

static void print_name(void *context, const char *name) {
    if (*(const bool *)context)
        fq_output_json_line(json_pack("{s:s}", "name", name));
    else
        printf("  - %s\n", name);
}

static int list_modules(const struct fq_options *options) {
    const struct fq_option_value *modules = &options->values[FQ_OPTION_TASK_MODULES];
    bool as_json = fq_option_number(options, FQ_OPTION_JSON) != 0;
    char python[PATH_MAX], errstr[512];
    fq_task_module_python(fq_option_text(options, FQ_OPTION_PYTHON), python, sizeof python);
    int code = FQ_EXIT_OK;
    if (!as_json)
        puts("Available tasks:");
    for (size_t i = 0; i < modules->item_count; i++) {
        int result =
            fq_task_module_names(modules->items[i], python, print_name, &as_json, errstr, sizeof errstr);
        if (result < 0) {
            fprintf(stderr, "Failed to import %s: %s\n", modules->items[i], errstr);
            code = FQ_EXIT_FAILED;
        }
    }
    return code;
}

static void add_filter(struct fq_args *args, const struct fq_options *options, const char *word,
                       enum fq_option option) {
    const char *value = fq_option_text(options, option);
    if (value != NULL) {
        fq_args_add(args, word);
        fq_args_add(args, value);
    }
}

int fq_verb_list(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    if (options->values[FQ_OPTION_TASK_MODULES].origin == FQ_ORIGIN_FLAG)
        return list_modules(options);
    fq_client *client;
    int code = fq_connection_open(options, &client);
    if (code != 0)
        return code;
    struct fq_args args = {.count = 0};
    fq_args_add(&args, "FQ.LIST");
    add_filter(&args, options, "STATUS", FQ_OPTION_FILTER_STATUS);
    add_filter(&args, options, "NAME", FQ_OPTION_FILTER_NAME);
    add_filter(&args, options, "PRIORITY", FQ_OPTION_FILTER_PRIORITY);
    add_filter(&args, options, "WORKER", FQ_OPTION_FILTER_WORKER);
    code = print_tasks(options, client, &args, "No tasks.");
    fq_client_close(client);
    return code;
}

// --- dead -------------------------------------------------------------------------------------------------------------

static int print_touched(const struct fq_options *options, const char *what, int64_t count) {
    if (fq_option_number(options, FQ_OPTION_JSON))
        fq_output_json_line(json_pack("{s:I}", what, (json_int_t)count));
    else
        printf("%lld task%s %s\n", (long long)count, count == 1 ? "" : "s", what);
    return FQ_EXIT_OK;
}

// What requeue by name asks for: the ids that carry the name, collected before the first of them moves.
struct id_list {
    char (*ids)[37];
    size_t count;
    bool out_of_memory;
};

static void collect_id(void *context, const struct fq_value *values, uint32_t at) {
    struct id_list *list = context;
    fq_slice id = fq_row_text(values, at, "id");
    char(*grown)[37] = realloc(list->ids, (list->count + 1) * sizeof *grown);
    if (grown == NULL || id.len != 36) {
        list->out_of_memory = grown == NULL;
        list->ids = grown != NULL ? grown : list->ids;
        return;
    }
    list->ids = grown;
    memcpy(list->ids[list->count], id.ptr, 36);
    list->ids[list->count++][36] = '\0';
}

static int act_on_ids(fq_client *client, const char *action, const char *const *ids, size_t count,
                      int64_t *touched) {
    enum { BATCH = 500 };
    for (size_t begin = 0; begin < count; begin += BATCH) {
        struct fq_args args = {.count = 0};
        fq_args_add(&args, "FQ.DEAD");
        fq_args_add(&args, action);
        for (size_t i = begin; i < count && i < begin + BATCH; i++)
            fq_args_add(&args, ids[i]);
        int64_t changed;
        int code = fq_connection_ask_all(client, &args, &changed);
        if (code != 0)
            return code;
        *touched += changed;
    }
    return 0;
}

static int requeue_name(fq_client *client, const char *name, int64_t *touched) {
    struct id_list list = {.count = 0};
    struct fq_args args = {.count = 0};
    fq_args_add(&args, "FQ.DEAD");
    fq_args_add(&args, "LIST");
    fq_args_add(&args, "NAME");
    fq_args_add(&args, name);
    int code = fq_connection_list(client, &args, INT64_MAX, collect_id, &list);
    for (size_t i = 0; i < list.count && code == 0; i++) {
        const char *id = list.ids[i];
        code = act_on_ids(client, "REQUEUE", &id, 1, touched);
    }
    free(list.ids);
    return code;
}

static int act_on_all(fq_client *client, const char *action, const char *name, int64_t *touched) {
    struct fq_args args = {.count = 0};
    fq_args_add(&args, "FQ.DEAD");
    fq_args_add(&args, action);
    fq_args_add(&args, name != NULL ? "NAME" : "ALL");
    if (name != NULL)
        fq_args_add(&args, name);
    return fq_connection_ask_all(client, &args, touched);
}

static int change_dead(const struct fq_options *options, fq_client *client, bool requeue) {
    const char *name = fq_option_text(options, FQ_OPTION_FILTER_NAME);
    bool all = fq_option_number(options, FQ_OPTION_ALL) != 0;
    const char *action = requeue ? "REQUEUE" : "PURGE";
    int64_t touched = 0;
    int code;
    if (options->operand_count > 1)
        code = act_on_ids(client, action, options->operands + 1, options->operand_count - 1, &touched);
    else if (name != NULL && requeue)
        code = requeue_name(client, name, &touched);
    else
        code = act_on_all(client, action, all ? NULL : name, &touched);
    return code != 0 ? code : print_touched(options, requeue ? "requeued" : "purged", touched);
}

static int list_dead(const struct fq_options *options, fq_client *client) {
    struct fq_args args = {.count = 0};
    fq_args_add(&args, "FQ.DEAD");
    fq_args_add(&args, "LIST");
    add_filter(&args, options, "NAME", FQ_OPTION_FILTER_NAME);
    return print_tasks(options, client, &args, "No dead tasks.");
}

int fq_verb_dead(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    const char *action = options->operand_count > 0 ? options->operands[0] : "list";
    bool requeue = strcmp(action, "requeue") == 0, purge = strcmp(action, "purge") == 0;
    if (!requeue && !purge && strcmp(action, "list") != 0) {
        fprintf(stderr, "fastqueue dead: unknown action '%s'; there are list, requeue and purge\n", action);
        return FQ_EXIT_USAGE;
    }
    int targets = (options->operand_count > 1) + fq_option_given(options, FQ_OPTION_FILTER_NAME) +
                  (fq_option_number(options, FQ_OPTION_ALL) != 0);
    if ((requeue || purge) && targets != 1) {
        fprintf(stderr, "fastqueue dead %s: give task ids, or --name NAME, or --all\n", action);
        return FQ_EXIT_USAGE;
    }
    fq_client *client;
    int code = fq_connection_open(options, &client);
    if (code != 0)
        return code;
    code = requeue || purge ? change_dead(options, client, requeue) : list_dead(options, client);
    fq_client_close(client);
    return code;
}
