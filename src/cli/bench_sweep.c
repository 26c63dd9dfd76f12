// SPDX-License-Identifier: Apache-2.0
// Cancels tasks of ours that are not due yet: a page of them is listed, all on it are cancelled, then the next one.
#include "cli/bench.h"

#include <stdio.h>
#include <string.h>

enum { TAG_LIST = 1, TAG_CANCEL };

static fq_slice slice_of(const char *text) {
    return (fq_slice){text, strlen(text)};
}

static void command(struct fq_bench_connection *connection, const fq_slice *args, size_t count,
                    uint64_t tag) {
    int rc = fq_session_command(fq_uv_driver_session(connection->driver), args, count, true, tag);
    if (rc < 0)
        fq_bench_fail(connection->run, rc, slice_of(fq_strerror(rc)));
    else
        connection->under_way++;
}

void fq_bench_sweep_next(struct fq_bench_connection *connection) {
    const struct fq_bench_target *target = connection->run->target;
    const fq_slice args[] = {slice_of("FQ.LIST"),
                             slice_of("STATUS"),
                             slice_of("scheduled"),
                             slice_of("CURSOR"),
                             slice_of(connection->cursor[0] != '\0' ? connection->cursor : "0"),
                             slice_of("COUNT"),
                             slice_of("1000"),
                             slice_of("NAME"),
                             slice_of(target->names[0])};
    command(connection, args, target->name_count > 1 ? 7 : 9, TAG_LIST);
}

// A page is [next cursor, tasks].
static void on_page(struct fq_bench_connection *connection, const struct fq_value *values) {
    struct fq_bench_run *run = connection->run;
    uint32_t rows = values[0].type == FQ_VALUE_ARRAY && values[0].child_count == 2 ? values[1].next : 0;
    if (rows == 0 || values[1].text.len >= sizeof connection->cursor || values[rows].type != FQ_VALUE_ARRAY) {
        fq_bench_fail(run, FQ_EPROTOCOL, slice_of("the answer to FQ.LIST is no list"));
        return;
    }
    memcpy(connection->cursor, values[1].text.ptr, values[1].text.len);
    connection->cursor[values[1].text.len] = '\0';
    uint32_t at = rows + 1;
    for (uint32_t i = 0; i < values[rows].child_count && run->granted < run->plan->goal;
         i++, at = values[at].next) {
        const struct fq_value *name = fq_value_get(values, at, "name"), *id = fq_value_get(values, at, "id");
        if (name == NULL || id == NULL || !fq_bench_target_has(run->target, name->text))
            continue;
        const fq_slice args[] = {slice_of("FQ.CANCEL"), id->text};
        run->granted++;
        command(connection, args, 2, TAG_CANCEL);
    }
    connection->has_left = strcmp(connection->cursor, "0") == 0 || run->granted >= run->plan->goal;
}

void fq_bench_sweep_event(struct fq_bench_connection *connection, const struct fq_session_event *event) {
    struct fq_bench_run *run = connection->run;
    if (event->type == FQ_SESSION_READY)
        fq_bench_ready(connection);
    if (event->type != FQ_SESSION_REPLY)
        return;
    connection->under_way--;
    if (event->error < 0)
        fq_bench_count_error(run, event->error, event->message);
    else if (event->tag == TAG_LIST)
        on_page(connection, event->values);
    else
        run->figures->completed += event->values[0].integer == 1;
    fq_bench_advance(run);
    if (connection->under_way == 0 && !connection->has_left && !run->is_stopping)
        fq_bench_sweep_next(connection);
    fq_bench_check_idle(run);
}
