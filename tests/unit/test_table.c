// SPDX-License-Identifier: Apache-2.0
// The hash table against a plain array, with good and with miserable hashes, while it grows, shrinks and is scanned.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/random.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS = 5000 };

// The context says how bad the hash is: bits that are kept of it.
static uint64_t hash_of(const void *context, uint64_t value) {
    return fq_hash_mix(value) & *(const uint64_t *)context;
}
static bool is_equal(const void *context, uint64_t value, const void *key) {
    (void)context;
    return value == *(const uint64_t *)key;
}
static const struct fq_table_ops ops = {.hash = hash_of, .equal = is_equal};

static void insert(fq_table *table, uint64_t value) {
    fq_table_spare spare = {0};
    assert_int_equal(fq_table_reserve(table, 1, &spare), 0);
    fq_table_adopt(table, &spare);
    fq_table_insert(table, hash_of(table->context, value), value);
    fq_table_spare_done(&spare);
}

static void compare(const fq_table *table, const bool *present) {
    uint64_t count = 0;
    for (uint64_t key = 1; key < KEYS; key++) {
        uint64_t found = fq_table_find(table, hash_of(table->context, key), &key);
        assert_true(found == (present[key] ? key : 0));
        count += present[key];
    }
    assert_true(table->count == count);
}

static void churn(uint64_t hash_bits, uint64_t key_max, int steps) {
    static bool present[KEYS];
    memset(present, 0, sizeof present);
    fq_table table;
    fq_table_init(&table, &ops, &hash_bits);
    fq_random random;
    fq_random_seed(&random, hash_bits + 1);
    for (int step = 0; step < steps; step++) {
        uint64_t key = 1 + fq_random_below(&random, key_max - 1);
        bool growing = step / (steps / 4) % 2 == 0;
        bool add = fq_random_below(&random, 10) < (growing ? 7u : 3u);
        if (add && !present[key])
            insert(&table, key);
        else if (!add && present[key])
            fq_table_remove(&table, hash_of(&hash_bits, key), key);
        else
            continue;
        present[key] = add;
        if (step % (steps / 20) == 0)
            compare(&table, present);
    }
    compare(&table, present);
    fq_table_done(&table);
}

static void it_is_as_an_array(void **state) {
    (void)state;
    churn(UINT64_MAX, KEYS, 60000);
}
static void bad_hashes_are_only_slow(void **state) {
    (void)state;
    churn(UINT64_C(7) << 61, 1200, 6000); // eight homes: runs far beyond what a slot can say
    churn(0, 240, 3000);
}

static void a_successor_takes_the_place(void **state) {
    (void)state;
    uint64_t bits = 0;
    fq_table table;
    fq_table_init(&table, &ops, &bits);
    insert(&table, 5);
    insert(&table, 6);
    fq_table_replace(&table, 0, 5, 7);
    uint64_t key = 5;
    assert_true(fq_table_find(&table, 0, &key) == 0);
    key = 7;
    assert_true(fq_table_find(&table, 0, &key) == 7);
    assert_true(table.count == 2);
    fq_table_done(&table);
}

struct scan {
    unsigned char seen[KEYS];
    uint64_t left; // entries that may still be taken in this call
};
static bool visit(void *context, uint64_t value) {
    struct scan *scan = context;
    if (scan->left == 0)
        return false;
    scan->left--;
    scan->seen[value]++;
    return true;
}

static void a_scan_sees_each_once_while_all_changes(void **state) {
    (void)state;
    static struct scan scan;
    for (uint64_t seed = 0; seed < 20; seed++) {
        memset(&scan, 0, sizeof scan);
        uint64_t bits = UINT64_MAX;
        fq_table table;
        fq_table_init(&table, &ops, &bits);
        fq_random random;
        fq_random_seed(&random, seed);
        for (uint64_t key = 1; key <= 1000; key++) // these stay
            insert(&table, key);
        uint64_t added = 1000, removed = 1000;
        uint64_t cursor = 0;
        do {
            scan.left = 1 + fq_random_below(&random, 30);
            fq_table_scan(&table, &cursor, 100, visit, &scan);
            for (uint64_t i = fq_random_below(&random, 60); i > 0 && added + 1 < KEYS; i--)
                insert(&table, ++added);
            for (uint64_t i = fq_random_below(&random, 40); i > 0 && removed < added; i--) {
                removed++;
                fq_table_remove(&table, hash_of(&bits, removed), removed);
            }
        } while (cursor != 0);
        for (uint64_t key = 1; key <= 1000; key++)
            assert_int_equal(scan.seen[key], 1);
        for (uint64_t key = 1001; key < KEYS; key++)
            assert_true(scan.seen[key] <= 1);
        fq_table_done(&table);
    }
}

static void a_scan_stops_when_it_has_looked_enough(void **state) {
    (void)state;
    static struct scan scan;
    memset(&scan, 0, sizeof scan);
    scan.left = KEYS;
    uint64_t bits = UINT64_MAX;
    fq_table table;
    fq_table_init(&table, &ops, &bits);
    for (uint64_t key = 1; key < KEYS; key++)
        insert(&table, key);
    uint64_t cursor = 0;
    int calls = 0;
    do {
        uint64_t before = scan.left;
        fq_table_scan(&table, &cursor, 100, visit, &scan);
        assert_true(before - scan.left <= 100);
        calls++;
    } while (cursor != 0);
    assert_true(calls >= KEYS / 100);
    assert_true(scan.left == 1);
    fq_table_done(&table);
}

// Through every size whose entries are moved by what their slots say of the hash, and those before.
static void a_large_table_keeps_all_while_it_grows(void **state) {
    (void)state;
    enum { MANY = 300000 };
    static const uint64_t masks[] = {UINT64_MAX, UINT64_C(0xfffffff) << 36, UINT64_C(0xffff3) << 44};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        fq_table table;
        fq_table_init(&table, &ops, &masks[i]);
        for (uint64_t key = 1; key <= MANY; key++) {
            insert(&table, key);
            if (key % 3 == 0)
                fq_table_remove(&table, hash_of(&masks[i], key / 3), key / 3);
        }
        for (uint64_t key = 1; key <= MANY; key++) {
            uint64_t found = fq_table_find(&table, hash_of(&masks[i], key), &key);
            assert_int_equal(found, key <= MANY / 3 ? 0 : key);
        }
        fq_table_done(&table);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_an_array),
        cmocka_unit_test(a_large_table_keeps_all_while_it_grows),
        cmocka_unit_test(bad_hashes_are_only_slow),
        cmocka_unit_test(a_successor_takes_the_place),
        cmocka_unit_test(a_scan_sees_each_once_while_all_changes),
        cmocka_unit_test(a_scan_stops_when_it_has_looked_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
