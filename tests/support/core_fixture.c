// SPDX-License-Identifier: Apache-2.0
#include "support/core_fixture.h"

#include "base/buf.h"
#include "journal/storage_memory.h"
#include "resp/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { START_BOOT_S = 1000, START_WALL_S = 1800000000, ANSWER_TURNS = 8 };

// --- the core -----------------------------------------------------------------------------------------------------------
static void on_wake(void *context) {
    ((struct core_fixture *)context)->wakes++;
}

void core_fixture_init(struct core_fixture *fixture) {
    *fixture = (struct core_fixture){0};
    fq_server_options_init(&fixture->options);
    fixture->now = (struct fq_now){START_BOOT_S * (int64_t)FQ_US_PER_S, START_WALL_S * (int64_t)FQ_US_PER_S};
}

static struct core_fixture *space_of; // the storage's calls carry no context of ours

static void say_space(fq_storage *storage, struct fq_storage_space *ret_space) {
    (void)storage;
    *ret_space = (struct fq_storage_space){
        .writable_bytes = 1 << 30,
        .reserve_bytes = 1 << 27,
        .free_bytes = space_of->has_space ? 1 << 30 : 1 << 20,
        .low_water_bytes = 1 << 27,
        .submits_blocked = space_of->submits_blocked,
    };
    if (space_of->room_bytes != 0) {
        ret_space->reserve_bytes = space_of->room_bytes / 2;
        ret_space->writable_bytes = space_of->room_bytes - ret_space->reserve_bytes;
    }
}

static int no_record(void *context, fq_str record) {
    (void)context, (void)record;
    return FQ_ECORRUPT;
}

static void open_journal(struct core_fixture *fixture) {
    if (fixture->keeper_storage != KEEPER_NONE) {
        keeper_open(&fixture->keeper, fixture->keeper_storage, fixture->now);
        fixture->journal = fixture->keeper.journal;
        return;
    }
    fixture->storage = fq_storage_memory_open(on_wake, fixture);
    assert_non_null(fixture->storage);
    fixture->storage_ops = *fixture->storage->ops;
    fixture->storage_ops.space = say_space;
    fixture->storage->ops = &fixture->storage_ops;
    space_of = fixture;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    assert_int_equal(fq_journal_open(fixture->storage, &config, &fixture->journal), 0);
    assert_int_equal(fq_journal_recover(fixture->journal, no_record, NULL), 0);
    assert_int_equal(fq_journal_start(fixture->journal, fixture->now), 0);
}

void core_fixture_open(struct core_fixture *fixture, bool with_journal) {
    fixture->engine = fq_engine_new(&fixture->options.engine);
    assert_non_null(fixture->engine);
    if (with_journal)
        open_journal(fixture);
    struct fq_core_config config = {.options = &fixture->options,
                                    .engine = fixture->engine,
                                    .journal = fixture->journal,
                                    .credentials = fixture->credentials,
                                    .seed = 42,
                                    .observer = fixture->observer,
                                    .is_standby = fixture->is_standby,
                                    .shards = fixture->shards,
                                    .shard = fixture->shard,
                                    .server_id = "test-server"};
    fixture->core = fq_core_new(&config);
    assert_non_null(fixture->core);
    assert_int_equal(fq_core_start(fixture->core, fixture->now), 0);
    core_fixture_turn(fixture);
    core_fixture_sync(fixture);
}

void core_fixture_close(struct core_fixture *fixture) {
    fixture->core = fq_core_free(fixture->core);
    if (fixture->keeper_storage != KEEPER_NONE)
        keeper_close(&fixture->keeper);
    else
        fixture->journal = fq_journal_close(fixture->journal);
    fq_engine_check(fixture->engine);
    fixture->engine = fq_engine_free(fixture->engine);
    fixture->credentials = fq_credentials_free(fixture->credentials);
}

void core_fixture_check_kept(struct core_fixture *fixture) {
    fixture->core = fq_core_free(fixture->core);
    fq_engine *fresh = fq_engine_new(&fixture->options.engine);
    assert_non_null(fresh);
    keeper_settle(&fixture->keeper);
    keeper_reopen(&fixture->keeper, fresh);
    assert_int_equal(fq_engine_hash(fresh), fq_engine_hash(fixture->engine));
    fq_engine_free(fresh);
}

static void serve_ready(struct core_fixture *fixture) {
    fq_connection *connection;
    while ((connection = fq_core_next_ready(fixture->core)) != NULL)
        core_peer_take(fq_connection_context(connection));
}

void core_fixture_turn(struct core_fixture *fixture) {
    fq_core_turn(fixture->core, fixture->now);
    serve_ready(fixture);
}

void core_fixture_sync(struct core_fixture *fixture) {
    if (fixture->journal == NULL)
        return;
    if (fixture->keeper_storage != KEEPER_NONE)
        keeper_run(&fixture->keeper);
    fq_journal_poll(fixture->journal, fixture->now);
    fq_core_on_durable(fixture->core, fixture->now);
    serve_ready(fixture);
}

