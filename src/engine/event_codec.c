// SPDX-License-Identifier: Apache-2.0
// The journal form of events. All numbers are little-endian; a text is its length (u32) and its bytes; fields are one
// text in the form of fields.h. Every record begins with
//
//   u8 type   u8 version
//
// A reader refuses versions and types above those it knows. To change a layout: give the type a new version, keep reading
// the old one, write the new one only when no older program has to read the journal.
//
//   SUBMITTED 1          i64 at, id[16], u64 body hash, i64 due, u16 retries, u8 priority, u8 flags,
//                        text name, text payload, text fields
//   ELIGIBLE 2           i64 at, id[16]
//   GRANTED 3            i64 at, id[16], u64 token, text worker
//   STARTED 4            i64 at, id[16], i64 started
//   COMPLETED 5, FAILED 6, RETRIED 7, RETURNED 8, CRASHED 9, CANCELLED 10, EXPIRED 12
//                        i64 at, id[16], i64 started, i64 due, u8 crashed, text fields
//                        RETURNED, version 2: the worker was lost before a start was known
//   CANCEL_REQUESTED 11, RESULT_EVICTED 13, PURGED 14, REQUEUED 15, FORGOTTEN 16
//                        i64 at, id[16]
//   PAUSED 17, RESUMED 18
//                        i64 at, text name ("" = every name)
//   EPOCH 19             i64 at, u32 epoch, i64 wall clock
//   CLOCK_JUMP 20        i64 at, i64 jump
//   HASH_CHECK 21        i64 at, u64 state hash
//   LEDGER 22            i64 at, id[16], u64 body hash, i64 finished, u8 state, u8 fate
//   SNAPSHOT 23          i64 at, u64 token, u64 order, i64 last at, u32 epoch, u8 all paused, 10 x u64 totals
//   TASK 24              i64 at, id[16], u64 body hash, u64 order, i64 moment, submitted, eligible, granted, started,
//                        u16 attempt, u16 retries, u8 crashes, state, priority, flags,
//                        text name, worker, payload, fields; version 2: u8 losses, not 0
//   NAME 25              i64 at, u8 paused, u64 submitted, completed, failed, text name
//   LEDGER_TRIMMED 26    i64 at, u64 count
//
// Version 1 where nothing else is said; version 2 is written only where version 1 cannot say it. Times are microseconds of
// the wall clock.
#include "base/le.h"
#include "engine/event_view.h"
#include "engine/fields.h"
#include "engine/state.h"
#include "fastqueue/error.h"

enum { TEXT_MAX = 0x7fffffff, NAME_MAX_BYTES = 4096 };

// One walk over an event's layout does all three: measure, write, read. A cursor that has failed stays failed; only READ
// changes the event. Inlined where the compiler optimises, so that each of the three is compiled for itself: every task is
// encoded three times.
#ifdef __OPTIMIZE__
#define WALK static inline __attribute__((always_inline)) void
#else
#define WALK static void
#endif
struct cursor {
    enum { MEASURE, WRITE, READ } mode;
    char *out;
    const char *in;
    size_t left; // READ
    size_t size; // MEASURE
    uint8_t version;
    bool failed;
};

static uint8_t newest_version(enum fq_event_type type) {
    return type == FQ_EVENT_RETURNED || type == FQ_EVENT_TASK ? 2 : 1;
}

// The oldest version that can say what the event says.
static uint8_t version_of(const struct fq_event *event) {
    bool newer = (event->type == FQ_EVENT_RETURNED && event->ended.lost) ||
                 (event->type == FQ_EVENT_TASK && event->image.losses != 0);
    return newer ? 2 : 1;
}

// Bytes of the next fixed field: READ. NULL when the record is too short.
static const char *take(struct cursor *cursor, size_t len) {
    if (cursor->left < len) {
        cursor->failed = true;
        cursor->left = 0;
        return NULL;
    }
    const char *bytes = cursor->in;
    cursor->in += len;
    cursor->left -= len;
    return bytes;
}

