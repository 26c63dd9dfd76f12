// SPDX-License-Identifier: Apache-2.0
// What a journal record says, member by member, for people and programs that read journals. Nothing is applied.
#ifndef FQ_ENGINE_EVENT_VIEW_H
#define FQ_ENGINE_EVENT_VIEW_H

#include "engine/event.h"
#include "fastqueue/error.h"

enum fq_event_member_kind {
    FQ_MEMBER_TEXT,
    FQ_MEMBER_NUMBER,
    FQ_MEMBER_TIME, // microseconds of the wall clock
    FQ_MEMBER_HEX,  // 64 bits
    FQ_MEMBER_FLAG,
    FQ_MEMBER_CONTENT // what a submitter or a task gave: payload, result, error; opaque bytes
};

struct fq_event_member {
    const char *name; // static
    enum fq_event_member_kind kind;
    fq_str text; // TEXT, CONTENT: valid during the call
    int64_t number;
};

/** "submitted", "granted", …; "unknown" for a number that is none. Static storage. */
const char *fq_event_type_name(enum fq_event_type type);

// The head of every event.
struct fq_event_head {
    enum fq_event_type type;
    int64_t at_us; // wall
    fq_uuid id;    // all zero: about no task
};

/** Decodes `record` and hands each member that it has (but for those of the head) to `on_member`, which may be NULL. FQ_ECORRUPT,
 *  FQ_EVERSION. */
FQ_MUST_USE int fq_event_view(fq_str record,
                              void (*on_member)(void *context, const struct fq_event_member *member),
                              void *context, struct fq_event_head *ret_head);

/** Only the head of a record that is, or will be, decoded elsewhere: nothing is checked. False: too short. */
bool fq_event_peek(fq_str record, struct fq_event_head *ret_head);

#endif
