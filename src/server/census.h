// SPDX-License-Identifier: Apache-2.0
// How many connections there are of each source and of each user. An entry lives as long as somebody counts in it, so the
// census is never larger than what it counts.
#ifndef FQ_SERVER_CENSUS_H
#define FQ_SERVER_CENSUS_H

#include "base/list.h"

enum { FQ_CENSUS_BUCKETS = 1024 };

typedef struct fq_census_entry {
    fq_list_link link; // in its bucket
    uint64_t key;      // a seeded hash: nobody can choose two that collide
    uint32_t count;    // connections
    uint32_t waiting;  // of these, not logged in
} fq_census_entry;

typedef struct fq_census {
    fq_list_link buckets[FQ_CENSUS_BUCKETS];
} fq_census;

void fq_census_init(fq_census *census);
/** Counts one more under `key`; NULL when out of memory. To be left by fq_census_leave. */
fq_census_entry *fq_census_join(fq_census *census, uint64_t key);
/** The entry of `key`, NULL if nobody counts in it. */
const fq_census_entry *fq_census_find(const fq_census *census, uint64_t key);
/** One less; the last one frees the entry. NULL is fine. Returns NULL. */
fq_census_entry *fq_census_leave(fq_census_entry *entry);

#endif