void core_fixture_advance(struct core_fixture *fixture, int64_t ms) {
    int64_t until_us = fixture->now.boot_us + ms * FQ_US_PER_MS;
    for (;;) {
        int64_t next_us = fq_core_deadline(fixture->core, fixture->now);
        if (next_us > until_us)
            break;
        if (next_us > fixture->now.boot_us) {
            fixture->now.wall_us += next_us - fixture->now.boot_us;
            fixture->now.boot_us = next_us;
        } else {
            fixture->now.boot_us += 1; // as a clock would between two turns
            fixture->now.wall_us += 1;
        }
        core_fixture_turn(fixture);
        core_fixture_sync(fixture);
    }
    if (fixture->now.boot_us < until_us) {
        fixture->now.wall_us += until_us - fixture->now.boot_us;
        fixture->now.boot_us = until_us;
    }
    core_fixture_turn(fixture);
    core_fixture_sync(fixture);
}

// --- peers --------------------------------------------------------------------------------------------------------------
static struct core_peer *connect_peer(struct core_fixture *fixture, const struct fq_peer_info *info,
                                      const char **ret_refusal) {
    const char *refusal = NULL;
    fq_connection *connection = fq_core_accept(fixture->core, info, fixture->now, &refusal);
    if (ret_refusal != NULL)
        *ret_refusal = refusal;
    if (connection == NULL)
        return NULL;
    struct core_peer *peer = calloc(1, sizeof *peer);
    assert_non_null(peer);
    peer->fixture = fixture;
    peer->connection = connection;
    peer->reader = fq_resp_reply_reader_new();
    assert_non_null(peer->reader);
    fq_connection_set_context(connection, peer);
    return peer;
}

struct core_peer *core_peer_connect(struct core_fixture *fixture, const char **ret_refusal) {
    struct fq_peer_info info = {
        .text = FQ_STR("192.0.2.1:999"), .source = FQ_STR("192.0.2.1"), .is_local = true};
    return connect_peer(fixture, &info, ret_refusal);
}

struct core_peer *core_peer_connect_from(struct core_fixture *fixture, const char *source,
                                         const char **ret_refusal) {
    struct fq_peer_info info = {.text = fq_str_of(source), .source = fq_str_of(source)};
    return connect_peer(fixture, &info, ret_refusal);
}

struct core_peer *core_peer_free(struct core_peer *peer) {
    if (peer == NULL)
        return NULL;
    if (peer->connection != NULL)
        fq_connection_close(peer->connection, peer->fixture->now);
    fq_resp_reply_reader_free(peer->reader);
    fq_buf_done(&peer->received);
    free(peer);
    return NULL;
}

void core_peer_take(struct core_peer *peer) {
    if (peer->connection == NULL)
        return;
    fq_str output = fq_connection_output(peer->connection);
    if (output.len > 0 && !peer->is_deaf) {
        assert_int_equal(fq_buf_append_str(&peer->received, output), 0);
        fq_connection_sent(peer->connection, output.len);
    }
    if (!fq_connection_should_close(peer->connection))
        return;
    fq_connection_close(peer->connection, peer->fixture->now);
    peer->connection = NULL;
    peer->was_cut = true;
}

void core_peer_feed(struct core_peer *peer, fq_str bytes) {
    assert_non_null(peer->connection);
    char *copy = malloc(bytes.len > 0 ? bytes.len : 1); // so that what borrows too long is found
    assert_non_null(copy);
    memcpy(copy, bytes.ptr, bytes.len);
    peer->feed_result = fq_connection_feed(peer->connection, copy, bytes.len, peer->fixture->now);
    free(copy);
}

void core_peer_request(struct core_peer *peer, const fq_str *args, size_t count) {
    fq_buf text = {0};
    struct fq_resp_writer writer = {.out = &text, .protocol = 2};
    fq_resp_write_request(&writer, count);
    for (size_t i = 0; i < count; i++)
        fq_resp_write_string(&writer, args[i]);
    core_peer_feed(peer, fq_buf_str(&text));
    fq_buf_done(&text);
}

static int hex(char byte) {
    return byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10;
}

// One character of a quoted word; moves *at behind it.
static char quoted(const char **at) {
    const char *p = *at;
    if (p[0] != '\\') {
        *at = p + 1;
        return p[0];
    }
    *at = p + 2;
    switch (p[1]) {
    case 'r': return '\r';
    case 'n': return '\n';
    case 't': return '\t';
    case 'x': *at = p + 4; return (char)(hex(p[2]) << 4 | hex(p[3]));
    default: return p[1];
    }
}

