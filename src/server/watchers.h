// SPDX-License-Identifier: Apache-2.0
// Who hears of a task's end: FQ.RESULT … WAIT (one reply) and FQ.WATCH (one push). Each is told once, with the result, even
// if the result is not kept.
#ifndef FQ_SERVER_WATCHERS_H
#define FQ_SERVER_WATCHERS_H

#include "base/list.h"
#include "base/uuid.h"
#include "server/core.h"
#include "server/index.h"

enum fq_watch_kind {
    FQ_WATCH_WAIT,
    FQ_WATCH_PUSH,
    FQ_WATCH_DUE, // the task has ended already; told when the connection's output has room
};
struct fq_watched;
struct fq_watch {
    fq_list_link of_task, of_connection;
    struct fq_watched *watched;
    fq_connection *connection;
    enum fq_watch_kind kind;
};
struct fq_watchers {
    struct fq_index tasks; // struct fq_watched by id
    fq_list_link free_watches, free_tasks;
    size_t count;
};

void fq_watchers_init(struct fq_watchers *watchers);
void fq_watchers_done(struct fq_watchers *watchers);
/** 0, FQ_ENOMEM, or FQ_EFULL at FQ_WATCH_MAX. Watching twice is watching once. */
FQ_MUST_USE int fq_watchers_add(fq_core *core, fq_connection *connection, const fq_uuid *id,
                                enum fq_watch_kind kind);
/** Tells of due ones for as long as the connection's output has room. */
void fq_watchers_push_due(fq_core *core, fq_connection *connection);
/** Ends every watch of the connection, or only its WAIT. */
void fq_watchers_remove(fq_core *core, fq_connection *connection, bool only_wait);
/** The task has just ended: tells who watches it. `view` is the task after the event. */
void fq_watchers_finished(fq_core *core, const struct fq_task_view *view);
bool fq_watchers_has(const fq_core *core, const fq_uuid *id);
/** Writes the push for one task onto the connection. */
void fq_watchers_push(fq_connection *connection, const struct fq_task_view *view);

#endif
