// SPDX-License-Identifier: Apache-2.0
// A search tree over distinct 64-bit keys that needs no memory but two pointers in the element: a treap whose priorities
// are a hash of the key, so that its shape depends on the keys alone. All operations are O(log n) expected.
#ifndef FQ_BASE_TREAP_H
#define FQ_BASE_TREAP_H

#include <stddef.h>
#include <stdint.h>

struct fq_treap_node {
    struct fq_treap_node *left, *right;
};

typedef struct fq_treap {
    struct fq_treap_node *root;
    ptrdiff_t key_offset; // of the uint64_t key, from the node
} fq_treap;

void fq_treap_insert(fq_treap *treap, struct fq_treap_node *node);
/** The node must be in the treap. */
void fq_treap_remove(fq_treap *treap, struct fq_treap_node *node);
/** Node with the least key that is >= `key`; NULL if there is none. */
struct fq_treap_node *fq_treap_at_least(const fq_treap *treap, uint64_t key);

#endif
