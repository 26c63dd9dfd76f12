// SPDX-License-Identifier: Apache-2.0
// A session for which the n-th allocation fails, for every n: each call says so or works, what was accepted is done in the
// end, and nothing leaks (the sanitizer's part).
#include "support/fake_peer.h"
#include "support/session_script.h"

#include <stdlib.h>

enum { TASKS = 3, TAG_LIST = 10 };

// The linker sends the code under test here; counting only while a session function runs.
static struct {
    bool counts;
    int until_failure; // 0 = none will fail
    int failures;
} allocator;

static bool fails(void) {
    if (!allocator.counts || allocator.until_failure == 0 || --allocator.until_failure > 0)
        return false;
    allocator.failures++;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t size) {
    return fails() ? NULL : __real_realloc(memory, size);
}
char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}

struct world {
    fq_session *session;
    struct fake_peer *peer;
    bool accepted[TASKS], list_accepted;
    int submitted[TASKS], results[TASKS], listed;
};

static void ask(struct world *world) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.want_result = true;
    for (unsigned i = 0; i < TASKS; i++) {
        char id[37], given[37];
        fake_peer_id(i, id);
        options.id = id;
        int rc = fq_session_submit(world->session, script_slice("t"), script_slice("{}"), &options, i, given);
        assert_true(rc == 0 || rc == FQ_ENOMEM);
        world->accepted[i] = rc == 0;
    }
    const fq_slice echo[] = {script_slice("ECHO"), script_slice("x")};
    int rc = fq_session_command(world->session, echo, 2, true, TAG_LIST);
    assert_true(rc == 0 || rc == FQ_ENOMEM);
    world->list_accepted = rc == 0;
}

static void take_events(struct world *world) {
    struct fq_session_event event;
    while (fq_session_next_event(world->session, &event) == 1) {
        if (event.type == FQ_SESSION_SUBMITTED) {
            assert_int_equal(event.error, 0);
            world->submitted[event.tag]++;
        } else if (event.type == FQ_SESSION_RESULT) {
            assert_int_equal(event.error, 0);
            world->results[event.tag]++;
        } else if (event.type == FQ_SESSION_REPLY) {
            world->listed++;
        }
    }
}

// One turn on the connection; false when it failed.
static bool turn(struct world *world, bool *ret_moved) {
    fq_slice output = fq_session_output(world->session);
    allocator.counts = false;
    fake_peer_feed(world->peer, output.ptr, output.len);
    fq_str answers = fq_buf_str(&world->peer->out);
    allocator.counts = true;
    fq_session_sent(world->session, output.len);
    *ret_moved = output.len > 0 || answers.len > 0;
    int rc = answers.len > 0 ? fq_session_feed(world->session, answers.ptr, answers.len, S) : 0;
    fq_buf_clear(&world->peer->out);
    take_events(world);
    return rc == 0 && fq_session_tick(world->session, S) == 0;
}

static void run(struct world *world) {
    bool good = false;
    for (int connects = 0; !good; connects++) {
        assert_true(connects < 3);
        allocator.counts = false;
        fake_peer_connection(world->peer);
        allocator.counts = true;
        good = fq_session_connected(world->session, S) == 0;
        // Two quiet turns: what was held back for lack of memory goes out with the next one.
        for (int quiet = 0; good && quiet < 2;) {
            bool moved;
            good = turn(world, &moved);
            quiet = moved ? 0 : quiet + 1;
        }
        if (!good)
            fq_session_disconnected(world->session, S);
        take_events(world);
    }
}

// True while there was an allocation to fail.
static bool scenario(int failing) {
    struct world world = {.peer = fake_peer_new()};
    world.peer->finish_at_watch = true;
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.token = "secret";
    options.client_name = "name";
    allocator.until_failure = failing;
    allocator.failures = 0;
    allocator.counts = true;
    world.session = fq_session_new(&options);
    if (world.session != NULL) {
        ask(&world);
        run(&world);
        for (unsigned i = 0; i < TASKS; i++) {
            assert_int_equal(world.submitted[i], world.accepted[i]);
            assert_int_equal(world.results[i], world.accepted[i]);
        }
        assert_int_equal(world.listed, world.list_accepted);
    }
    allocator.counts = false;
    assert_true(world.session != NULL || allocator.failures == 1);
    fq_session_free(world.session);
    fake_peer_free(world.peer);
    return allocator.failures > 0;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    int failing = 1;
    while (scenario(failing))
        failing++;
    assert_true(failing > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
