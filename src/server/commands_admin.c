// SPDX-License-Identifier: Apache-2.0
// What operators say: QUEUES, WORKERS, LIST, STATS, PAUSE, RESUME, DEAD.
#include "engine/view.h"
#include "server/arguments.h"
#include "server/commit.h"
#include "server/core_state.h"
#include "server/reply.h"

#include <stdio.h>
#include <stdlib.h>

// --- pages ------------------------------------------------------------------------------------------------------------------
struct page {
    uint64_t cursor;
    int64_t count;
    struct fq_task_filter filter;
};
enum { PAGE_CURSOR, PAGE_COUNT, PAGE_NAME, PAGE_STATUS, PAGE_PRIORITY, PAGE_WORKER };
static const struct fq_option_word page_words[] = {
    {{"CURSOR", 6},   true},
    {{"COUNT", 5},    true},
    {{"NAME", 4},     true},
    {{"STATUS", 6},   true},
    {{"PRIORITY", 8}, true},
    {{"WORKER", 6},   true}
};

// Reads the options from argument `at` on, of which the first `word_count` words of the table are known.
static int read_page(struct fq_call *call, size_t at, size_t word_count, struct page *page) {
    page->count = FQ_PAGE_ROWS_DEFAULT;
    int rc = 0;
    while (at < call->arg_count && rc >= 0) {
        fq_str value;
        rc = fq_take_option(call, page_words, word_count, &at, &value);
        switch (rc) {
        case PAGE_CURSOR:
            if (fq_str_to_uint64(value, &page->cursor) < 0)
                rc = fq_call_refuse(call, FQ_EINVALID, "CURSOR: the one that the last page gave, 0 at first");
            break;
        case PAGE_COUNT: rc = fq_take_integer(call, "COUNT", value, 1, FQ_PAGE_ROWS_MAX, &page->count); break;
        case PAGE_NAME:
            page->filter.name = value;
            rc = fq_take_name(call, "NAME", value);
            break;
        case PAGE_STATUS:
            page->filter.by_state = true;
            rc = fq_take_state(call, value, &page->filter.state);
            break;
        case PAGE_PRIORITY:
            page->filter.by_priority = true;
            rc = fq_take_priority(call, value, &page->filter.priority);
            break;
        case PAGE_WORKER:
            page->filter.worker = value;
            rc = fq_take_name(call, "WORKER", value);
            break;
        default: break;
        }
    }
    return rc < 0 ? rc : 0;
}

static void begin_page(struct fq_resp_writer *writer, uint64_t cursor, size_t rows) {
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);
    fq_resp_write_array(writer, 2);
    fq_resp_write_string(writer, (fq_str){text, (size_t)len});
    fq_resp_write_array(writer, rows);
}

// Rows of the page in core->views; fewer than asked for when their errors would not fit the output.
static size_t fill_page(struct fq_call *call, struct page *page) {
    enum { ROW_EXTRA = 2048 };
    fq_core *core = call->core;
    uint64_t room = core->options->output_bytes_max - fq_buf_len(&call->connection->output);
    for (size_t most = (size_t)page->count;; most = most / 2) {
        uint64_t cursor = page->cursor;
        size_t rows = fq_engine_tasks(core->engine, &page->filter, &cursor, core->views, most);
        uint64_t bytes = 0;
        for (size_t i = 0; i < rows; i++)
            bytes += core->views[i].error_message.len + core->views[i].error_stack.len + ROW_EXTRA;
        if (bytes < room || most == 1) {
            page->cursor = cursor;
            return rows;
        }
    }
}

static int reply_tasks(struct fq_call *call, struct page *page) {
    fq_core *core = call->core;
    size_t rows = fill_page(call, page);
    begin_page(call->reply, page->cursor, rows);
    for (size_t i = 0; i < rows; i++)
        fq_reply_task(call->reply, &core->views[i], false);
    return 0;
}

int fq_command_list(struct fq_call *call) {
    struct page page = {0};
    int rc = read_page(call, 1, 6, &page);
    return rc < 0 ? rc : reply_tasks(call, &page);
}

