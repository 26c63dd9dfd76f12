// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, for every n of a conversation that uses each kind of command: nothing breaks, the engine's
// invariants hold, and afterwards the same server works on.
#include "journal/storage_memory.h"
#include "server/core.h"
#include "server/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// --- the failing allocator: --wrap sends every allocation of the program here ---------------------------------------------
static struct {
    bool is_armed;
    uint64_t left; // allocations that still succeed
    uint64_t failed;
} memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void) {
    if (!memory.is_armed || memory.left-- > 0)
        return false;
    memory.left = UINT64_MAX; // only the n-th
    memory.failed++;
    return true;
}
void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}

// --- a server and its peers -----------------------------------------------------------------------------------------------
enum { PEERS = 3, OUTPUT = 1 << 16 };
struct world {
    struct fq_server_options options;
    fq_engine *engine;
    fq_journal *journal;
    fq_core *core;
    struct fq_now now;
    fq_connection *peers[PEERS];
    char last[PEERS][OUTPUT]; // what the peer got last
    int answered;
};

static void no_wake(void *context) {
    (void)context;
}
static int no_record(void *context, fq_str record) {
    (void)context, (void)record;
    return FQ_ECORRUPT;
}

static void open_world(struct world *world) {
    memset(world, 0, sizeof *world);
    world->now = (struct fq_now){1000000, 1800000000000000};
    fq_server_options_init(&world->options);
    world->options.engine.result_bytes_max = 2000;
    world->engine = fq_engine_new(&world->options.engine);
    struct fq_journal_config journal;
    fq_journal_config_init(&journal);
    assert_int_equal(fq_journal_open(fq_storage_memory_open(no_wake, NULL), &journal, &world->journal), 0);
    assert_int_equal(fq_journal_recover(world->journal, no_record, NULL), 0);
    assert_int_equal(fq_journal_start(world->journal, world->now), 0);
    struct fq_core_config config = {
        .options = &world->options, .engine = world->engine, .journal = world->journal, .seed = 3};
    world->core = fq_core_new(&config);
    assert_non_null(world->core);
    assert_int_equal(fq_core_start(world->core, world->now), 0);
}

static void take(struct world *world) {
    fq_connection *connection;
    while ((connection = fq_core_next_ready(world->core)) != NULL) {
        size_t index = (size_t)(uintptr_t)fq_connection_context(connection);
        fq_str output = fq_connection_output(connection);
        if (output.len > 0) {
            size_t len = output.len < OUTPUT - 1 ? output.len : OUTPUT - 1;
            memcpy(world->last[index], output.ptr, len);
            world->last[index][len] = '\0';
            fq_connection_sent(connection, output.len);
        }
        if (fq_connection_should_close(connection)) {
            fq_connection_close(connection, world->now);
            world->peers[index] = NULL;
        }
    }
}

static void pass(struct world *world, int64_t ms) {
    world->now.boot_us += ms * FQ_US_PER_MS + 1;
    world->now.wall_us += ms * FQ_US_PER_MS + 1;
    for (int i = 0; i < 4; i++) {
        fq_core_turn(world->core, world->now);
        take(world);
        fq_journal_poll(world->journal, world->now);
        fq_core_on_durable(world->core, world->now);
        take(world);
    }
}

static fq_connection *peer(struct world *world, size_t index) {
    struct fq_peer_info info = {.text = FQ_STR("peer"), .is_local = true};
    const char *refusal;
    if (world->peers[index] == NULL) {
        world->peers[index] = fq_core_accept(world->core, &info, world->now, &refusal);
        if (world->peers[index] != NULL)
            fq_connection_set_context(world->peers[index], (void *)(uintptr_t)index);
    }
    return world->peers[index];
}

// One request of words without blanks; "%t" is the token in what peer 1 got last.
static void ask(struct world *world, size_t index, const char *line) {
    static char request[4096];
    char words[32][128];
    int count = 0, used = 0;
    for (const char *at = line; sscanf(at, " %127s%n", words[count], &used) == 1; at += used)
        count++;
    int len = snprintf(request, sizeof request, "*%d\r\n", count);
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        char token[32] = "1";
        const char *found = strstr(world->last[1], "token\r\n$");
        if (strcmp(word, "%t") == 0) {
            if (found != NULL)
                sscanf(found, "token\r\n$%*d\r\n%31s", token);
            word = token;
        }
        len += snprintf(request + len, sizeof request - (size_t)len, "$%zu\r\n%s\r\n", strlen(word), word);
    }
    fq_connection *connection = peer(world, index);
    if (connection != NULL && fq_connection_feed(connection, request, (size_t)len, world->now) < 0)
        pass(world, 0);
    pass(world, 1);
}

