// SPDX-License-Identifier: Apache-2.0
#include "server/replica.h"

#include "engine/event_view.h"

int fq_replica_init(struct fq_replica *replica) {
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    *replica = (struct fq_replica){.engine = fq_engine_new(&config), .decision = fq_decision_new()};
    return replica->engine != NULL && replica->decision != NULL ? 0 : FQ_ENOMEM;
}

void fq_replica_done(struct fq_replica *replica) {
    replica->decision = fq_decision_free(replica->decision);
    replica->engine = fq_engine_free(replica->engine);
}

static void count(struct fq_replica *replica, fq_str record) {
    struct fq_event_head head;
    if (!fq_event_peek(record, &head))
        return;
    replica->record_count++;
    replica->event_count[head.type]++;
    if (head.at_us == 0)
        return;
    if (replica->first_at_us == 0)
        replica->first_at_us = head.at_us;
    replica->last_at_us = head.at_us;
}

void fq_replica_expect(void *context, fq_str record) {
    const struct fq_replica *replica = context;
    fq_engine_expect_record(replica->engine, record);
}

int fq_replica_record(void *context, fq_str record) {
    struct fq_replica *replica = context;
    int result = fq_engine_replay(replica->engine, record, replica->decision);
    for (size_t i = 0; result == 0 && i < fq_decision_event_count(replica->decision); i++)
        fq_engine_apply(replica->engine, replica->decision, i);
    if (result == 0)
        count(replica, record);
    return result;
}

static int release(struct fq_replica *replica, const struct fq_task_view *view) {
    struct fq_command command = {.type = FQ_COMMAND_RELEASE};
    command.release.id = view->id;
    command.release.token = view->token;
    struct fq_now now = {replica->last_at_us, replica->last_at_us};
    int result = fq_engine_decide(replica->engine, &command, now, replica->decision);
    for (size_t i = 0; result == 0 && i < fq_decision_event_count(replica->decision); i++)
        fq_engine_apply(replica->engine, replica->decision, i);
    return result;
}

int fq_replica_release_all(struct fq_replica *replica, uint64_t *ret_count) {
    const struct fq_task_filter filter = {.by_state = true, .state = FQ_TASK_STARTED};
    uint64_t count = 0, cursor = 0;
    do {
        struct fq_task_view view;
        if (fq_engine_tasks(replica->engine, &filter, &cursor, &view, 1) == 0)
            continue;
        int result = release(replica, &view);
        if (result < 0)
            return result;
        count++;
    } while (cursor != 0);
    *ret_count = count;
    return 0;
}

int fq_replica_write(const struct fq_replica *replica, int (*add)(void *context, fq_str record),
                     void *context) {
    fq_snapshot_cursor *cursor = fq_snapshot_open(replica->engine);
    fq_buf record = {0};
    int result = cursor != NULL ? 1 : FQ_ENOMEM;
    while (result > 0) {
        fq_buf_clear(&record);
        result = fq_snapshot_next(cursor, &record);
        if (result > 0 && fq_buf_len(&record) > 0) {
            int added = add(context, fq_buf_str(&record));
            result = added < 0 ? added : 1;
        }
    }
    fq_buf_done(&record);
    fq_snapshot_close(cursor);
    return result;
}