void core_peer_line(struct core_peer *peer, const char *line) {
    enum { WORDS = 128 };
    char *bytes = malloc(strlen(line) + 1);
    assert_non_null(bytes);
    fq_str words[WORDS];
    size_t count = 0, used = 0;
    for (const char *at = line; *at != '\0';) {
        if (*at == ' ') {
            at++;
            continue;
        }
        assert_true(count < WORDS);
        size_t start = used;
        if (*at == '"') {
            for (at++; *at != '"' && *at != '\0';)
                bytes[used++] = quoted(&at);
            at += *at == '"';
        } else {
            while (*at != ' ' && *at != '\0')
                bytes[used++] = *at++;
        }
        words[count++] = (fq_str){bytes + start, used - start};
    }
    core_peer_request(peer, words, count);
    free(bytes);
}

// --- replies as text ----------------------------------------------------------------------------------------------------
static uint32_t print_node(fq_buf *out, const struct fq_resp_node *nodes, uint32_t at);

// Line ends are shown, so that a reply is one line.
static void print_string(fq_buf *out, fq_str text) {
    assert_int_equal(fq_buf_append_byte(out, '"'), 0);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n')
            assert_int_equal(fq_buf_printf(out, text.ptr[i] == '\r' ? "\\r" : "\\n"), 0);
        else
            assert_int_equal(fq_buf_append_byte(out, text.ptr[i]), 0);
    }
    assert_int_equal(fq_buf_append_byte(out, '"'), 0);
}

static void print_children(fq_buf *out, const struct fq_resp_node *nodes, uint32_t at, const char *marks) {
    bool is_map = nodes[at].type == FQ_RESP_MAP;
    uint32_t child = at + 1;
    assert_int_equal(fq_buf_append_byte(out, marks[0]), 0);
    for (uint32_t i = 0; i < nodes[at].child_count; i++) {
        if (i > 0)
            assert_int_equal(fq_buf_printf(out, "%s", is_map && i % 2 == 1 ? ": " : ", "), 0);
        if (is_map && i % 2 == 0) {
            assert_int_equal(fq_buf_append_str(out, nodes[child].text), 0);
            child = nodes[child].next;
        } else {
            child = print_node(out, nodes, child);
        }
    }
    assert_int_equal(fq_buf_append_byte(out, marks[1]), 0);
}

static uint32_t print_node(fq_buf *out, const struct fq_resp_node *nodes, uint32_t at) {
    const struct fq_resp_node *node = &nodes[at];
    int rc = 0;
    switch (node->type) {
    case FQ_RESP_NIL: rc = fq_buf_printf(out, "nil"); break;
    case FQ_RESP_STATUS: rc = fq_buf_printf(out, "+%.*s", FQ_STR_ARGS(node->text)); break;
    case FQ_RESP_ERROR: rc = fq_buf_printf(out, "-%.*s", FQ_STR_ARGS(node->text)); break;
    case FQ_RESP_INTEGER: rc = fq_buf_printf(out, ":%lld", (long long)node->integer); break;
    case FQ_RESP_STRING: print_string(out, node->text); break;
    case FQ_RESP_DOUBLE: rc = fq_buf_printf(out, "%g", node->real); break;
    case FQ_RESP_BOOLEAN: rc = fq_buf_printf(out, "%s", node->integer ? "true" : "false"); break;
    case FQ_RESP_MAP: print_children(out, nodes, at, "{}"); break;
    case FQ_RESP_PUSH:
        rc = fq_buf_append_byte(out, '>');
        print_children(out, nodes, at, "[]");
        break;
    default: print_children(out, nodes, at, "[]");
    }
    assert_int_equal(rc, 0);
    return node->next;
}

char *core_peer_next(struct core_peer *peer) {
    static const struct fq_resp_limits limits = {0};
    const struct fq_resp_node *nodes;
    size_t consumed;
    int rc = fq_resp_reply_next(peer->reader, &peer->received, &limits, &nodes, &consumed);
    if (rc < 0)
        fail_msg("the server sent malformed RESP: %s", fq_resp_reply_error(peer->reader));
    if (rc == 0)
        return NULL;
    fq_buf text = {0};
    print_node(&text, nodes, 0);
    assert_int_equal(fq_buf_append_byte(&text, '\0'), 0);
    fq_buf_consume(&peer->received, consumed);
    char *copy = strdup(text.data);
    fq_buf_done(&text);
    assert_non_null(copy);
    return copy;
}

char *core_peer_ask(struct core_peer *peer, const char *line) {
    core_peer_line(peer, line);
    char *answer = NULL;
    for (int i = 0; i < ANSWER_TURNS && answer == NULL; i++) {
        core_fixture_turn(peer->fixture);
        core_fixture_sync(peer->fixture);
        answer = core_peer_next(peer);
    }
    return answer;
}

bool core_text_matches(const char *pattern, const char *text) {
    const char *star = NULL, *mark = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            mark = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

void core_peer_expect(struct core_peer *peer, const char *line, const char *pattern) {
    char *answer = core_peer_ask(peer, line);
    if (answer == NULL || !core_text_matches(pattern, answer))
        fail_msg("%s\n  gave     %s\n  expected %s", line, answer != NULL ? answer : "nothing", pattern);
    free(answer);
}