// --- QUEUES -----------------------------------------------------------------------------------------------------------------
static void reply_name(struct fq_resp_writer *writer, const struct fq_name_view *view) {
    uint64_t pending = 0;
    for (unsigned i = 0; i < FQ_PRIORITY_COUNT; i++)
        pending += view->pending[i];
    const char *note = NULL;
    if (view->paused)
        note = "paused";
    else if (view->offering == 0 && pending > 0)
        note = "no worker offers this name";
    fq_resp_write_map(writer, note != NULL ? 15 : 14);
    fq_reply_key_text(writer, "name", view->name);
    fq_reply_key_integer(writer, "pending", (int64_t)pending);
    for (unsigned i = 0; i < FQ_PRIORITY_COUNT; i++)
        fq_reply_key_integer(writer, fq_priority_name((enum fq_priority)i), (int64_t)view->pending[i]);
    fq_reply_key_integer(writer, "scheduled", (int64_t)view->scheduled);
    fq_reply_key_integer(writer, "started", (int64_t)view->started);
    fq_reply_key_integer(writer, "submitted", (int64_t)view->submitted_total);
    fq_reply_key_integer(writer, "completed", (int64_t)view->completed_total);
    fq_reply_key_integer(writer, "failed", (int64_t)view->failed_total);
    fq_reply_key_integer(writer, "workers", view->offering);
    fq_reply_key_integer(writer, "paused", view->paused);
    fq_reply_key_integer(writer, "oldest_at", view->oldest_pending_us / FQ_US_PER_MS);
    if (note != NULL)
        fq_reply_key_text(writer, "note", fq_str_of(note));
}

int fq_command_queues(struct fq_call *call) {
    fq_core *core = call->core;
    struct page page = {0};
    int rc = read_page(call, 1, 2, &page);
    if (rc < 0)
        return rc;
    struct fq_engine_stats stats;
    fq_engine_stats(core->engine, call->now, &stats);
    uint64_t first = page.cursor < stats.name_count ? page.cursor : stats.name_count;
    uint64_t rows = stats.name_count - first;
    if (rows > (uint64_t)page.count)
        rows = (uint64_t)page.count;
    uint64_t next = first + rows < stats.name_count ? first + rows : 0;
    begin_page(call->reply, next, rows);
    for (uint64_t i = first; i < first + rows; i++) {
        struct fq_name_view view;
        if (fq_engine_name(core->engine, (uint32_t)i, call->now, &view) < 0)
            return FQ_EBADSTATE;
        reply_name(call->reply, &view);
    }
    return 0;
}

// --- WORKERS ----------------------------------------------------------------------------------------------------------------
enum { WORKER_TASKS_SHOWN = 100 };

static void reply_worker(fq_core *core, struct fq_resp_writer *writer, const struct fq_worker_view *view) {
    fq_resp_write_map(writer, 13);
    fq_reply_key_text(writer, "id", view->id);
    fq_reply_key_text(writer, "instance", view->instance);
    fq_reply_key_integer(writer, "active", view->active);
    fq_reply_key_integer(writer, "slots", view->slots);
    fq_reply_key_integer(writer, "leases", view->leases);
    fq_reply_key_integer(writer, "running", view->running);
    fq_reply_key_integer(writer, "completed", (int64_t)view->completed_total);
    fq_reply_key_integer(writer, "failed", (int64_t)view->failed_total);
    fq_reply_key_integer(writer, "registered_at", view->registered_us / FQ_US_PER_MS);
    fq_reply_key_integer(writer, "seen_at", view->seen_us / FQ_US_PER_MS);
    fq_reply_key_text(writer, "meta", view->meta);
    fq_reply_key_integer(writer, "task_count", view->name_count);
    fq_resp_write_text(writer, "tasks");
    uint32_t shown = view->name_count < WORKER_TASKS_SHOWN ? view->name_count : WORKER_TASKS_SHOWN;
    fq_resp_write_array(writer, shown);
    for (uint32_t i = 0; i < shown; i++) {
        fq_str name = FQ_STR("");
        int rc = fq_engine_worker_name(core->engine, view->id, i, &name);
        fq_resp_write_string(writer, rc == 0 ? name : FQ_STR(""));
    }
}

int fq_command_workers(struct fq_call *call) {
    struct page page = {0};
    int rc = read_page(call, 1, 2, &page);
    if (rc < 0)
        return rc;
    struct fq_worker_view *views = malloc((size_t)page.count * sizeof *views);
    if (views == NULL)
        return FQ_ENOMEM;
    size_t rows = fq_engine_workers(call->core->engine, call->now, &page.cursor, views, (size_t)page.count);
    begin_page(call->reply, page.cursor, rows);
    for (size_t i = 0; i < rows; i++)
        reply_worker(call->core, call->reply, &views[i]);
    free(views);
    return 0;
}

// --- PAUSE, RESUME ----------------------------------------------------------------------------------------------------------
static int pause_or_resume(struct fq_call *call, enum fq_command_type type) {
    struct fq_command command = {.type = type};
    if (call->arg_count > 1) {
        int rc = fq_take_name(call, "name", call->args[1]);
        if (rc < 0)
            return rc;
        command.pause.name = call->args[1];
    }
    int rc = fq_commit_call(call, &command);
    if (rc < 0)
        return rc;
    if (type == FQ_COMMAND_RESUME)
        fq_parked_mark_all(call->core);
    fq_resp_write_integer(call->reply, (int64_t)fq_decision_touched(call->core->decision));
    return 0;
}

int fq_command_pause(struct fq_call *call) {
    return pause_or_resume(call, FQ_COMMAND_PAUSE);
}

