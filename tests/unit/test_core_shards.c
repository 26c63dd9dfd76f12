// SPDX-License-Identifier: Apache-2.0
// A control plane that is one of several shards: what it takes, what it refuses, what it tells.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/shard_map.h"
#include "support/core_fixture.h"

#define KNOWN "018f0000-0000-7000-8000-00000000000a"
#define OTHER "018f0000-0000-7000-8000-00000000000b"

struct sharded {
    struct core_fixture fixture;
    struct fq_shard_map map;
    struct core_peer *peer;
};

static void open_shard(struct sharded *sharded, uint32_t shard, uint32_t founding) {
    *sharded = (struct sharded){0};
    core_fixture_init(&sharded->fixture);
    sharded->fixture.shards = &sharded->map;
    sharded->fixture.shard = shard;
    if (founding > 0) {
        assert_int_equal(fq_shard_map_found(&sharded->map, founding), 0);
        if (founding > 1)
            assert_true(fq_shard_put_address(fq_shard_find(&sharded->map, 1), "h1:5555", true));
    }
    core_fixture_open(&sharded->fixture, true);
    sharded->peer = core_peer_connect(&sharded->fixture, NULL);
}

static void close_shard(struct sharded *sharded) {
    core_peer_free(sharded->peer);
    core_fixture_close(&sharded->fixture);
    fq_shard_map_done(&sharded->map);
}

// A name that the shard owns now.
static void name_of(const struct sharded *sharded, uint32_t shard, char name[32]) {
    for (int i = 0; i < 1000; i++) {
        int len = snprintf(name, 32, "task.%d", i);
        if (fq_shard_owner(&sharded->map, (fq_str){name, (size_t)len}, sharded->map.version)->number == shard)
            return;
    }
    fail_msg("shard %u owns nothing", (unsigned)shard);
}

static void ask(struct sharded *sharded, const char *format, const char *name, const char *answer) {
    char line[256];
    snprintf(line, sizeof line, "FQ.SUBMIT %s %s", name, format);
    core_peer_expect(sharded->peer, line, answer);
}

static void only_its_own_is_taken(void **state) {
    (void)state;
    struct sharded sharded;
    char mine[32], others[32];
    open_shard(&sharded, 0, 2);
    name_of(&sharded, 0, mine);
    name_of(&sharded, 1, others);
    ask(&sharded, "{}", mine, "\"*00\""); // the id ends with the shard's number
    ask(&sharded, "{}", others, "-MOVED 1 h1:5555 *version 1*");
    ask(&sharded, "{} ID " KNOWN, others, "-MOVED 1 *");
    core_peer_expect(sharded.peer, "FQ.STATUS " KNOWN, "nil");
    // A unique key is placed by itself, whatever the name.
    char unique[64];
    snprintf(unique, sizeof unique, "{} UNIQUE %s", others);
    ask(&sharded, unique, mine, "-MOVED 1 *");
    snprintf(unique, sizeof unique, "{} UNIQUE %s", mine);
    ask(&sharded, unique, others, "\"*\"");
    close_shard(&sharded);
}

static void without_a_map_it_asks_for_patience(void **state) {
    (void)state;
    struct sharded sharded;
    open_shard(&sharded, 0, 0);
    ask(&sharded, "{}", "any", "-BUSY *");
    core_peer_expect(sharded.peer, "FQ.SHARDS", "*version*0*shard*0*");
    close_shard(&sharded);
}

static void a_later_map_moves_names_and_known_tells_of_the_old_ones(void **state) {
    (void)state;
    struct sharded sharded;
    char mine[32];
    open_shard(&sharded, 0, 1);
    name_of(&sharded, 0, mine);
    core_peer_expect(sharded.peer, "FQ.KNOWN 1 ID " KNOWN, "nil");
    ask(&sharded, "{} ID " KNOWN " UNIQUE key", mine, "\"" KNOWN "\"");
    core_peer_expect(sharded.peer, "FQ.KNOWN 1 ID " KNOWN, "\"" KNOWN "\"");
    core_peer_expect(sharded.peer, "FQ.KNOWN 0 ID " OTHER " UNIQUE key", "\"" KNOWN "\"");
    core_peer_expect(sharded.peer, "FQ.KNOWN 1 UNIQUE other", "nil");
    core_peer_expect(sharded.peer, "FQ.KNOWN 2 ID " KNOWN, "-BUSY *version 2*");
    core_peer_expect(sharded.peer, "FQ.KNOWN 1 ID nonsense", "-ERR *");
    core_peer_expect(sharded.peer, "FQ.KNOWN x ID " KNOWN, "-ERR *");
    core_peer_expect(sharded.peer, "FQ.KNOWN 1 WHAT ever", "-ERR *");
    assert_int_equal(fq_shard_map_add(&sharded.map, 1), 0);
    assert_int_equal(fq_shard_map_activate(&sharded.map, 1), 0);
    core_peer_expect(sharded.peer, "FQ.KNOWN 2 ID " KNOWN, "\"" KNOWN "\"");
    name_of(&sharded, 1, mine);
    ask(&sharded, "{} ID " KNOWN, mine, "-MOVED 1 - *");
    core_peer_expect(sharded.peer, "FQ.SHARDS", "*version*2*active*active*");
    close_shard(&sharded);
}

static void it_tells_who_it_is(void **state) {
    (void)state;
    struct sharded sharded;
    open_shard(&sharded, 1, 2);
    core_peer_expect(sharded.peer, "HELLO 3", "*shard*1*");
    core_peer_expect(sharded.peer, "INFO server", "*shard:1*shard_map_version:1*");
    core_peer_expect(sharded.peer, "FQ.SHARDS", "*version*1*shard*1*active*h1:5555*");
    assert_int_equal(fq_shard_map_retire(&sharded.map, 1), 0);
    assert_int_equal(fq_shard_map_add(&sharded.map, 2), 0);
    core_peer_expect(sharded.peer, "FQ.SHARDS", "*version*2*active*retired*joining*");
    close_shard(&sharded);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_own_is_taken),
        cmocka_unit_test(without_a_map_it_asks_for_patience),
        cmocka_unit_test(a_later_map_moves_names_and_known_tells_of_the_old_ones),
        cmocka_unit_test(it_tells_who_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