WALK walk_u8(struct cursor *cursor, uint8_t *value) {
    if (cursor->mode == WRITE) {
        *cursor->out = (char)*value;
        cursor->out += 1;
    } else if (cursor->mode == MEASURE) {
        cursor->size += 1;
    } else {
        const char *bytes = take(cursor, 1);
        if (bytes != NULL)
            *value = (uint8_t)*bytes;
    }
}

WALK walk_u16(struct cursor *cursor, uint16_t *value) {
    if (cursor->mode == WRITE) {
        fq_put_u16(cursor->out, *value);
        cursor->out += 2;
    } else if (cursor->mode == MEASURE) {
        cursor->size += 2;
    } else {
        const char *bytes = take(cursor, 2);
        if (bytes != NULL)
            *value = fq_get_u16(bytes);
    }
}

WALK walk_u32(struct cursor *cursor, uint32_t *value) {
    if (cursor->mode == WRITE) {
        fq_put_u32(cursor->out, *value);
        cursor->out += 4;
    } else if (cursor->mode == MEASURE) {
        cursor->size += 4;
    } else {
        const char *bytes = take(cursor, 4);
        if (bytes != NULL)
            *value = fq_get_u32(bytes);
    }
}

WALK walk_u64(struct cursor *cursor, uint64_t *value) {
    if (cursor->mode == WRITE) {
        fq_put_u64(cursor->out, *value);
        cursor->out += 8;
    } else if (cursor->mode == MEASURE) {
        cursor->size += 8;
    } else {
        const char *bytes = take(cursor, 8);
        if (bytes != NULL)
            *value = fq_get_u64(bytes);
    }
}

WALK walk_i64(struct cursor *cursor, int64_t *value) {
    uint64_t bits = (uint64_t)*value;
    walk_u64(cursor, &bits);
    if (cursor->mode == READ)
        *value = (int64_t)bits;
}

WALK walk_bool(struct cursor *cursor, bool *value) {
    uint8_t byte = *value ? 1 : 0;
    walk_u8(cursor, &byte);
    if (byte > 1)
        cursor->failed = true;
    if (cursor->mode == READ)
        *value = byte == 1;
}

WALK walk_id(struct cursor *cursor, fq_uuid *id) {
    if (cursor->mode == WRITE) {
        memcpy(cursor->out, id->bytes, sizeof id->bytes);
        cursor->out += sizeof id->bytes;
    } else if (cursor->mode == MEASURE) {
        cursor->size += sizeof id->bytes;
    } else {
        const char *bytes = take(cursor, sizeof id->bytes);
        if (bytes != NULL)
            memcpy(id->bytes, bytes, sizeof id->bytes);
    }
}

WALK walk_text(struct cursor *cursor, fq_str *text) {
    uint32_t len = (uint32_t)text->len;
    walk_u32(cursor, &len);
    if (cursor->mode == WRITE) {
        if (len > 0)
            memcpy(cursor->out, text->ptr, len);
        cursor->out += len;
    } else if (cursor->mode == MEASURE) {
        cursor->size += len;
    } else {
        const char *bytes = cursor->failed || len > TEXT_MAX ? NULL : take(cursor, len);
        cursor->failed = cursor->failed || bytes == NULL;
        *text = bytes != NULL ? (fq_str){bytes, len} : (fq_str){"", 0};
    }
}

WALK walk_submitted(struct cursor *cursor, struct fq_event *event) {
    struct fq_submitted *submitted = &event->submitted;
    walk_u64(cursor, &submitted->body_hash);
    walk_i64(cursor, &submitted->due_us);
    walk_u16(cursor, &submitted->retries);
    walk_u8(cursor, &submitted->priority);
    walk_u8(cursor, &submitted->flags);
    walk_text(cursor, &submitted->name);
    walk_text(cursor, &submitted->payload);
    walk_text(cursor, &submitted->fields);
}

