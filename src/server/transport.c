// SPDX-License-Identifier: Apache-2.0
// A transport's life: (TLS: SHAKING ->) OPEN -> LEAVING (the peer or the core ends it; what may still be sent goes out)
// -> LINGERING (all is sent and ended; the peer may still read) -> closed. All states but OPEN have a deadline, so that a
// peer that stops reading cannot hold a socket for good.
#include "server/transport.h"

#include "base/list.h"
#include "net/listener.h"
#include "net/stream.h"

#include <stdlib.h>

enum {
    LISTENERS_MAX = 16,
    LINGERING_MAX = 1024, // above, a transport is closed without waiting for its peer
    SWEEP_US = 250 * FQ_US_PER_MS,
    // What one connection is fed before the others, the disk and the replies have their turn.
    FEED_PER_TURN = 64 * 1024,
    LINGER_US = FQ_US_PER_S,
    LEAVE_US = 30 * FQ_US_PER_S,
    LINE_EVERY_US = 60 * FQ_US_PER_S,
    COMPANY_US = 5 * FQ_US_PER_MS, // how long a reply waits for the one that its peer waits for
};

enum transport_state { SHAKING, OPEN, LEAVING, LINGERING };

struct transport {
    struct transport *next, *previous;
    fq_list_link shaking;           // while SHAKING
    struct transport *next_resting; // has had its fill in this turn
    fq_list_link company;           // while its output waits for more
    fq_transports *owner;
    fq_stream *stream;
    fq_connection *connection; // NULL while SHAKING and once LINGERING
    enum transport_state state;
    bool is_resting;
    uint64_t fed_in_turn; // number of the turn that `fed` counts for
    size_t fed;
    int64_t until_us;         // not OPEN: closed then
    uint64_t leave_after_seq; // LEAVING: the last record that the replies may rest on
    struct fq_peer peer;
};

struct door {
    fq_transports *owner;
    fq_listener *listener;
    bool is_tls;
};

struct fq_transports {
    struct fq_transports_config config;
    fq_stream_pool pool;
    struct door doors[LISTENERS_MAX];
    size_t door_count;
    struct transport all; // head of the ring
    struct fq_transports_stats stats;
    struct transport *resting;
    uint64_t turn;
    fq_list_link shaking;                         // the oldest first
    fq_list_link company;                         // since the turn at `company_us`
    int64_t company_us;                           // boot
    int64_t handshake_line_us, exhausted_line_us; // boot; when the log was last told
    size_t timed_count;                           // transports that are not simply OPEN
    int64_t next_sweep_us;
};

static const struct fq_stream_handler stream_handler;

static void set_state(struct transport *transport, enum transport_state state, struct fq_now now) {
    fq_transports *owner = transport->owner;
    if (owner->timed_count == 0)
        owner->next_sweep_us = now.boot_us + SWEEP_US;
    owner->timed_count -= transport->state != OPEN;
    owner->timed_count += state != OPEN;
    owner->stats.handshakes -= transport->state == SHAKING;
    owner->stats.handshakes += state == SHAKING;
    if (state == SHAKING)
        fq_list_append_once(&owner->shaking, &transport->shaking);
    else
        fq_list_remove(&transport->shaking);
    transport->state = state;
}

static void leave_rest(struct transport *transport) {
    struct transport **link = &transport->owner->resting;
    while (transport->is_resting && *link != transport)
        link = &(*link)->next_resting;
    if (transport->is_resting)
        *link = transport->next_resting;
    transport->is_resting = false;
}

static void close_transport(struct transport *transport, struct fq_now now) {
    leave_rest(transport);
    fq_list_remove(&transport->company);
    set_state(transport, OPEN, now);
    if (transport->connection != NULL)
        fq_connection_close(transport->connection, now);
    fq_stream_close(transport->stream);
    transport->previous->next = transport->next;
    transport->next->previous = transport->previous;
    transport->owner->stats.open--;
    free(transport);
}

// Lets go of the connection and gives the peer time to read what was sent.
static void linger(struct transport *transport, struct fq_now now) {
    if (transport->connection != NULL)
        fq_connection_close(transport->connection, now);
    transport->connection = NULL;
    fq_list_remove(&transport->company);
    if (transport->owner->timed_count > LINGERING_MAX) {
        close_transport(transport, now);
        return;
    }
    set_state(transport, LINGERING, now);
    transport->until_us = now.boot_us + LINGER_US;
    fq_stream_finish(transport->stream);
}

