// SPDX-License-Identifier: Apache-2.0
// Every row of the command table and every subcommand with a role of its own, against every set of roles and the connection
// that has not logged in: what the table does not allow is refused and changes nothing, what it allows is done.
#include "server/command.h"
#include "support/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAITING "00000000-0000-4000-8000-000000000001"
#define HELD    "00000000-0000-4000-8000-000000000002"
#define DEAD    "00000000-0000-4000-8000-000000000003"

enum { ROLE_SETS = 16 };

// One request for each row that does something in the scene below. %s is the token of the lease.
static const struct {
    const char *row, *line;
    bool changes; // the engine, where it is allowed
} samples[] = {
    {"HELLO",         "HELLO 3",                          false},
    {"AUTH",          "AUTH nobody secret",               false},
    {"PING",          "PING",                             false},
    {"ECHO",          "ECHO text",                        false},
    {"QUIT",          "QUIT",                             false},
    {"RESET",         "RESET",                            false},
    {"SELECT",        "SELECT 0",                         false},
    {"CLIENT",        "CLIENT ID",                        false},
    {"CLIENT",        "CLIENT LIST",                      false},
    {"CLIENT",        "client list",                      false},
    {"COMMAND",       "COMMAND COUNT",                    false},
    {"INFO",          "INFO",                             false},
    {"CONFIG",        "CONFIG GET *",                     false},
    {"FQ.SUBMIT",     "FQ.SUBMIT new {}",                 true },
    {"FQ.CANCEL",     "FQ.CANCEL " WAITING,               true },
    {"FQ.RESULT",     "FQ.RESULT " WAITING,               false},
    {"FQ.STATUS",     "FQ.STATUS " WAITING,               false},
    {"FQ.WATCH",      "FQ.WATCH " WAITING,                false},
    {"FQ.REGISTER",   "FQ.REGISTER other TASKS new",      true },
    {"FQ.UNREGISTER", "FQ.UNREGISTER w",                  true },
    {"FQ.FETCH",      "FQ.FETCH TASKS waiting",           true },
    {"FQ.COMPLETE",   "FQ.COMPLETE " HELD " %s {}",       true },
    {"FQ.FAIL",       "FQ.FAIL " HELD " %s Type message", true },
    {"FQ.HEARTBEAT",  "FQ.HEARTBEAT " HELD " %s running", true },
    {"FQ.RELEASE",    "FQ.RELEASE " HELD " %s",           true },
    {"FQ.QUEUES",     "FQ.QUEUES",                        false},
    {"FQ.WORKERS",    "FQ.WORKERS",                       false},
    {"FQ.LIST",       "FQ.LIST",                          false},
    {"FQ.STATS",      "FQ.STATS",                         false},
    {"FQ.SHARDS",     "FQ.SHARDS",                        false},
    {"FQ.KNOWN",      "FQ.KNOWN 1 ID " HELD,              false},
    {"FQ.PAUSE",      "FQ.PAUSE",                         true },
    {"FQ.RESUME",     "FQ.RESUME paused",                 true },
    {"FQ.DEAD",       "FQ.DEAD LIST",                     false},
    {"FQ.DEAD",       "FQ.DEAD REQUEUE ALL",              true },
    {"FQ.DEAD",       "fq.dead requeue " DEAD,            true },
    {"FQ.DEAD",       "FQ.DEAD PURGE ALL",                true },
    {"FQ.HELP",       "FQ.HELP",                          false},
};
enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

static const struct fq_command_row *row_of(const char *name) {
    for (size_t i = 0; fq_command_row(i) != NULL; i++) {
        if (strcmp(fq_command_row(i)->name, name) == 0)
            return fq_command_row(i);
    }
    fail_msg("the table has no %s", name);
    return NULL;
}

static bool is_of(const char *line, const struct fq_subcommand_row *sub) {
    char start[64];
    int len = snprintf(start, sizeof start, "%s %s", sub->name, sub->word);
    return strncasecmp(line, start, (size_t)len) == 0;
}

// What the table says of a request, 0 = any role.
static bool is_allowed(size_t sample, unsigned roles) {
    unsigned of_row = row_of(samples[sample].row)->roles;
    if (of_row != 0 && (of_row & roles) == 0)
        return false;
    const struct fq_subcommand_row *sub;
    for (size_t i = 0; (sub = fq_subcommand_row(i)) != NULL; i++) {
        if (is_of(samples[sample].line, sub))
            return (sub->roles & roles) != 0;
    }
    return true;
}

// --- the scene: a task that waits, one that a worker holds, one that is dead, a pause ---------------------------------------
struct scene {
    struct core_fixture fixture;
    char token[32];
};

static void token_of(struct core_peer *peer, char token[32]) {
    char *answer = core_peer_ask(peer, "FQ.FETCH WORKER w");
    assert_non_null(answer);
    const char *at = strstr(answer, "token");
    assert_non_null(at);
    at += strcspn(at, "0123456789");
    snprintf(token, 32, "%.*s", (int)strspn(at, "0123456789"), at);
    free(answer);
}