int fq_command_resume(struct fq_call *call) {
    return pause_or_resume(call, FQ_COMMAND_RESUME);
}

// --- DEAD -------------------------------------------------------------------------------------------------------------------
static int change_one(struct fq_call *call, enum fq_command_type type, const fq_uuid *id, uint64_t *touched) {
    struct fq_command command = {.type = type};
    if (type == FQ_COMMAND_DEAD_REQUEUE) {
        command.dead_requeue.id = *id;
    } else {
        command.dead_purge_one.id = *id;
        command.one = true;
    }
    int rc = fq_commit_command(call->core, &command, call->now);
    if (rc == FQ_EUNKNOWNTASK || rc == FQ_EBADSTATE) // not in the dead list: nothing to do
        return 0;
    if (rc < 0)
        return fq_call_refuse(call, rc, "%s", call->core->reason);
    *touched += fq_decision_touched(call->core->decision);
    return 0;
}

static int change_given(struct fq_call *call, enum fq_command_type type, uint64_t *touched) {
    fq_uuid id;
    int rc = 0;
    for (size_t i = 2; i < call->arg_count && rc == 0; i++)
        rc = fq_take_uuid(call, call->args[i], &id);
    for (size_t i = 2; i < call->arg_count && rc == 0; i++) {
        rc = fq_take_uuid(call, call->args[i], &id);
        if (rc == 0)
            rc = change_one(call, type, &id, touched);
    }
    return rc;
}

// The oldest page of the dead list: ids are copied first because each change moves the list. How many rows, or an error.
static int requeue_page(struct fq_call *call, uint64_t *touched) {
    fq_core *core = call->core;
    struct fq_task_filter filter = {.dead = true};
    uint64_t cursor = 0;
    size_t rows = fq_engine_tasks(core->engine, &filter, &cursor, core->views, FQ_PAGE_ROWS_MAX);
    for (size_t i = 0; i < rows; i++)
        core->ids[i] = core->views[i].id;
    int rc = 0;
    for (size_t i = 0; i < rows && rc == 0; i++)
        rc = change_one(call, FQ_COMMAND_DEAD_REQUEUE, &core->ids[i], touched);
    return rc < 0 ? rc : (int)rows;
}

static int requeue_all(struct fq_call *call, uint64_t *touched) {
    uint64_t before;
    int rows;
    do {
        before = *touched;
        rows = requeue_page(call, touched);
    } while (rows > 0 && *touched > before);
    return rows < 0 ? rows : 0;
}

static int purge_name(struct fq_call *call, fq_str name, uint64_t *touched) {
    struct fq_command command = {.type = FQ_COMMAND_DEAD_PURGE};
    command.dead_purge.name = name;
    uint64_t count;
    do { // a decision purges a few thousand at most
        int rc = fq_commit_command(call->core, &command, call->now);
        if (rc < 0)
            return fq_call_refuse(call, rc, "%s", call->core->reason);
        count = fq_decision_touched(call->core->decision);
        *touched += count;
    } while (count > 0);
    return 0;
}

static int change_dead(struct fq_call *call, bool is_requeue, uint64_t *touched) {
    if (call->arg_count < 3)
        return fq_call_refuse(call, FQ_EARITY, "FQ.DEAD %s", call->row->syntax);
    bool is_all = call->arg_count == 3 && fq_str_equal_nocase(call->args[2], FQ_STR("ALL"));
    bool is_name = call->arg_count == 4 && fq_str_equal_nocase(call->args[2], FQ_STR("NAME"));
    if (is_requeue)
        return is_all ? requeue_all(call, touched) : change_given(call, FQ_COMMAND_DEAD_REQUEUE, touched);
    if (is_all)
        return purge_name(call, FQ_STR(""), touched);
    if (is_name) {
        int rc = fq_take_name(call, "NAME", call->args[3]);
        return rc < 0 ? rc : purge_name(call, call->args[3], touched);
    }
    return change_given(call, FQ_COMMAND_DEAD_PURGE, touched);
}

int fq_command_dead(struct fq_call *call) {
    if (fq_str_equal_nocase(call->args[1], FQ_STR("LIST"))) {
        struct page page = {.filter.dead = true};
        int rc = read_page(call, 2, 3, &page);
        return rc < 0 ? rc : reply_tasks(call, &page);
    }
    bool is_requeue = fq_str_equal_nocase(call->args[1], FQ_STR("REQUEUE"));
    if (!is_requeue && !fq_str_equal_nocase(call->args[1], FQ_STR("PURGE")))
        return fq_call_refuse(call, FQ_ESYNTAX, "FQ.DEAD %s", call->row->syntax);
    uint64_t touched = 0;
    int rc = change_dead(call, is_requeue, &touched);
    if (rc == 0)
        fq_resp_write_integer(call->reply, (int64_t)touched);
    return rc;
}
