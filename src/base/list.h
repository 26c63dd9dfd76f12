// SPDX-License-Identifier: Apache-2.0
// Intrusive doubly linked list, circular around its head. An element carries one fq_link per list it may be on.
#ifndef FQ_BASE_LIST_H
#define FQ_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fq_link {
    struct fq_link *prev, *next;
} fq_link;

/** The element that holds `link` as `member`. */
#define FQ_ELEMENT(link, type, member) ((type *)((uintptr_t)(link)-offsetof(type, member)))

static inline void fq_list_init(fq_link *head) {
    head->prev = head;
    head->next = head;
}
static inline bool fq_list_is_empty(const fq_link *head) {
    return head->next == head;
}
static inline void fq_list_insert_before(fq_link *place, fq_link *link) {
    link->prev = place->prev;
    link->next = place;
    place->prev->next = link;
    place->prev = link;
}
static inline void fq_list_append(fq_link *head, fq_link *link) {
    fq_list_insert_before(head, link);
}
/** The link is on no list afterwards. */
static inline void fq_list_remove(fq_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = NULL;
    link->next = NULL;
}
static inline bool fq_list_is_linked(const fq_link *link) {
    return link->next != NULL;
}

#endif
