// SPDX-License-Identifier: Apache-2.0
#include "server/census.h"

#include "base/assert.h"

#include <stdlib.h>

void fq_census_init(fq_census *census) {
    for (size_t i = 0; i < FQ_CENSUS_BUCKETS; i++)
        fq_list_init(&census->buckets[i]);
}

const fq_census_entry *fq_census_find(const fq_census *census, uint64_t key) {
    const fq_list_link *bucket = &census->buckets[key % FQ_CENSUS_BUCKETS];
    for (const fq_list_link *link = bucket->next; link != bucket; link = link->next) {
        const fq_census_entry *entry = FQ_ELEMENT(link, const fq_census_entry, link);
        if (entry->key == key)
            return entry;
    }
    return NULL;
}

fq_census_entry *fq_census_join(fq_census *census, uint64_t key) {
    fq_census_entry *entry = (fq_census_entry *)(uintptr_t)fq_census_find(census, key);
    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL)
            return NULL;
        entry->key = key;
        fq_list_append(&census->buckets[key % FQ_CENSUS_BUCKETS], &entry->link);
    }
    entry->count++;
    return entry;
}

fq_census_entry *fq_census_leave(fq_census_entry *entry) {
    if (entry == NULL)
        return NULL;
    FQ_ASSERT(entry->count > 0);
    if (--entry->count == 0) {
        fq_list_remove(&entry->link);
        free(entry);
    }
    return NULL;
}
