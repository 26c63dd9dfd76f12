// SPDX-License-Identifier: Apache-2.0
// FETCH where there is much to step over.
#include "support/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct core_fixture fixture;

static int open_core(void **state) {
    (void)state;
    core_fixture_init(&fixture);
    core_fixture_open(&fixture, false);
    return 0;
}

static int close_core(void **state) {
    (void)state;
    core_fixture_close(&fixture);
    return 0;
}

static void submit_expiring(struct core_peer *client, int count) {
    for (int i = 0; i < count; i++) {
        core_peer_line(client, "FQ.SUBMIT mail x PRIORITY critical EXPIRES 1000");
        if (i % 1000 == 999)
            core_fixture_turn(&fixture);
    }
    core_fixture_turn(&fixture);
    for (int i = 0; i < count; i++)
        free(core_peer_next(client));
}

// More tasks have expired at one moment than a fetch steps over: the good one behind them is still handed out.
static void a_blocked_fetch_reaches_what_is_behind_expired_tasks(void **state) {
    (void)state;
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    submit_expiring(client, 9000);
    free(core_peer_ask(client, "FQ.SUBMIT mail good PRIORITY low"));
    fixture.now.boot_us += 2 * FQ_US_PER_S;
    fixture.now.wall_us += 2 * FQ_US_PER_S;
    core_peer_line(worker, "FQ.FETCH TASKS mail BLOCK 60000");
    char *answer = NULL;
    for (int turns = 0; turns < 10 && answer == NULL; turns++) {
        core_fixture_turn(&fixture);
        answer = core_peer_next(worker);
    }
    assert_non_null(answer);
    assert_true(core_text_matches("*\"good\"*", answer));
    free(answer);
    core_peer_free(worker);
    core_peer_free(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_blocked_fetch_reaches_what_is_behind_expired_tasks, open_core,
                                        close_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
