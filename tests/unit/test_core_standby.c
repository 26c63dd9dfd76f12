// SPDX-License-Identifier: Apache-2.0
// A control plane that does not lead: what it answers, and that its connections go on when it does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "support/core_fixture.h"

static void what_needs_state_is_refused(void **state) {
    (void)state;
    struct core_fixture fixture;
    core_fixture_init(&fixture);
    fixture.is_standby = true;
    core_fixture_open(&fixture, false);
    const char *refusal;
    struct core_peer *peer = core_peer_connect(&fixture, &refusal);
    assert_non_null(peer);
    core_peer_expect(peer, "FQ.SUBMIT t {}", "-NOTACTIVE nobody leads yet");
    fq_core_set_leader(fixture.core, "h2:5555");
    static const char *const refused[] = {"FQ.SUBMIT t {}",
                                          "FQ.FETCH WORKER w COUNT 1",
                                          "FQ.REGISTER w 1 TASKS t",
                                          "FQ.STATS",
                                          "FQ.STATUS 018f0000-0000-7000-8000-00000000000a",
                                          "FQ.PAUSE t",
                                          "FQ.WORKERS"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        core_peer_expect(peer, refused[i], "-NOTACTIVE h2:5555");
    core_peer_expect(peer, "PING", "+PONG");
    core_peer_expect(peer, "ECHO x", "\"x\"");
    core_peer_expect(peer, "FQ.SUBMIT", "-ERR *");
    core_peer_expect(peer, "INFO server", "*state:standby*leader:h2:5555*");
    core_peer_expect(peer, "HELLO 3", "*role*replica*leader*h2:5555*");
    core_peer_free(peer);
    core_fixture_close(&fixture);
}

static void its_connections_go_on_when_it_leads(void **state) {
    (void)state;
    struct core_fixture fixture;
    core_fixture_init(&fixture);
    fixture.is_standby = true;
    core_fixture_open(&fixture, false);
    const char *refusal;
    struct core_peer *peer = core_peer_connect(&fixture, &refusal);
    core_peer_expect(peer, "FQ.SUBMIT t {} ID 018f0000-0000-7000-8000-00000000000a", "-NOTACTIVE *");
    fq_engine *engine = fq_engine_new(&fixture.options.engine);
    assert_non_null(engine);
    assert_int_equal(fq_core_activate(fixture.core, engine, NULL, fixture.now), 0);
    assert_false(fq_core_is_standby(fixture.core));
    core_peer_expect(peer, "FQ.SUBMIT t {} ID 018f0000-0000-7000-8000-00000000000a",
                     "*018f0000-0000-7000-8000-00000000000a*");
    core_peer_expect(peer, "HELLO 3", "*role*master*");
    core_peer_expect(peer, "INFO server", "*state:running*");
    core_peer_free(peer);
    fq_core_free(fixture.core);
    fixture.core = NULL;
    fq_engine_free(engine);
    core_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_state_is_refused),
        cmocka_unit_test(its_connections_go_on_when_it_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
