// SPDX-License-Identifier: Apache-2.0
// A server core on a fake clock, with peers that are buffers: what a test feeds goes in, what may leave is collected.
#ifndef FQ_TESTS_CORE_FIXTURE_H
#define FQ_TESTS_CORE_FIXTURE_H

#include "resp/reader.h"
#include "server/core.h"
#include "server/credentials.h"
#include "support/keeper.h"

struct core_fixture {
    struct fq_server_options options;
    fq_engine *engine;
    fq_storage *storage; // owned by the journal
    struct fq_storage_ops storage_ops;
    fq_journal *journal; // NULL = memory only
    enum keeper_storage
        keeper_storage; // where the journal is, to be set before; KEEPER_NONE: it keeps nothing
    struct keeper keeper;
    fq_credentials *credentials;
    struct fq_core_observer observer;
    fq_core *core;
    struct fq_now now;
    bool is_standby; // until fq_core_activate
    const struct fq_shard_map *shards;
    uint32_t shard;
    uint64_t wakes;
    bool submits_blocked, has_space; // what the storage says of its disk
    uint64_t room_bytes;             // the same: all that can still be written; 0 = plenty
};

struct core_peer {
    struct core_fixture *fixture;
    fq_connection *connection; // NULL once closed
    fq_buf received;           // what the connection let go and the test has not read
    fq_resp_reply_reader *reader;
    bool is_deaf; // takes nothing
    bool was_cut; // the core closed it
    int feed_result;
};

/** Sets options to defaults and the clock to a known time; change options before core_fixture_open. */
void core_fixture_init(struct core_fixture *fixture);
/** Builds the core; `with_journal`: batches become durable only by core_fixture_sync. Fails the test on errors. */
void core_fixture_open(struct core_fixture *fixture, bool with_journal);
void core_fixture_close(struct core_fixture *fixture);
/** What the keeper's journal tells a new process is the engine's state; settled before. Afterwards only core_fixture_close. */
void core_fixture_check_kept(struct core_fixture *fixture);
/** A turn at the present time; then every ready peer takes its output. */
void core_fixture_turn(struct core_fixture *fixture);
/** The batch in flight becomes durable. */
void core_fixture_sync(struct core_fixture *fixture);
/** Lets time pass in steps: turns at each deadline on the way, so that nothing is late. */
void core_fixture_advance(struct core_fixture *fixture, int64_t ms);

/** NULL on refusal, with the line in *ret_refusal. Freed by core_peer_free. */
struct core_peer *core_peer_connect(struct core_fixture *fixture, const char **ret_refusal);
/** The same from another place than 192.0.2.1, and not as from this machine. */
struct core_peer *core_peer_connect_from(struct core_fixture *fixture, const char *source,
                                         const char **ret_refusal);
struct core_peer *core_peer_free(struct core_peer *peer);
/** Bytes as they are, no turn. */
void core_peer_feed(struct core_peer *peer, fq_str bytes);
/** One request of arguments, no turn. */
void core_peer_request(struct core_peer *peer, const fq_str *args, size_t count);
/** The same from one line: words apart by blanks; "…" takes blanks and \r \n \t \\ \" \xhh. */
void core_peer_line(struct core_peer *peer, const char *line);
/** Takes what may leave. */
void core_peer_take(struct core_peer *peer);
/** Next whole reply or push as text: +OK -CODE text :1 "text" nil true 0.5 [a, b] {k: v} >[a]; NULL if there is none.
 *  Freed by the caller. */
char *core_peer_next(struct core_peer *peer);
/** The same after the line has been sent and turns and syncs were made until an answer is there. */
char *core_peer_ask(struct core_peer *peer, const char *line);
/** Asserts that the answer to `line` matches `pattern` ('*' = any run). */
void core_peer_expect(struct core_peer *peer, const char *line, const char *pattern);
/** '*' matches any run of bytes. */
bool core_text_matches(const char *pattern, const char *text);

#endif
