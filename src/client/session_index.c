// SPDX-License-Identifier: Apache-2.0
#include "client/session_index.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 16 };

int fq_session_index_init(fq_session_index *index) {
    fq_session_index_link **buckets = calloc(FIRST_BUCKETS, sizeof(fq_session_index_link *));
    if (buckets == NULL)
        return FQ_ENOMEM;
    *index = (fq_session_index){.buckets = buckets, .bucket_count = FIRST_BUCKETS};
    return 0;
}

void fq_session_index_done(fq_session_index *index) {
    free(index->buckets);
    *index = (fq_session_index){0};
}

static void chain(fq_session_index_link **bucket, fq_session_index_link *link) {
    link->next = *bucket;
    link->place = bucket;
    if (*bucket != NULL)
        (*bucket)->place = &link->next;
    *bucket = link;
}

static void grow(fq_session_index *index) {
    size_t bucket_count = index->bucket_count * 2;
    fq_session_index_link **buckets = calloc(bucket_count, sizeof(fq_session_index_link *));
    if (buckets == NULL)
        return;
    for (size_t i = 0; i < index->bucket_count; i++) {
        for (fq_session_index_link *link = index->buckets[i], *next; link != NULL; link = next) {
            next = link->next;
            chain(&buckets[link->hash & (bucket_count - 1)], link);
        }
    }
    free(index->buckets);
    index->buckets = buckets;
    index->bucket_count = bucket_count;
}

void fq_session_index_add(fq_session_index *index, fq_session_index_link *link, uint64_t hash) {
    if (index->count >= index->bucket_count)
        grow(index);
    link->hash = hash;
    chain(&index->buckets[hash & (index->bucket_count - 1)], link);
    index->count++;
}

void fq_session_index_remove(fq_session_index *index, fq_session_index_link *link) {
    if (link->place == NULL)
        return;
    *link->place = link->next;
    if (link->next != NULL)
        link->next->place = link->place;
    link->next = NULL;
    link->place = NULL;
    index->count--;
}

static fq_session_index_link *skip_others(fq_session_index_link *link, uint64_t hash) {
    while (link != NULL && link->hash != hash)
        link = link->next;
    return link;
}

fq_session_index_link *fq_session_index_find(const fq_session_index *index, uint64_t hash) {
    return skip_others(index->buckets[hash & (index->bucket_count - 1)], hash);
}

fq_session_index_link *fq_session_index_next(const fq_session_index_link *link) {
    return skip_others(link->next, link->hash);
}
