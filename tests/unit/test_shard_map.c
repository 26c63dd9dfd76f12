// SPDX-License-Identifier: Apache-2.0
// The map of shards: who owns a key, what moves when one is added, and its text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/shard_map.h"
#include "fastqueue/error.h"

enum { KEYS = 20000 };

static fq_str key(char text[32], int number) {
    return (fq_str){text, (size_t)snprintf(text, 32, "task.%d", number)};
}

static uint32_t owner(const struct fq_shard_map *map, int number, uint32_t version) {
    char text[32];
    const struct fq_shard *shard = fq_shard_owner(map, key(text, number), version);
    assert_non_null(shard);
    return shard->number;
}

static void add(struct fq_shard_map *map, uint32_t number) {
    assert_int_equal(fq_shard_map_add(map, number), 0);
    assert_int_equal(fq_shard_map_activate(map, number), 0);
}

static void keys_are_spread_evenly(void **state) {
    (void)state;
    for (uint32_t shards = 1; shards <= 100; shards += 33) {
        struct fq_shard_map map = {0};
        assert_int_equal(fq_shard_map_found(&map, shards), 0);
        int counts[FQ_SHARDS_MAX] = {0}, mean = KEYS / (int)shards;
        for (int i = 0; i < KEYS; i++)
            counts[owner(&map, i, 1)]++;
        for (uint32_t i = 0; i < shards; i++)
            assert_in_range(counts[i], mean * 6 / 10, mean * 14 / 10);
        fq_shard_map_done(&map);
    }
}

static void a_new_shard_takes_its_part_from_all_and_nothing_else_moves(void **state) {
    (void)state;
    struct fq_shard_map map = {0};
    assert_int_equal(fq_shard_map_found(&map, 4), 0);
    assert_int_equal(fq_shard_map_add(&map, 4), 0);
    for (int i = 0; i < KEYS; i++)
        assert_int_not_equal(owner(&map, i, map.version), 4); // it owns nothing yet
    assert_int_equal(fq_shard_map_activate(&map, 4), 0);
    int moved = 0, lost[4] = {0};
    for (int i = 0; i < KEYS; i++) {
        uint32_t before = owner(&map, i, 1), after = owner(&map, i, 2);
        if (before == after)
            continue;
        assert_int_equal(after, 4);
        lost[before]++;
        moved++;
    }
    assert_in_range(moved, KEYS / 5 * 9 / 10, KEYS / 5 * 11 / 10);
    for (int i = 0; i < 4; i++)
        assert_in_range(lost[i], moved / 4 * 8 / 10, moved / 4 * 12 / 10);
    fq_shard_map_done(&map);
}

static void earlier_owners_are_all_that_had_the_key(void **state) {
    (void)state;
    struct fq_shard_map map = {0};
    assert_int_equal(fq_shard_map_found(&map, 1), 0);
    for (uint32_t number = 1; number < 6; number++)
        add(&map, number);
    assert_int_equal(fq_shard_map_retire(&map, 3), 0);
    for (int i = 0; i < 500; i++) {
        char text[32];
        const struct fq_shard *earlier[FQ_SHARDS_MAX];
        size_t count = fq_shard_earlier_owners(&map, key(text, i), earlier, FQ_SHARDS_MAX);
        for (uint32_t version = 1; version <= map.version; version++) {
            uint32_t then = owner(&map, i, version);
            bool is_told = then == owner(&map, i, map.version);
            for (size_t j = 0; j < count; j++) {
                assert_int_not_equal(earlier[j]->number, owner(&map, i, map.version));
                is_told = is_told || earlier[j]->number == then;
            }
            assert_true(is_told);
        }
        assert_int_not_equal(owner(&map, i, map.version), 3);
        assert_true(fq_shard_earlier_owners(&map, key(text, i), earlier, 1) <= 1);
    }
    fq_shard_map_done(&map);
}

static void changes_that_make_no_sense_are_refused(void **state) {
    (void)state;
    struct fq_shard_map map = {0};
    assert_int_equal(fq_shard_map_found(&map, 0), FQ_EINVALID);
    assert_int_equal(fq_shard_map_found(&map, FQ_SHARDS_MAX + 1), FQ_EINVALID);
    assert_null(fq_shard_owner(&map, FQ_STR("x"), 0));
    assert_int_equal(fq_shard_map_found(&map, 1), 0);
    assert_int_equal(fq_shard_map_found(&map, 1), FQ_EINVALID);
    assert_int_equal(fq_shard_map_add(&map, 0), FQ_EINVALID);
    assert_int_equal(fq_shard_map_add(&map, FQ_SHARDS_MAX), FQ_EINVALID);
    assert_int_equal(fq_shard_map_activate(&map, 0), FQ_EINVALID);
    assert_int_equal(fq_shard_map_activate(&map, 9), FQ_EINVALID);
    assert_int_equal(fq_shard_map_retire(&map, 0), FQ_EBADSTATE);
    assert_int_equal(fq_shard_map_remove(&map, 0), FQ_EINVALID);
    add(&map, 7);
    assert_int_equal(fq_shard_map_retire(&map, 0), 0);
    assert_int_equal(fq_shard_map_retire(&map, 0), FQ_EINVALID);
    assert_int_equal(fq_shard_map_activate(&map, 0), FQ_EINVALID);
    assert_int_equal(fq_shard_map_remove(&map, 0), 0);
    assert_int_equal(fq_shard_map_remove(&map, 0), FQ_EINVALID);
    assert_null(fq_shard_find(&map, 0));
    fq_shard_map_done(&map);
}

