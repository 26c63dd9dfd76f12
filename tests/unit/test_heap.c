// SPDX-License-Identifier: Apache-2.0
// The timer heap and the search tree of returned tasks against plain arrays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/random.h"
#include "base/treap.h"

#include <string.h>

enum { ITEMS = 300 };

struct item {
    uint64_t tie;
    struct fq_treap_node node;
    uint64_t key;
    fq_list_link link;
    uint32_t place;
    bool in;
};

static void push(fq_heap *heap, int64_t key, struct item *item) {
    fq_heap_spare spare = {0};
    assert_int_equal(fq_heap_reserve(heap, 1, &spare), 0);
    fq_heap_adopt(heap, &spare);
    fq_heap_spare_done(&spare);
    fq_heap_push(heap, key, item);
}

static void the_heap_gives_the_least_first(void **state) {
    (void)state;
    static struct item items[ITEMS];
    static int64_t keys[ITEMS];
    memset(items, 0, sizeof items);
    fq_heap heap;
    fq_heap_init(&heap, offsetof(struct item, place), offsetof(struct item, tie));
    fq_random random;
    fq_random_seed(&random, 1);
    for (int step = 0; step < 20000; step++) {
        size_t i = fq_random_below(&random, ITEMS);
        items[i].tie = items[i].in ? items[i].tie : i + 1000 * fq_random_below(&random, 3);
        int64_t key = (int64_t)fq_random_below(&random, 50);
        switch (fq_random_below(&random, 3)) {
        case 0:
            if (items[i].in)
                break;
            push(&heap, key, &items[i]);
            items[i].in = true;
            keys[i] = key;
            break;
        case 1:
            fq_heap_remove(&heap, &items[i]); // also when it is not there
            items[i].in = false;
            break;
        default:
            if (!items[i].in)
                break;
            fq_heap_update(&heap, key, &items[i]);
            keys[i] = key;
            break;
        }
        const struct item *least = NULL;
        uint32_t count = 0;
        for (size_t k = 0; k < ITEMS; k++) {
            assert_int_equal(fq_heap_contains(&heap, &items[k]), items[k].in);
            if (!items[k].in)
                continue;
            count++;
            if (least == NULL || keys[k] < keys[least - items] ||
                (keys[k] == keys[least - items] && items[k].tie < least->tie))
                least = &items[k];
        }
        assert_int_equal(heap.count, count);
        if (least != NULL)
            assert_ptr_equal(heap.entries[0].item, least);
    }
    fq_heap_done(&heap);
}

// Leases of one moment: which is first does not matter, that the key is the least does.
static void a_heap_without_ties_goes_by_the_key(void **state) {
    (void)state;
    static struct item items[ITEMS];
    memset(items, 0, sizeof items);
    fq_heap heap;
    fq_heap_init(&heap, offsetof(struct item, place), FQ_HEAP_NO_TIE);
    fq_random random;
    fq_random_seed(&random, 2);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i].key = fq_random_below(&random, 20);
        push(&heap, (int64_t)items[i].key, &items[i]);
    }
    for (int64_t last = 0; heap.count > 0;) {
        struct item *first = heap.entries[0].item;
        assert_true(heap.entries[0].key == (int64_t)first->key && heap.entries[0].key >= last);
        last = heap.entries[0].key;
        fq_heap_remove(&heap, first);
        assert_false(fq_heap_contains(&heap, first));
    }
    fq_heap_done(&heap);
}

static void a_rebuilt_heap_is_in_order(void **state) {
    (void)state;
    static struct item items[ITEMS];
    memset(items, 0, sizeof items);
    fq_heap heap;
    fq_heap_init(&heap, offsetof(struct item, place), offsetof(struct item, tie));
    for (size_t i = 0; i < ITEMS; i++)
        push(&heap, (int64_t)i, &items[i]);
    for (uint32_t i = 0; i < heap.count; i++)
        heap.entries[i].key = -heap.entries[i].key;
    fq_heap_rebuild(&heap);
    for (size_t i = ITEMS; i-- > 0;) {
        assert_ptr_equal(heap.entries[0].item, &items[i]);
        assert_true(fq_heap_key(&heap, &items[i]) == -(int64_t)i);
        fq_heap_remove(&heap, &items[i]);
    }
    fq_heap_done(&heap);
}

static struct item *item_of(struct fq_treap_node *node) {
    return node != NULL ? FQ_ELEMENT(node, struct item, node) : NULL;
}

static void the_tree_finds_the_next_key(void **state) {
    (void)state;
    static struct item items[ITEMS];
    memset(items, 0, sizeof items);
    fq_treap treap = {NULL, (ptrdiff_t)offsetof(struct item, key) - (ptrdiff_t)offsetof(struct item, node)};
    fq_random random;
    fq_random_seed(&random, 2);
    for (size_t i = 0; i < ITEMS; i++)
        items[i].key = 3 * i + 1;
    for (int step = 0; step < 20000; step++) {
        size_t i = fq_random_below(&random, ITEMS);
        if (items[i].in)
            fq_treap_remove(&treap, &items[i].node);
        else
            fq_treap_insert(&treap, &items[i].node);
        items[i].in = !items[i].in;
        uint64_t asked = fq_random_below(&random, 3 * ITEMS + 3);
        struct item *expected = NULL;
        for (size_t k = 0; k < ITEMS && expected == NULL; k++) {
            if (items[k].in && items[k].key >= asked)
                expected = &items[k];
        }
        assert_ptr_equal(item_of(fq_treap_at_least(&treap, asked)), expected);
    }
}

static void a_list_keeps_its_order(void **state) {
    (void)state;
    static struct item items[4];
    fq_list_link head;
    fq_list_init(&head);
    assert_true(fq_list_is_empty(&head));
    fq_list_append(&head, &items[0].link);
    fq_list_append(&head, &items[2].link);
    fq_list_insert_before(&items[2].link, &items[1].link);
    int next = 0;
    for (fq_list_link *link = head.next; link != &head; link = link->next)
        assert_ptr_equal(FQ_ELEMENT(link, struct item, link), &items[next++]);
    assert_int_equal(next, 3);
    fq_list_remove(&items[1].link);
    assert_false(fq_list_is_linked(&items[1].link));
    assert_ptr_equal(items[0].link.next, &items[2].link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_gives_the_least_first),
        cmocka_unit_test(a_heap_without_ties_goes_by_the_key),
        cmocka_unit_test(a_rebuilt_heap_is_in_order),
        cmocka_unit_test(the_tree_finds_the_next_key),
        cmocka_unit_test(a_list_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
