// SPDX-License-Identifier: Apache-2.0
// Circular doubly linked lists with the links inside the elements: every operation is O(1), an element leaves whatever
// list it is in without knowing which. A head is a link too; an empty one points at itself.
#ifndef FQ_CLIENT_LIST_H
#define FQ_CLIENT_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fq_list_link {
    struct fq_list_link *next, *previous;
} fq_list_link;

/** The element around `link`. */
#define FQ_LIST_ELEMENT(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void fq_list_init(fq_list_link *head) {
    head->next = head;
    head->previous = head;
}
static inline bool fq_list_is_empty(const fq_list_link *head) {
    return head->next == head;
}
static inline void fq_list_insert_before(fq_list_link *position, fq_list_link *link) {
    link->next = position;
    link->previous = position->previous;
    position->previous->next = link;
    position->previous = link;
}
static inline void fq_list_append(fq_list_link *head, fq_list_link *link) {
    fq_list_insert_before(head, link);
}
/** Leaves the list; the link is a list of its own afterwards, so that leaving twice is harmless. */
static inline void fq_list_remove(fq_list_link *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
    fq_list_init(link);
}
static inline void fq_list_move(fq_list_link *head, fq_list_link *link) {
    fq_list_remove(link);
    fq_list_append(head, link);
}
/** Puts all elements of `from` in front of those of `head`; `from` is empty afterwards. */
static inline void fq_list_prepend_all(fq_list_link *head, fq_list_link *from) {
    if (fq_list_is_empty(from))
        return;
    from->next->previous = head;
    from->previous->next = head->next;
    head->next->previous = from->previous;
    head->next = from->next;
    fq_list_init(from);
}

#endif
