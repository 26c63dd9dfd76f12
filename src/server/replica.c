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
    if (fq_event_view(record, NULL, NULL, &head) < 0)
        return;
    replica->record_count++;
    replica->event_count[head.type]++;
    if (head.at_us == 0)
        return;
    if (replica->first_at_us == 0)
        replica->first_at_us = head.at_us;
    replica->last_at_us = head.at_us;
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
