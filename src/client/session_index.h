// SPDX-License-Identifier: Apache-2.0
// A chained hash table with the links inside the elements: an element with a known link is removed in O(1) and without a
// look-up, and equal keys may stand in it any number of times. The caller hashes and compares keys.
#ifndef FQ_CLIENT_SESSION_INDEX_H
#define FQ_CLIENT_SESSION_INDEX_H

#include "fastqueue/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct fq_session_index_link {
    struct fq_session_index_link *next;
    struct fq_session_index_link **place; // what points at this link; NULL while it is in no index
    uint64_t hash;
} fq_session_index_link;

typedef struct fq_session_index {
    fq_session_index_link **buckets;
    size_t bucket_count; // a power of two
    size_t count;
} fq_session_index;

/** 0 or FQ_ENOMEM. Every later operation succeeds: a table that cannot grow gets longer chains. */
FQ_MUST_USE int fq_session_index_init(fq_session_index *index);
/** Frees the table, not the elements. An all-zero index is fine. */
void fq_session_index_done(fq_session_index *index);

void fq_session_index_add(fq_session_index *index, fq_session_index_link *link, uint64_t hash);
/** Does nothing to a link that is in no index. */
void fq_session_index_remove(fq_session_index *index, fq_session_index_link *link);
/** First and further links of that hash; NULL behind the last one. Their keys may still differ. */
fq_session_index_link *fq_session_index_find(const fq_session_index *index, uint64_t hash);
fq_session_index_link *fq_session_index_next(const fq_session_index_link *link);

#endif
