// SPDX-License-Identifier: Apache-2.0
// Circular doubly linked lists with the links inside the elements: every operation is O(1), and an element leaves
// whatever list it is on without knowing which. A head is a link too; an empty one points at itself, and so does a link
// that is on no list. A link of zeros is on no list either.
#ifndef FQ_BASE_LIST_H
#define FQ_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fq_list_link {
    struct fq_list_link *previous, *next;
} fq_list_link;

/** The element that holds `link` as `member`. */
#define FQ_ELEMENT(link, type, member) ((type *)((uintptr_t)(link)-offsetof(type, member)))

static inline void fq_list_init(fq_list_link *head) {
    head->previous = head;
    head->next = head;
}
static inline bool fq_list_is_empty(const fq_list_link *head) {
    return head->next == head;
}
static inline bool fq_list_is_linked(const fq_list_link *link) {
    return link->next != NULL && link->next != link;
}
static inline void fq_list_insert_before(fq_list_link *place, fq_list_link *link) {
    link->previous = place->previous;
    link->next = place;
    place->previous->next = link;
    place->previous = link;
}
static inline void fq_list_append(fq_list_link *head, fq_list_link *link) {
    fq_list_insert_before(head, link);
}
/** A link that is on a list already stays where it is. */
static inline void fq_list_append_once(fq_list_link *head, fq_list_link *link) {
    if (!fq_list_is_linked(link))
        fq_list_append(head, link);
}
/** On no list afterwards; leaving twice is harmless. */
static inline void fq_list_remove(fq_list_link *link) {
    if (!fq_list_is_linked(link))
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    fq_list_init(link);
}
/** From whatever list it is on to the end of `head`. */
static inline void fq_list_move(fq_list_link *head, fq_list_link *link) {
    fq_list_remove(link);
    fq_list_append(head, link);
}
/** Takes the first off; NULL when empty. */
static inline fq_list_link *fq_list_pop(fq_list_link *head) {
    fq_list_link *first = head->next;
    if (first == head)
        return NULL;
    fq_list_remove(first);
    return first;
}
/** Puts all elements of `from` in front of `place`: at the end of the list when that is its head. `from` is empty
 *  afterwards. */
static inline void fq_list_splice_before(fq_list_link *place, fq_list_link *from) {
    if (fq_list_is_empty(from))
        return;
    from->next->previous = place->previous;
    place->previous->next = from->next;
    from->previous->next = place;
    place->previous = from->previous;
    fq_list_init(from);
}

#endif
