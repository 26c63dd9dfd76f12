// SPDX-License-Identifier: Apache-2.0
// The events of a journal, one by one.
#ifndef FQ_SERVER_JOURNAL_DUMP_H
#define FQ_SERVER_JOURNAL_DUMP_H

#include "engine/event_view.h"
#include "journal/salvage.h"

struct fq_dump_event {
    uint64_t record_seq, batch_seq; // of a snapshot's records: the last that the snapshot stands for
    bool is_snapshot;
    const char *type; // static
    int64_t at_us;    // wall
    bool has_id;
    fq_uuid id;
};

struct fq_journal_dump {
    uint64_t from, until; // record numbers, both included; until 0 = to the end
    bool damaged;         // read on behind damage; nothing vouches then that no event is missing
    // on_begin, on_member for each member, on_end: for each event.
    void (*on_begin)(void *context, const struct fq_dump_event *event);
    void (*on_member)(void *context, const struct fq_event_member *member);
    void (*on_end)(void *context);
    void (*on_gap)(void *context, const struct fq_gap *gap); // damaged only
    void *context;
    char error[512];
};

/** 0; FQ_ECORRUPT and others with `error` filled, after everything before the damage has been told. */
FQ_MUST_USE int fq_journal_dump(const char *path, struct fq_journal_dump *dump);

#endif
