// SPDX-License-Identifier: Apache-2.0
#include "crash_truth.h"

#include "base/hash.h"
#include "engine/event_view.h"
#include "journal/batch.h"
#include "journal/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_LEN = 256 };

static char *load_file(const char *path, size_t *ret_len) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "crash_states: %s cannot be read\n", path);
        return NULL;
    }
    size_t len = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(len + 1);
    if (bytes != NULL && fread(bytes, 1, len, file) == len) {
        bytes[len] = '\0';
        *ret_len = len;
    }
    fclose(file);
    return bytes;
}

static bool split_calls(struct crash_truth *truth, size_t len) {
    size_t room = 0;
    for (size_t at = 0; at < len;) {
        if (truth->call_count == room) {
            room = room == 0 ? 4096 : 2 * room;
            truth->calls = reallocarray(truth->calls, room, sizeof *truth->calls);
        }
        // Entries follow data of any length: each is copied to where it may be read.
        struct call_entry *entry = malloc(sizeof *entry);
        if (truth->calls == NULL || entry == NULL || len - at < sizeof *entry)
            return false;
        memcpy(entry, truth->bytes + at, sizeof *entry);
        truth->calls[truth->call_count++] = (struct crash_call){entry, truth->bytes + at + sizeof *entry};
        at += sizeof *entry + entry->data_len;
    }
    return true;
}

// ---- records ----

static bool add_record(struct crash_truth *truth, uint64_t seq, fq_str bytes, struct fq_replica *replica) {
    struct fq_event_head head;
    if (seq != truth->record_count + 1 || fq_event_view(bytes, NULL, NULL, &head) != 0 ||
        fq_replica_record(replica, bytes) != 0) {
        fprintf(stderr, "crash_states: record %" PRIu64 " was written, but is no event that may follow\n",
                seq);
        return false;
    }
    if ((truth->record_count & (truth->record_count - 1)) == 0)
        truth->records = reallocarray(truth->records, 2 * truth->record_count + 1, sizeof *truth->records);
    if (truth->records == NULL)
        return false;
    truth->records[truth->record_count++] = (struct crash_record){
        fq_hash_str(bytes, 0), fq_engine_hash(replica->engine), (uint8_t)head.type, head.id};
    return true;
}

static bool take_batch(struct crash_truth *truth, const fq_uuid *instance, const struct crash_call *call,
                       struct fq_replica *replica) {
    struct fq_batch_header header;
    if (call->entry->kind != CALL_WRITE || call->entry->data_len < FQ_BATCH_HEADER ||
        fq_batch_decode(instance, call->data, &header) != FQ_BATCH_OK || (header.flags & FQ_BATCH_SEAL) != 0)
        return true;
    fq_str body = {call->data + FQ_BATCH_HEADER, header.body_len};
    for (uint32_t i = 0; i < header.record_count; i++) {
        fq_str record;
        uint64_t seq = header.first_record_seq + i;
        if (fq_record_decode(&body, seq, &record) != 0 || !add_record(truth, seq, record, replica))
            return false;
    }
    return true;
}

static bool find_instance(const struct crash_truth *truth, fq_uuid *ret_instance) {
    for (size_t i = 0; i < truth->call_count; i++) {
        struct fq_segment_header header;
        const struct crash_call *call = &truth->calls[i];
        if (call->entry->kind == CALL_WRITE && call->entry->data_len >= FQ_SEGMENT_HEADER &&
            fq_segment_decode(call->data, &header) == 0) {
            *ret_instance = header.instance;
            return true;
        }
    }
    fprintf(stderr, "crash_states: no segment was begun\n");
    return false;
}

static bool learn_records(struct crash_truth *truth) {
    fq_uuid instance;
    struct fq_replica replica;
    bool ok = find_instance(truth, &instance) && fq_replica_init(&replica) == 0;
    if (!ok)
        return false;
    truth->empty_state_hash = fq_engine_hash(replica.engine);
    for (size_t i = 0; i < truth->call_count && ok; i++)
        ok = take_batch(truth, &instance, &truth->calls[i], &replica);
    fq_replica_done(&replica);
    return ok;
}

// ---- acknowledgements ----

static bool is_one_of(const char *words, uint8_t type) {
    const char *name = fq_event_type_name((enum fq_event_type)type);
    size_t len = strlen(name);
    for (const char *word = words; *word != '\0'; word += strcspn(word, ",") + (strchr(word, ',') != NULL))
        if (strcspn(word, ",") == len && strncmp(word, name, len) == 0)
            return true;
    return false;
}

// The first record that can have been meant.
static uint64_t find_record(const struct crash_truth *truth, const char *types, const fq_uuid *id) {
    for (uint64_t i = 0; i < truth->record_count; i++)
        if (fq_uuid_equal(&truth->records[i].id, id) && is_one_of(types, truth->records[i].type))
            return i + 1;
    return 0;
}

static bool add_ack(struct crash_truth *truth, const char *line) {
    char types[64], text[64];
    fq_uuid id;
    struct crash_ack ack;
    if (sscanf(line, "%" SCNd64 " %63s %63s", &ack.time_ns, types, text) != 3 ||
        fq_uuid_parse(fq_str_of(text), &id) != 0) {
        fprintf(stderr, "crash_states: no acknowledgement: %s\n", line);
        return false;
    }
    ack.needs_seq = find_record(truth, types, &id);
    if (ack.needs_seq == 0) {
        fprintf(stderr, "crash_states: %s of %s was acknowledged and never written\n", types, text);
        return false;
    }
    if ((truth->ack_count & (truth->ack_count - 1)) == 0)
        truth->acks = reallocarray(truth->acks, 2 * truth->ack_count + 1, sizeof *truth->acks);
    if (truth->acks == NULL)
        return false;
    truth->acks[truth->ack_count++] = ack;
    return true;
}

static bool learn_acks(struct crash_truth *truth, const char *path) {
    size_t len = 0;
    char *text = load_file(path, &len), *rest = NULL;
    bool ok = text != NULL;
    for (char *line = ok ? strtok_r(text, "\n", &rest) : NULL; line != NULL && ok;
         line = strtok_r(NULL, "\n", &rest))
        ok = add_ack(truth, line);
    free(text);
    return ok;
}

bool crash_truth_load(struct crash_truth *truth, const char *calls_path, const char *acks_path) {
    size_t len = 0;
    *truth = (struct crash_truth){.bytes = load_file(calls_path, &len)};
    return truth->bytes != NULL && split_calls(truth, len) && learn_records(truth) &&
           learn_acks(truth, acks_path);
}

void crash_truth_done(struct crash_truth *truth) {
    for (size_t i = 0; i < truth->call_count; i++)
        free((void *)(uintptr_t)truth->calls[i].entry);
    free(truth->calls);
    free(truth->records);
    free(truth->acks);
    free(truth->bytes);
}