static void the_text_says_all(void **state) {
    (void)state;
    struct fq_shard_map map = {0}, again;
    fq_buf text = {0};
    assert_int_equal(fq_shard_map_found(&map, 2), 0);
    add(&map, 200);
    assert_int_equal(fq_shard_map_add(&map, 5), 0);
    assert_int_equal(fq_shard_map_retire(&map, 0), 0);
    assert_true(fq_shard_put_address(fq_shard_find(&map, 1), "10.0.0.1:5555", true));
    assert_int_equal(fq_shard_map_format(&map, &text), 0);
    fq_str expected = FQ_STR("FQS1 3\n0 1 3 -\n1 1 0 10.0.0.1:5555\n5 0 0 -\n200 2 0 -\n");
    assert_true(fq_str_equal(fq_buf_str(&text), expected));
    assert_int_equal(fq_shard_map_parse(&again, fq_buf_str(&text)), 0);
    assert_int_equal(again.count, 4);
    for (size_t i = 0; i < map.count; i++)
        assert_memory_equal(&again.shards[i], &map.shards[i], sizeof map.shards[i]);
    // Cut anywhere it is another map or none, and never more than there is.
    for (size_t len = 0; len < fq_buf_len(&text); len++) {
        struct fq_shard_map cut;
        if (fq_shard_map_parse(&cut, (fq_str){fq_buf_str(&text).ptr, len}) == 0)
            assert_true(cut.count <= 4);
        fq_shard_map_done(&cut);
    }
    fq_shard_map_done(&again);
    fq_shard_map_done(&map);
    fq_buf_done(&text);
}

static void what_is_no_map_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "FQS2 1\n",
        "FQS1 -1\n",
        "FQS1 1 2\n",
        "FQS1 1\n0 1 0\n",
        "FQS1 1\n0 1 0 \n",
        "FQS1 1\n0 2 0 -\n", // it owned something before that was so
        "FQS1 2\n0 2 1 -\n", // and after it did no more
        "FQS1 2\n0 0 1 -\n",
        "FQS1 1\n1 1 0 -\n0 1 0 -\n", // not by number
        "FQS1 1\n1 1 0 -\n1 1 0 -\n",
        "FQS1 1\n256 1 0 -\n",
        "FQS1 1\n0 1 0 a b\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fq_shard_map map;
        assert_int_equal(fq_shard_map_parse(&map, fq_str_of(texts[i])), FQ_EINVALID);
        assert_null(map.shards);
    }
}

static void addresses_begin_with_the_leader(void **state) {
    (void)state;
    struct fq_shard shard = {0};
    assert_true(fq_shard_put_address(&shard, "b:1", false));
    assert_true(fq_shard_put_address(&shard, "a:1", true));
    assert_false(fq_shard_put_address(&shard, "a:1", true));
    assert_false(fq_shard_put_address(&shard, "b:1", false));
    assert_string_equal(shard.addresses, "a:1,b:1");
    assert_true(fq_shard_put_address(&shard, "b:1", true));
    assert_string_equal(shard.addresses, "b:1,a:1");
    assert_true(fq_shard_put_address(&shard, "bb:1", false)); // the beginning of one is not it
    assert_string_equal(shard.addresses, "b:1,a:1,bb:1");
    assert_false(fq_shard_put_address(&shard, "", true));
    char longest[FQ_SHARD_ADDRESS_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[FQ_SHARD_ADDRESS_MAX + 1] = '\0';
    assert_false(fq_shard_put_address(&shard, longest, true));
    longest[FQ_SHARD_ADDRESS_MAX] = '\0';
    for (int i = 0; i < 10; i++) { // the oldest go, the leader stays
        longest[0] = (char)('a' + i);
        assert_true(fq_shard_put_address(&shard, longest, false));
        assert_memory_equal(shard.addresses, "b:1,", 4);
        assert_non_null(strstr(shard.addresses, longest));
    }
    assert_true(fq_shard_put_address(&shard, "c:1", true));
    assert_memory_equal(shard.addresses, "c:1,b:1,", 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_spread_evenly),
        cmocka_unit_test(a_new_shard_takes_its_part_from_all_and_nothing_else_moves),
        cmocka_unit_test(earlier_owners_are_all_that_had_the_key),
        cmocka_unit_test(changes_that_make_no_sense_are_refused),
        cmocka_unit_test(the_text_says_all),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(addresses_begin_with_the_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