static void send_output(struct transport *transport) {
    for (;;) {
        fq_str output = fq_connection_output(transport->connection);
        if (output.len == 0)
            return;
        size_t taken = fq_stream_write(transport->stream, output);
        if (taken == 0)
            return;
        fq_connection_sent(transport->connection, taken);
    }
}

static bool has_said_all(const struct transport *transport) {
    return fq_connection_output(transport->connection).len == 0 && fq_stream_is_flushed(transport->stream);
}

static void leave(struct transport *transport, struct fq_now now) {
    const fq_journal *journal = fq_core_journal(transport->owner->config.core);
    transport->leave_after_seq = journal != NULL ? fq_journal_last_seq(journal) : 0;
    set_state(transport, LEAVING, now);
    transport->until_us = fq_time_add(now.boot_us, LEAVE_US);
    transport->owner->next_sweep_us = now.boot_us;
}

// Reading goes on with the next turn.
static void rest_when_fed(struct transport *transport, size_t len) {
    fq_transports *owner = transport->owner;
    if (transport->fed_in_turn != owner->turn)
        transport->fed = 0;
    transport->fed_in_turn = owner->turn;
    transport->fed += len;
    if (transport->fed < FEED_PER_TURN || transport->is_resting)
        return;
    transport->is_resting = true;
    transport->next_resting = owner->resting;
    owner->resting = transport;
    fq_stream_set_reading(transport->stream, false);
}

static void end_rest(fq_transports *transports) {
    transports->turn++;
    while (transports->resting != NULL) {
        struct transport *transport = transports->resting;
        transports->resting = transport->next_resting;
        transport->is_resting = false;
        if (transport->state == OPEN)
            fq_stream_set_reading(transport->stream, fq_connection_wants_read(transport->connection));
    }
}

static void serve(struct transport *transport, struct fq_now now) {
    fq_list_remove(&transport->company);
    send_output(transport);
    if (fq_connection_should_close(transport->connection)) {
        if (has_said_all(transport))
            linger(transport, now);
        else if (fq_connection_is_cut(
                     transport->connection)) // a peer that takes nothing would hold it for long
            close_transport(transport, now);
        else if (transport->state == OPEN)
            leave(transport, now);
    } else if (transport->state == OPEN && !transport->is_resting) {
        fq_stream_set_reading(transport->stream, fq_connection_wants_read(transport->connection));
    }
}

// --- what streams report ------------------------------------------------------------------------------------------------

static void on_bytes(void *context, fq_str bytes) {
    struct transport *transport = context;
    if (transport->connection == NULL || transport->state != OPEN)
        return;
    struct fq_now now = fq_loop_now(transport->owner->config.loop);
    if (fq_connection_feed(transport->connection, bytes.ptr, bytes.len, now) < 0 ||
        !fq_connection_wants_read(transport->connection))
        fq_stream_set_reading(transport->stream, false);
    rest_when_fed(transport, bytes.len);
}

static void on_writable(void *context) {
    struct transport *transport = context;
    if (transport->connection != NULL)
        serve(transport, fq_loop_now(transport->owner->config.loop));
}

static bool may_tell(int64_t *line_us, struct fq_now now) {
    if (*line_us != 0 && now.boot_us - *line_us < LINE_EVERY_US)
        return false;
    *line_us = now.boot_us;
    return true;
}

// One failed handshake in a minute is told, whoever makes how many of them fail; the rest are counted.
static void log_handshake(struct transport *transport, const char *reason, struct fq_now now) {
    fq_transports *owner = transport->owner;
    enum fq_log_level level = may_tell(&owner->handshake_line_us, now) ? FQ_LOG_WARNING : FQ_LOG_DEBUG;
    fq_log_write(owner->config.log, level,
                 "net TLS handshake failed peer=%s reason=\"%s\" failed_so_far=%llu", transport->peer.text,
                 reason, (unsigned long long)owner->stats.handshakes_failed_total);
}