WALK walk_ended(struct cursor *cursor, struct fq_event *event) {
    walk_i64(cursor, &event->ended.started_us);
    walk_i64(cursor, &event->ended.due_us);
    walk_bool(cursor, &event->ended.crashed);
    if (cursor->mode == READ)
        event->ended.lost = cursor->version >= 2;
    walk_text(cursor, &event->ended.fields);
}

WALK walk_head(struct cursor *cursor, struct fq_event *event) {
    struct fq_snapshot_head *head = &event->head;
    struct fq_totals *totals = &head->totals;
    uint64_t *counts[] = {&totals->submitted, &totals->granted,  &totals->completed, &totals->failed,
                          &totals->retried,   &totals->returned, &totals->crashed,   &totals->cancelled,
                          &totals->expired,   &totals->evicted};
    walk_u64(cursor, &head->token);
    walk_u64(cursor, &head->order);
    walk_i64(cursor, &head->last_at_us);
    walk_u32(cursor, &head->epoch);
    walk_bool(cursor, &head->all_paused);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        walk_u64(cursor, counts[i]);
}

WALK walk_image(struct cursor *cursor, struct fq_event *event) {
    struct fq_task_image *image = &event->image;
    walk_u64(cursor, &image->body_hash);
    walk_u64(cursor, &image->order);
    int64_t *times[] = {&image->moment, &image->submitted_us, &image->eligible_us, &image->granted_us,
                        &image->started_us};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        walk_i64(cursor, times[i]);
    walk_u16(cursor, &image->attempt);
    walk_u16(cursor, &image->retries);
    walk_u8(cursor, &image->crashes);
    walk_u8(cursor, &image->state);
    walk_u8(cursor, &image->priority);
    walk_u8(cursor, &image->flags);
    walk_text(cursor, &image->name);
    walk_text(cursor, &image->worker);
    walk_text(cursor, &image->payload);
    walk_text(cursor, &image->fields);
    if (cursor->version >= 2)
        walk_u8(cursor, &image->losses);
}

WALK walk_ledger(struct cursor *cursor, struct fq_event *event) {
    walk_u64(cursor, &event->ledger.body_hash);
    walk_i64(cursor, &event->ledger.finished_us);
    walk_u8(cursor, &event->ledger.state);
    walk_u8(cursor, &event->ledger.fate);
}

WALK walk_name(struct cursor *cursor, struct fq_event *event) {
    walk_bool(cursor, &event->name_image.paused);
    walk_u64(cursor, &event->name_image.submitted);
    walk_u64(cursor, &event->name_image.completed);
    walk_u64(cursor, &event->name_image.failed);
    walk_text(cursor, &event->name_image.name);
}

static bool has_task(enum fq_event_type type) {
    return (type >= FQ_EVENT_SUBMITTED && type <= FQ_EVENT_FORGOTTEN) || type == FQ_EVENT_LEDGER ||
           type == FQ_EVENT_TASK;
}

WALK walk(struct cursor *cursor, struct fq_event *event) {
    walk_i64(cursor, &event->at_us);
    if (has_task(event->type))
        walk_id(cursor, &event->id);
    switch (event->type) {
    case FQ_EVENT_SUBMITTED: walk_submitted(cursor, event); break;
    case FQ_EVENT_GRANTED:
        walk_u64(cursor, &event->granted.token);
        walk_text(cursor, &event->granted.worker);
        break;
    case FQ_EVENT_STARTED: walk_i64(cursor, &event->started_us); break;
    case FQ_EVENT_COMPLETED:
    case FQ_EVENT_FAILED:
    case FQ_EVENT_RETRIED:
    case FQ_EVENT_RETURNED:
    case FQ_EVENT_CRASHED:
    case FQ_EVENT_CANCELLED:
    case FQ_EVENT_EXPIRED: walk_ended(cursor, event); break;
    case FQ_EVENT_PAUSED:
    case FQ_EVENT_RESUMED: walk_text(cursor, &event->name); break;
    case FQ_EVENT_EPOCH:
        walk_u32(cursor, &event->epoch.epoch);
        walk_i64(cursor, &event->epoch.wall_us);
        break;
    case FQ_EVENT_CLOCK_JUMP: walk_i64(cursor, &event->jump_us); break;
    case FQ_EVENT_HASH_CHECK: walk_u64(cursor, &event->hash); break;
    case FQ_EVENT_LEDGER: walk_ledger(cursor, event); break;
    case FQ_EVENT_SNAPSHOT: walk_head(cursor, event); break;
    case FQ_EVENT_TASK: walk_image(cursor, event); break;
    case FQ_EVENT_NAME: walk_name(cursor, event); break;
    case FQ_EVENT_LEDGER_TRIMMED: walk_u64(cursor, &event->trim_count); break;
    default: break; // time and id are all there is
    }
}

