// SPDX-License-Identifier: Apache-2.0
#include "client/index.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 16 };

int fq_index_init(fq_index *index) {
    fq_index_link **buckets = calloc(FIRST_BUCKETS, sizeof(fq_index_link *));
    if (buckets == NULL)
        return FQ_ENOMEM;
    *index = (fq_index){.buckets = buckets, .bucket_count = FIRST_BUCKETS};
    return 0;
}

void fq_index_done(fq_index *index) {
    free(index->buckets);
    *index = (fq_index){0};
}

static void chain(fq_index_link **bucket, fq_index_link *link) {
    link->next = *bucket;
    link->place = bucket;
    if (*bucket != NULL)
        (*bucket)->place = &link->next;
    *bucket = link;
}

static void grow(fq_index *index) {
    size_t bucket_count = index->bucket_count * 2;
    fq_index_link **buckets = calloc(bucket_count, sizeof(fq_index_link *));
    if (buckets == NULL)
        return;
    for (size_t i = 0; i < index->bucket_count; i++) {
        for (fq_index_link *link = index->buckets[i], *next; link != NULL; link = next) {
            next = link->next;
            chain(&buckets[link->hash & (bucket_count - 1)], link);
        }
    }
    free(index->buckets);
    index->buckets = buckets;
    index->bucket_count = bucket_count;
}

void fq_index_add(fq_index *index, fq_index_link *link, uint64_t hash) {
    if (index->count >= index->bucket_count)
        grow(index);
    link->hash = hash;
    chain(&index->buckets[hash & (index->bucket_count - 1)], link);
    index->count++;
}

void fq_index_remove(fq_index *index, fq_index_link *link) {
    if (link->place == NULL)
        return;
    *link->place = link->next;
    if (link->next != NULL)
        link->next->place = link->place;
    link->next = NULL;
    link->place = NULL;
    index->count--;
}

static fq_index_link *skip_others(fq_index_link *link, uint64_t hash) {
    while (link != NULL && link->hash != hash)
        link = link->next;
    return link;
}

fq_index_link *fq_index_find(const fq_index *index, uint64_t hash) {
    return skip_others(index->buckets[hash & (index->bucket_count - 1)], hash);
}

fq_index_link *fq_index_next(const fq_index_link *link) {
    return skip_others(link->next, link->hash);
}