static void on_end(void *context, const char *reason) {
    struct transport *transport = context;
    struct fq_now now = fq_loop_now(transport->owner->config.loop);
    if (transport->state == SHAKING) {
        transport->owner->stats.handshakes_failed_total++;
        log_handshake(transport, reason != NULL ? reason : "closed", now);
    }
    // A peer that has sent its last command may be waiting for the replies (`printf … | nc`).
    if (reason == NULL && transport->state == OPEN)
        leave(transport, now);
    else if (reason != NULL || transport->state != LEAVING)
        close_transport(transport, now);
}

// --- accepting ------------------------------------------------------------------------------------------------------------

static void refuse(struct transport *transport, const char *line, struct fq_now now) {
    (void)fq_stream_write(transport->stream, fq_str_of(line));
    linger(transport, now);
}

static void admit(struct transport *transport, struct fq_now now) {
    fq_transports *owner = transport->owner;
    const fq_tls *tls = fq_stream_tls(transport->stream);
    struct fq_peer_info info = {
        .text = fq_str_of(transport->peer.text),
        .source = fq_str_of(transport->peer.source),
        .tls_subject = tls != NULL ? fq_tls_peer_name(tls) : FQ_STR(""),
        .is_local = transport->peer.is_local,
    };
    const char *refusal = "";
    transport->connection = fq_core_accept(owner->config.core, &info, now, &refusal);
    if (transport->connection == NULL) {
        refuse(transport, refusal, now);
        return;
    }
    fq_connection_set_context(transport->connection, transport);
    set_state(transport, OPEN, now);
    fq_stream_set_reading(transport->stream, true);
}

static void on_secure(void *context) {
    struct transport *transport = context;
    admit(transport, fq_loop_now(transport->owner->config.loop));
}

static const struct fq_stream_handler stream_handler = {
    .on_bytes = on_bytes, .on_secure = on_secure, .on_writable = on_writable, .on_end = on_end};

static int open_stream(fq_transports *transports, bool is_tls, int fd, struct transport *transport) {
    fq_tls *tls = NULL;
    if (is_tls) {
        int result = fq_tls_new(transports->config.tls, NULL, &tls);
        if (result < 0) {
            close(fd);
            return result;
        }
    }
    return fq_stream_open(&transports->pool, fd, tls, &stream_handler, transport, &transport->stream);
}

// Who fills the room for handshakes with silence must not lock the others out.
static void evict_handshakes(fq_transports *transports, struct fq_now now) {
    while (transports->stats.handshakes >= transports->config.handshake_max) {
        transports->stats.handshakes_evicted_total++;
        close_transport(FQ_ELEMENT(transports->shaking.next, struct transport, shaking), now);
    }
}

static void on_socket(void *context, int fd, const struct fq_peer *peer) {
    struct door *door = context;
    fq_transports *owner = door->owner;
    struct fq_now now = fq_loop_now(owner->config.loop);
    if (door->is_tls)
        evict_handshakes(owner, now);
    struct transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        owner->stats.turned_away_total++;
        close(fd);
        return;
    }
    transport->owner = owner;
    transport->peer = *peer;
    transport->state = OPEN;
    if (open_stream(owner, door->is_tls, fd, transport) < 0) {
        owner->stats.turned_away_total++;
        free(transport);
        return;
    }
    transport->next = owner->all.next;
    transport->previous = &owner->all;
    transport->next->previous = transport->previous->next = transport;
    owner->stats.open++;
    if (!door->is_tls) {
        admit(transport, now);
        return;
    }
    set_state(transport, SHAKING, now);
    transport->until_us = fq_time_add(now.boot_us, owner->config.handshake_limit_us);
    fq_stream_set_reading(transport->stream, true);
}

static void on_exhausted(void *context, const char *reason) {
    struct door *door = context;
    fq_transports *owner = door->owner;
    owner->stats.turned_away_total++;
    if (may_tell(&owner->exhausted_line_us, fq_loop_now(owner->config.loop)))
        fq_log_write(owner->config.log, FQ_LOG_WARNING,
                     "net callers are turned away reason=\"%s\"; raise the limit of open files", reason);
}

static const struct fq_listener_handler listener_handler = {.on_socket = on_socket,
                                                            .on_exhausted = on_exhausted};