static void on_reply(void *context, fq_str reply) {
    (void)reply;
    ((struct world *)context)->answered++;
}

#define ID1 "00000000-0000-4000-8000-000000000001"
#define ID2 "00000000-0000-4000-8000-000000000002"

static int converse(struct world *world) {
    static const struct {
        size_t peer;
        const char *line;
    } script[] = {
        {0, "HELLO 3 SETNAME client"                                            },
        {0, "FQ.SUBMIT mail x ID " ID1 " UNIQUE key RETRIES 1 TRACEPARENT 00-aa"},
        {0, "FQ.SUBMIT sms y ID " ID2 " DELAY 50"                               },
        {0, "FQ.WATCH " ID1 " " ID2                                             },
        {1, "FQ.REGISTER w INSTANCE i TASKS mail sms fax SLOTS 2 META k v"      },
        {1, "FQ.FETCH COUNT 10"                                                 },
        {1, "FQ.HEARTBEAT " ID1 " %t running"                                   },
        {1, "FQ.FAIL " ID1 " %t Boom bang STACK here"                           },
        {2, "FQ.RESULT " ID1 " WAIT 100000"                                     },
        {1, "FQ.FETCH TASKS mail sms BLOCK 100000"                              },
        {1, "FQ.REGISTER w INSTANCE i TASKS mail sms"                           },
        {1, "FQ.FETCH BLOCK 100000"                                             },
        {0, "INFO"                                                              },
        {0, "CLIENT LIST"                                                       },
        {0, "FQ.LIST"                                                           },
        {0, "FQ.WORKERS"                                                        },
        {0, "FQ.QUEUES"                                                         },
        {0, "FQ.PAUSE"                                                          },
        {0, "FQ.RESUME"                                                         },
        {0, "FQ.CANCEL " ID1                                                    },
        {0, "FQ.DEAD LIST"                                                      },
        {0, "FQ.DEAD REQUEUE ALL"                                               },
    };
    for (size_t i = 0; i < sizeof script / sizeof script[0]; i++)
        ask(world, script[i].peer, script[i].line);
    fq_str args[] = {FQ_STR("FQ.RESULT"), FQ_STR(ID2), FQ_STR("WAIT"), FQ_STR("10")};
    int asked = fq_core_request(world->core, FQ_ROLE_ALL, args, 4, world->now, on_reply, world) != NULL;
    pass(world, 60);
    if (world->peers[1] != NULL)
        fq_connection_close(world->peers[1], world->now);
    world->peers[1] = NULL;
    pass(world, 1500);
    pass(world, 5000);
    return asked;
}

// After the failure: a task goes through.
static void still_works(struct world *world, uint64_t n) {
    memory.is_armed = false;
    ask(world, 0, "PING");
    ask(world, 0, "FQ.SUBMIT after x ID 00000000-0000-4000-8000-000000000077");
    memset(world->last[1], 0, sizeof world->last[1]);
    ask(world, 1, "FQ.FETCH TASKS after");
    if (strstr(world->last[1], "000000000077") == NULL)
        fail_msg("allocation %llu: not handed out: %s", (unsigned long long)n, world->last[1]);
    ask(world, 1, "FQ.COMPLETE 00000000-0000-4000-8000-000000000077 %t fine");
    if (strncmp(world->last[1], "+OK", 3) != 0)
        fail_msg("allocation %llu: %s", (unsigned long long)n, world->last[1]);
}

static void close_world(struct world *world, int asked) {
    fq_engine_check(world->engine);
    for (size_t i = 0; i < PEERS; i++) {
        if (world->peers[i] != NULL)
            fq_connection_close(world->peers[i], world->now);
    }
    fq_core_free(world->core);
    assert_int_equal(world->answered, asked);
    fq_journal_close(world->journal);
    fq_engine_free(world->engine);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static struct world world;
    uint64_t n = 0, ended = 0;
    do {
        open_world(&world);
        memory.failed = 0;
        memory.left = n;
        memory.is_armed = true;
        int asked = converse(&world);
        memory.is_armed = false;
        if (fq_core_failed(
                world.core)) // between two records of one decision: the process would end and recover
            ended++;
        else
            still_works(&world, n);
        close_world(&world, asked);
        n++;
    } while (memory.failed > 0);
    print_message("%llu allocations failed in turn, %llu of them ended the server\n",
                  (unsigned long long)n - 1, (unsigned long long)ended);
    assert_true(ended < 5);
    assert_true(n > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