// The walk takes an event that it may fill; measuring and writing leave it as it is.
static struct fq_event *unchanged(const struct fq_event *event) {
    return (struct fq_event *)(uintptr_t)event;
}

size_t fq_event_encoded_size(const struct fq_event *event) {
    struct cursor cursor = {.mode = MEASURE, .size = 2, .version = version_of(event)};
    walk(&cursor, unchanged(event));
    return cursor.size;
}

int fq_event_encode(const struct fq_event *event, fq_buf *out) {
    FQ_ASSERT(fq_event_is_durable(event->type));
    size_t size = fq_event_encoded_size(event);
    int rc = fq_buf_reserve(out, size);
    if (rc < 0)
        return rc;
    struct cursor cursor = {.mode = WRITE, .out = fq_buf_tail(out), .version = version_of(event)};
    *cursor.out++ = (char)event->type;
    *cursor.out++ = (char)cursor.version;
    walk(&cursor, unchanged(event));
    FQ_ASSERT(cursor.out == fq_buf_tail(out) + size);
    fq_buf_commit(out, size);
    return 0;
}

// --- what a well formed event holds ---------------------------------------------------------------------------------
static bool is_name(fq_str text) {
    return text.len > 0 && text.len <= NAME_MAX_BYTES;
}

static bool is_time(int64_t us) {
    return us >= 0 && us <= FQ_LATEST_US;
}

static bool flags_match(uint8_t flags, fq_str fields) {
    return (flags & ~FQ_FLAG_ALL) == 0 &&
           ((flags & FQ_FLAG_EXPIRES) != 0) == (fq_field_get(fields, FQ_FIELD_EXPIRES_US).len != 0) &&
           ((flags & FQ_FLAG_UNIQUE) != 0) == (fq_field_get(fields, FQ_FIELD_UNIQUE).len != 0);
}

static bool submitted_is_sane(const struct fq_submitted *submitted) {
    return is_name(submitted->name) && submitted->priority < FQ_PRIORITY_COUNT &&
           fq_fields_are_valid(submitted->fields, 1, FQ_FIELD_SUBMIT_END) &&
           (submitted->flags & FQ_FLAG_CANCEL_REQUESTED) == 0 && is_time(submitted->due_us) &&
           ((submitted->flags & FQ_FLAG_BY_WALL) == 0 || submitted->due_us != 0) &&
           flags_match(submitted->flags, submitted->fields) &&
           submitted->payload.len + submitted->fields.len <= TEXT_MAX;
}

static bool image_is_sane(const struct fq_task_image *image) {
    if (!is_name(image->name) || image->priority >= FQ_PRIORITY_COUNT ||
        image->state >= FQ_TASK_STATE_COUNT || image->order == 0)
        return false;
    if (!is_time(image->submitted_us) || !is_time(image->eligible_us) || !is_time(image->granted_us) ||
        !is_time(image->started_us) || (image->state != FQ_TASK_STARTED && !is_time(image->moment)))
        return false; // the moment of a started task is its token
    bool final = fq_task_state_is_final((enum fq_task_state)image->state);
    if (!fq_fields_are_valid(image->fields, 1, final ? FQ_FIELD_END : FQ_FIELD_SUBMIT_END) ||
        !flags_match(image->flags, image->fields))
        return false;
    if (image->state == FQ_TASK_STARTED && (image->worker.len == 0 || image->attempt == 0))
        return false;
    if (image->started_us != 0 && (image->worker.len == 0 || image->started_us < image->granted_us))
        return false;
    return image->worker.len <= NAME_MAX_BYTES && image->payload.len + image->fields.len <= TEXT_MAX;
}