int fq_transports_listen(fq_transports *transports, const struct fq_address *address, char *error,
                         size_t size, struct fq_address *ret_bound) {
    if (transports->door_count == LISTENERS_MAX) {
        snprintf(error, size, "at most %d addresses can be listened on", (int)LISTENERS_MAX);
        return FQ_EINVALID;
    }
    struct door *door = &transports->doors[transports->door_count];
    *door = (struct door){.owner = transports, .is_tls = address->kind == FQ_ADDRESS_TLS};
    int result = fq_listener_open(&transports->config.loop->uv, address, &listener_handler, door, error, size,
                                  &door->listener);
    if (result < 0)
        return result;
    *ret_bound = *fq_listener_address(door->listener);
    transports->door_count++;
    return 0;
}

// --- the turn ---------------------------------------------------------------------------------------------------------------

static bool may_leave(const struct transport *transport) {
    const fq_journal *journal = fq_core_journal(transport->owner->config.core);
    return (journal == NULL || fq_journal_durable_seq(journal) >= transport->leave_after_seq) &&
           has_said_all(transport);
}

static void sweep(fq_transports *transports, struct fq_now now) {
    struct transport *next;
    for (struct transport *each = transports->all.next; each != &transports->all; each = next) {
        next = each->next;
        if (each->state == OPEN)
            continue;
        bool is_late = each->until_us <= now.boot_us;
        if (is_late && each->state == SHAKING) {
            transports->stats.handshakes_failed_total++;
            log_handshake(each, "too slow", now);
        }
        if (is_late || (each->state == LEAVING && may_leave(each)))
            close_transport(each, now);
    }
    transports->next_sweep_us = now.boot_us + SWEEP_US;
}

// A write costs more than most commands, and it wakes a peer that has nothing to do yet. So what is said to somebody who
// waits for more leaves together with that, or behind the next turn, whichever comes first.
static void keep_for_company(struct transport *transport, struct fq_now now) {
    fq_transports *owner = transport->owner;
    if (fq_list_is_empty(&owner->company))
        owner->company_us = now.boot_us;
    fq_list_append_once(&owner->company, &transport->company);
}

void fq_transports_flush(fq_transports *transports, struct fq_now now) {
    end_rest(transports);
    fq_list_link kept, *link;
    fq_list_init(&kept);
    fq_list_splice_before(&kept, &transports->company);
    fq_connection *connection;
    while ((connection = fq_core_next_ready(transports->config.core)) != NULL) {
        struct transport *transport = fq_connection_context(connection);
        if (transport != NULL && transport->state == OPEN && fq_connection_awaits_more(connection))
            keep_for_company(transport, now);
        else if (transport != NULL)
            serve(transport, now);
    }
    while ((link = fq_list_pop(&kept)) != NULL)
        serve(FQ_ELEMENT(link, struct transport, company), now);
    if (transports->timed_count > 0 && now.boot_us >= transports->next_sweep_us)
        sweep(transports, now);
}

int64_t fq_transports_deadline(const fq_transports *transports) {
    int64_t sweep_us = transports->timed_count > 0 ? transports->next_sweep_us : FQ_NEVER_US;
    if (fq_list_is_empty(&transports->company) || sweep_us < transports->company_us + COMPANY_US)
        return sweep_us;
    return transports->company_us + COMPANY_US;
}

void fq_transports_stats(const fq_transports *transports, struct fq_transports_stats *ret_stats) {
    *ret_stats = transports->stats;
}

void fq_transports_set_tls(fq_transports *transports, fq_tls_context *tls) {
    transports->config.tls = tls;
}

fq_transports *fq_transports_new(const struct fq_transports_config *config) {
    fq_transports *transports = calloc(1, sizeof *transports);
    if (transports == NULL)
        return NULL;
    transports->config = *config;
    transports->all.next = transports->all.previous = &transports->all;
    fq_list_init(&transports->shaking);
    fq_list_init(&transports->company);
    fq_stream_pool_init(&transports->pool, &config->loop->uv);
    return transports;
}

fq_transports *fq_transports_free(fq_transports *transports) {
    if (transports == NULL)
        return NULL;
    struct fq_now now = fq_loop_now(transports->config.loop);
    for (size_t i = 0; i < transports->door_count; i++)
        fq_listener_close(transports->doors[i].listener);
    while (transports->all.next != &transports->all)
        close_transport(transports->all.next, now);
    fq_stream_pool_done(&transports->pool);
    free(transports);
    return NULL;
}
