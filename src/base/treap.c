// SPDX-License-Identifier: Apache-2.0
#include "base/treap.h"

#include "base/assert.h"
#include "base/hash.h"

#include <string.h>

static uint64_t key_of(const fq_treap *treap, const struct fq_treap_node *node) {
    uint64_t key;
    memcpy(&key, (const char *)node + treap->key_offset, sizeof key);
    return key;
}

static uint64_t rank_of(const fq_treap *treap, const struct fq_treap_node *node) {
    return fq_hash_mix(key_of(treap, node));
}

void fq_treap_insert(fq_treap *treap, struct fq_treap_node *node) {
    uint64_t key = key_of(treap, node);
    uint64_t rank = rank_of(treap, node);
    struct fq_treap_node **place = &treap->root;
    while (*place != NULL && rank_of(treap, *place) >= rank) {
        FQ_ASSERT(key_of(treap, *place) != key);
        place = key < key_of(treap, *place) ? &(*place)->left : &(*place)->right;
    }
    // What is below `place` is split by the key into the new node's two sides.
    struct fq_treap_node *rest = *place;
    struct fq_treap_node **left = &node->left, **right = &node->right;
    *place = node;
    while (rest != NULL) {
        if (key_of(treap, rest) < key) {
            *left = rest;
            left = &rest->right;
            rest = rest->right;
        } else {
            *right = rest;
            right = &rest->left;
            rest = rest->left;
        }
    }
    *left = NULL;
    *right = NULL;
}

void fq_treap_remove(fq_treap *treap, struct fq_treap_node *node) {
    uint64_t key = key_of(treap, node);
    struct fq_treap_node **place = &treap->root;
    while (*place != node) {
        FQ_ASSERT(*place != NULL);
        place = key < key_of(treap, *place) ? &(*place)->left : &(*place)->right;
    }
    struct fq_treap_node *left = node->left, *right = node->right;
    while (left != NULL && right != NULL) { // the two sides are merged by rank
        if (rank_of(treap, left) >= rank_of(treap, right)) {
            *place = left;
            place = &left->right;
            left = left->right;
        } else {
            *place = right;
            place = &right->left;
            right = right->left;
        }
    }
    *place = left != NULL ? left : right;
    node->left = NULL;
    node->right = NULL;
}

struct fq_treap_node *fq_treap_at_least(const fq_treap *treap, uint64_t key) {
    struct fq_treap_node *found = NULL;
    for (struct fq_treap_node *node = treap->root; node != NULL;) {
        if (key_of(treap, node) >= key) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return found;
}