static void open_scene(struct scene *scene) {
    struct core_fixture *fixture = &scene->fixture;
    core_fixture_init(fixture);
    fixture->credentials = fq_credentials_new();
    for (unsigned roles = 1; roles < ROLE_SETS; roles++) {
        char name[8];
        snprintf(name, sizeof name, "r%u", roles);
        fq_str text = fq_str_of(name);
        assert_int_equal(fq_credentials_add_token(fixture->credentials, text, roles, text), 0);
    }
    core_fixture_open(fixture, false);
    struct core_peer *peer = core_peer_connect(fixture, NULL);
    char token[32], line[128];
    core_peer_expect(peer, "AUTH r15 r15", "+OK");
    core_peer_expect(peer, "FQ.REGISTER w TASKS dead held", "*");
    core_peer_expect(peer, "FQ.SUBMIT dead {} ID " DEAD, "*");
    token_of(peer, token);
    snprintf(line, sizeof line, "FQ.FAIL " DEAD " %s Type message NORETRY", token);
    core_peer_expect(peer, line, "+OK");
    core_peer_expect(peer, "FQ.SUBMIT held {} ID " HELD, "*");
    token_of(peer, scene->token);
    core_peer_expect(peer, "FQ.SUBMIT waiting {} ID " WAITING, "*");
    core_peer_expect(peer, "FQ.PAUSE paused", ":1");
    core_peer_free(peer);
    core_fixture_turn(fixture);
}

// The answer to the sample as somebody with these roles, 0 = not logged in.
static char *ask(struct scene *scene, size_t sample, unsigned roles) {
    struct core_peer *peer = core_peer_connect(&scene->fixture, NULL);
    char line[128], login[32];
    snprintf(login, sizeof login, "AUTH r%u r%u", roles, roles);
    if (roles != 0)
        core_peer_expect(peer, login, "+OK");
    const char *format = samples[sample].line, *hole = strstr(format, "%s");
    size_t head = hole != NULL ? (size_t)(hole - format) : strlen(format);
    snprintf(line, sizeof line, "%.*s%s%s", (int)head, format, hole != NULL ? scene->token : "",
             hole != NULL ? hole + 2 : "");
    char *answer = core_peer_ask(peer, line);
    assert_non_null(answer);
    core_peer_free(peer);
    return answer;
}

// All that can be seen of the engine: its hash, which leaves workers out, and what an administrator is shown.
static char *fingerprint(struct scene *scene) {
    struct core_peer *peer = core_peer_connect(&scene->fixture, NULL);
    core_peer_expect(peer, "AUTH r15 r15", "+OK");
    char *workers = core_peer_ask(peer, "FQ.WORKERS"), *tasks = core_peer_ask(peer, "FQ.LIST");
    char *text = NULL;
    assert_true(asprintf(&text, "%llx %s %s", (unsigned long long)fq_engine_hash(scene->fixture.engine),
                         workers, tasks) > 0);
    free(workers);
    free(tasks);
    core_peer_free(peer);
    return text;
}

static void check_one(size_t sample, unsigned roles) {
    struct scene scene;
    open_scene(&scene);
    char *before = fingerprint(&scene);
    char *answer = ask(&scene, sample, roles);
    char *after = fingerprint(&scene);
    bool is_changed = strcmp(before, after) != 0;
    const char *refusal = roles == 0 ? "-NOAUTH " : "-NOPERM ";
    bool is_early = (row_of(samples[sample].row)->flags & FQ_COMMAND_BEFORE_LOGIN) != 0;
    bool is_open = roles == 0 ? is_early : is_allowed(sample, roles);
    bool is_refused = strncmp(answer, refusal, strlen(refusal)) == 0;
    // HELLO before login is its own to refuse, in its own words.
    bool speaks_for_itself = roles == 0 && is_early;
    if (!speaks_for_itself && is_refused == is_open)
        fail_msg("'%s' with roles %u: %s", samples[sample].line, roles, answer);
    if (is_changed != (is_open && samples[sample].changes))
        fail_msg("'%s' with roles %u: the engine %s: %s", samples[sample].line, roles,
                 is_changed ? "changed" : "did not change", answer);
    free(answer);
    free(before);
    free(after);
    core_fixture_close(&scene.fixture);
}

static void every_row_with_every_set_of_roles(void **state) {
    (void)state;
    for (size_t sample = 0; sample < SAMPLE_COUNT; sample++)
        for (unsigned roles = 0; roles < ROLE_SETS; roles++)
            check_one(sample, roles);
}

// A new row without a line here is found.
static void every_row_is_asked(void **state) {
    (void)state;
    for (size_t i = 0; fq_command_row(i) != NULL; i++) {
        const struct fq_command_row *row = fq_command_row(i);
        bool is_asked = false, changes = false;
        for (size_t k = 0; k < SAMPLE_COUNT; k++) {
            bool is_it = strcmp(samples[k].row, row->name) == 0;
            is_asked = is_asked || is_it;
            changes = changes || (is_it && samples[k].changes);
        }
        if (!is_asked)
            fail_msg("no sample of %s", row->name);
        if (changes != ((row->flags & FQ_COMMAND_MUTATING) != 0))
            fail_msg("%s: the table and its samples differ on whether it changes the engine", row->name);
    }
    const struct fq_subcommand_row *sub;
    for (size_t i = 0; (sub = fq_subcommand_row(i)) != NULL; i++) {
        bool is_asked = false;
        for (size_t k = 0; k < SAMPLE_COUNT; k++)
            is_asked = is_asked || is_of(samples[k].line, sub);
        if (!is_asked)
            fail_msg("no sample of %s %s", sub->name, sub->word);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_asked),
        cmocka_unit_test(every_row_with_every_set_of_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
