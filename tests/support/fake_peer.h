// SPDX-License-Identifier: Apache-2.0
// A control plane in memory for tests of sessions: it speaks enough of the wire to accept, watch and finish tasks, and
// counts what it executed. Task ids end in their number: fake_peer_id.
#ifndef FQ_TEST_FAKE_PEER_H
#define FQ_TEST_FAKE_PEER_H

#include "base/buf.h"
#include "resp/reader.h"

enum { FAKE_TASKS_MAX = 10000 };

struct fake_peer {
    fq_buf in, out;
    fq_resp_request_reader *reader;
    bool known[FAKE_TASKS_MAX], watched[FAKE_TASKS_MAX], finished[FAKE_TASKS_MAX];
    bool finish_at_watch; // a watched task ends at once
    bool push_first;      // its result overtakes the replies to what came with the watch
    unsigned task_count, submit_count, watch_count, count_commands, ping_count;
    const char *next_reply; // raw bytes instead of the next answer to a submit; used up by it
};

struct fake_peer *fake_peer_new(void);
void fake_peer_free(struct fake_peer *peer);
/** A new connection: what was on its way is lost, the tasks stay. */
void fake_peer_connection(struct fake_peer *peer);
/** Executes what is complete; answers are appended to peer->out. COUNT is a command that must not be repeated. */
void fake_peer_feed(struct fake_peer *peer, const char *bytes, size_t len);
/** The task ends; its result "r" is pushed if it is watched. */
void fake_peer_finish(struct fake_peer *peer, unsigned number);
void fake_peer_id(unsigned number, char id[37]);

#endif
