// SPDX-License-Identifier: Apache-2.0
// Doubly linked rings of embedded links: a thing may be in any number of lists and leaves each in O(1). An unlinked link
// points at itself.
#ifndef FQ_SERVER_LINKS_H
#define FQ_SERVER_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fq_link {
    struct fq_link *previous, *next;
};

/** The struct that embeds `link` as its member `member`. */
#define FQ_OF_LINK(link, type, member) ((type *)((uintptr_t)(link)-offsetof(type, member)))

static inline void fq_link_init(struct fq_link *link) {
    link->previous = link;
    link->next = link;
}
static inline bool fq_link_is_empty(const struct fq_link *list) {
    return list->next == list;
}
/** Also: is this link in no list. */
static inline bool fq_link_is_alone(const struct fq_link *link) {
    return link->next == link;
}
static inline void fq_link_remove(struct fq_link *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
    fq_link_init(link);
}
static inline void fq_link_append(struct fq_link *list, struct fq_link *link) {
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}
/** Puts an alone link at the end; one that is in a list already stays where it is. */
static inline void fq_link_append_once(struct fq_link *list, struct fq_link *link) {
    if (fq_link_is_alone(link))
        fq_link_append(list, link);
}
/** Takes the first off; NULL when empty. */
static inline struct fq_link *fq_link_pop(struct fq_link *list) {
    struct fq_link *first = list->next;
    if (first == list)
        return NULL;
    fq_link_remove(first);
    return first;
}
/** Moves all of `from` to the end of `to`. */
static inline void fq_link_move_all(struct fq_link *from, struct fq_link *to) {
    if (fq_link_is_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    fq_link_init(from);
}

#endif