// Far enough from the end that counting on from them never comes there.
static bool head_is_sane(const struct fq_snapshot_head *head) {
    return head->order <= INT64_MAX / 2 && is_time(head->last_at_us) && head->epoch < 1u << 24 &&
           head->token >> 40 <= head->epoch;
}

static bool is_sane(const struct fq_event *event) {
    switch (event->type) {
    case FQ_EVENT_SUBMITTED: return submitted_is_sane(&event->submitted);
    case FQ_EVENT_TASK: return image_is_sane(&event->image);
    case FQ_EVENT_SNAPSHOT: return head_is_sane(&event->head);
    case FQ_EVENT_GRANTED: return is_name(event->granted.worker);
    case FQ_EVENT_COMPLETED:
    case FQ_EVENT_FAILED:
    case FQ_EVENT_RETRIED:
    case FQ_EVENT_RETURNED:
    case FQ_EVENT_CRASHED:
    case FQ_EVENT_CANCELLED:
    case FQ_EVENT_EXPIRED:
        return is_time(event->ended.due_us) &&
               fq_fields_are_valid(event->ended.fields, FQ_FIELD_SUBMIT_END, FQ_FIELD_END);
    case FQ_EVENT_PAUSED:
    case FQ_EVENT_RESUMED: return event->name.len <= NAME_MAX_BYTES;
    case FQ_EVENT_LEDGER:
        return event->ledger.state < FQ_TASK_STATE_COUNT && event->ledger.fate < FQ_FATE_COUNT;
    case FQ_EVENT_NAME: return is_name(event->name_image.name);
    default: return true;
    }
}

bool fq_event_peek(fq_str record, struct fq_event_head *ret_head) {
    enum { TYPE_AND_VERSION = 2 };
    if (record.len < TYPE_AND_VERSION + sizeof(int64_t))
        return false;
    *ret_head = (struct fq_event_head){.type = (enum fq_event_type)(unsigned char)record.ptr[0]};
    ret_head->at_us = (int64_t)fq_get_u64(record.ptr + TYPE_AND_VERSION);
    size_t at = TYPE_AND_VERSION + sizeof(int64_t);
    if (has_task(ret_head->type) && record.len >= at + sizeof ret_head->id)
        memcpy(ret_head->id.bytes, record.ptr + at, sizeof ret_head->id);
    return true;
}

int fq_event_decode(fq_str record, struct fq_event *ret_event) {
    if (record.len < 2)
        return FQ_ECORRUPT;
    unsigned type = (unsigned char)record.ptr[0];
    unsigned version = (unsigned char)record.ptr[1];
    if (type == FQ_EVENT_NONE || !fq_event_is_durable((enum fq_event_type)type))
        return FQ_ECORRUPT;
    if (type >= FQ_EVENT_DURABLE_COUNT || version > newest_version((enum fq_event_type)type))
        return FQ_EVERSION;
    if (version == 0)
        return FQ_ECORRUPT;
    struct fq_event event;
    memset(&event, 0, sizeof event);
    event.type = (enum fq_event_type)type;
    struct cursor cursor = {
        .mode = READ, .in = record.ptr + 2, .left = record.len - 2, .version = (uint8_t)version};
    walk(&cursor, &event);
    if (cursor.failed || cursor.left != 0 || !is_time(event.at_us) || version_of(&event) != version ||
        !is_sane(&event))
        return FQ_ECORRUPT;
    event.now_us = event.at_us;
    *ret_event = event;
    return 0;
}
