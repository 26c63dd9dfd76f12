// SPDX-License-Identifier: Apache-2.0
// What was really written and really acknowledged in a recorded run: every record of the log by its number, the engine's state
// behind each, and which record each acknowledgement rests on.
#ifndef FQ_TESTS_CRASH_TRUTH_H
#define FQ_TESTS_CRASH_TRUTH_H

#include "call_log.h"
#include "server/replica.h"

struct crash_call {
    const struct call_entry *entry;
    const char *data;
};

struct crash_record {
    uint64_t hash;       // of its bytes
    uint64_t state_hash; // of the engine behind it
    uint8_t type;
    fq_uuid id;
};

struct crash_ack {
    int64_t time_ns;
    uint64_t needs_seq;
};

struct crash_truth {
    char *bytes; // of the log of calls
    struct crash_call *calls;
    size_t call_count;
    struct crash_record *records; // [0] is number 1
    uint64_t record_count;
    uint64_t empty_state_hash; // of an engine that has seen no record
    struct crash_ack *acks;    // by time
    size_t ack_count;
};

/** Reads both files. false, with a sentence on standard error, if they do not make sense: an acknowledgement without a record
 *  above all. */
bool crash_truth_load(struct crash_truth *truth, const char *calls_path, const char *acks_path);
void crash_truth_done(struct crash_truth *truth);

#endif
