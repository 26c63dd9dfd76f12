// SPDX-License-Identifier: Apache-2.0
#include "server/admission.h"

#include "server/core_state.h"
#include "server/credentials.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t key_of(const fq_core *core, fq_str text) {
    return XXH3_64bits_withSeed(text.ptr, text.len, core->seed) | 1;
}

// --- waiting to log in --------------------------------------------------------------------------------------------------
static void start_waiting(fq_connection *connection) {
    connection->core->unauthenticated_count++;
    connection->source_entry->waiting++;
    fq_list_append(&connection->core->waiting, &connection->waiting);
}

static void stop_waiting(fq_connection *connection) {
    if (!fq_list_is_linked(&connection->waiting))
        return;
    fq_list_remove(&connection->waiting);
    connection->core->unauthenticated_count--;
    connection->source_entry->waiting--;
}

static int limit_wait(fq_connection *connection, struct fq_now now) {
    fq_core *core = connection->core;
    int64_t until_us = fq_time_add(now.boot_us, core->options->auth_deadline_ms * FQ_US_PER_MS);
    return fq_timer_set(&core->timers, &connection->deadline, until_us);
}

static void cut_longest_waiting(fq_core *core) {
    fq_connection *longest = FQ_ELEMENT(core->waiting.next, fq_connection, waiting);
    stop_waiting(longest);
    core->stats.connections_cut_total++;
    fq_connection_cut(longest);
}

static const char *make_room_to_wait(fq_core *core, const fq_census_entry *source) {
    uint32_t most = core->options->connection_unauth_max;
    if (source->waiting >= (most + 1) / 2)
        return "-BUSY too many connections from your address have not logged in yet; try again\r\n";
    if (core->unauthenticated_count >= most)
        cut_longest_waiting(core);
    return NULL;
}

// --- who comes ------------------------------------------------------------------------------------------------------------
static const char *refusal(const fq_connection *connection) {
    const fq_core *core = connection->core;
    if (core->connection_count > core->options->connection_max)
        return "-BUSY the server has as many connections as it takes (--max-connections)\r\n";
    // Whatever comes from this machine may stand for many: a proxy, a tunnel.
    if (!connection->is_local && connection->source_entry->count > core->options->connection_source_max)
        return "-BUSY the server has as many connections from your address as it takes "
               "(--max-connections-per-source)\r\n";
    return NULL;
}

static char *copy_text(fq_str text) {
    char *copy = malloc(text.len + 1);
    if (copy != NULL) {
        if (text.len > 0)
            memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

static int describe(fq_connection *connection, const struct fq_peer_info *peer) {
    fq_str source = peer->source.len > 0 ? peer->source : peer->text;
    connection->peer = copy_text(peer->text);
    connection->source = copy_text(source);
    connection->is_local = peer->is_local;
    connection->source_entry = fq_census_join(&connection->core->sources, key_of(connection->core, source));
    bool has_all = connection->peer != NULL && connection->source != NULL && connection->source_entry != NULL;
    return has_all ? 0 : FQ_ENOMEM;
}

// A verified certificate's name is a login by itself, if there is a user of that name.
static int admit(fq_connection *connection, fq_str tls_subject, struct fq_now now, const char **ret_refusal) {
    fq_core *core = connection->core;
    unsigned roles;
    int rc = FQ_EWRONGPASS;
    if (fq_credentials_is_empty(core->credentials))
        rc = fq_admission_log_in(connection, FQ_STR("default"), FQ_ROLE_ALL);
    else if (tls_subject.len > 0 && fq_credentials_roles(core->credentials, tls_subject, &roles) == 0)
        rc = fq_admission_log_in(connection, tls_subject, roles);
    if (rc == FQ_EBUSY)
        *ret_refusal =
            "-BUSY the user has as many connections as it may have (--max-connections-per-user)\r\n";
    if (rc != FQ_EWRONGPASS)
        return rc;
    const char *why = make_room_to_wait(core, connection->source_entry);
    if (why != NULL) {
        *ret_refusal = why;
        return FQ_EBUSY;
    }
    start_waiting(connection);
    return limit_wait(connection, now);
}

int fq_admission_enter(fq_connection *connection, const struct fq_peer_info *peer, struct fq_now now,
                       const char **ret_refusal) {
    connection->core->connection_count++;
    int rc = describe(connection, peer);
    const char *why = rc == 0 ? refusal(connection) : NULL;
    if (why != NULL) {
        *ret_refusal = why;
        return FQ_EBUSY;
    }
    const char *busy = "-OOM out of memory\r\n";
    if (rc == 0)
        rc = admit(connection, peer->tls_subject, now, &busy);
    if (rc < 0)
        *ret_refusal = busy;
    return rc;
}

void fq_admission_leave(fq_connection *connection) {
    connection->core->connection_count--;
    stop_waiting(connection);
    connection->source_entry = fq_census_leave(connection->source_entry);
    connection->user_entry = fq_census_leave(connection->user_entry);
}

// --- logins ---------------------------------------------------------------------------------------------------------------
// Where nobody logs in there are no users to be limited.
static int count_user(fq_connection *connection, fq_str user) {
    fq_core *core = connection->core;
    fq_census_entry *entry = fq_census_join(&core->users, key_of(core, user));
    if (entry == NULL)
        return FQ_ENOMEM;
    fq_census_leave(connection->user_entry); // the old one may be the same
    connection->user_entry = entry;
    bool is_limited = !fq_credentials_is_empty(core->credentials);
    return is_limited && entry->count > core->options->connection_user_max ? FQ_EBUSY : 0;
}

int fq_admission_log_in(fq_connection *connection, fq_str user, unsigned roles) {
    int rc = count_user(connection, user);
    if (rc < 0) {
        if (!connection->is_authenticated)
            connection->user_entry = fq_census_leave(connection->user_entry);
        return rc;
    }
    size_t len = user.len < FQ_CLIENT_NAME_MAX ? user.len : FQ_CLIENT_NAME_MAX;
    memcpy(connection->user, user.ptr, len);
    connection->user[len] = '\0';
    connection->roles = roles;
    connection->is_authenticated = true;
    stop_waiting(connection);
    fq_timer_clear(&connection->core->timers, &connection->deadline);
    return 0;
}

int fq_admission_log_out(fq_connection *connection, struct fq_now now) {
    if (limit_wait(connection, now) < 0)
        return FQ_ENOMEM;
    if (connection->is_authenticated)
        start_waiting(connection);
    connection->is_authenticated = false;
    connection->roles = 0;
    connection->user[0] = '\0';
    connection->user_entry = fq_census_leave(connection->user_entry);
    return 0;
}

// --- guesses --------------------------------------------------------------------------------------------------------------
int64_t fq_core_login_delay_us(const fq_core *core, fq_str source, struct fq_now now) {
    return fq_login_guard_delay(&core->login_guard, key_of(core, source), now);
}

void fq_core_login_failed(fq_core *core, fq_str source, size_t user_bytes, struct fq_now now) {
    core->stats.auth_failures_total++;
    if (fq_login_guard_failed(&core->login_guard, key_of(core, source), now))
        fq_log_write(core->options->log, FQ_LOG_WARNING, "server login refused source=%.*s user_bytes=%zu",
                     FQ_STR_ARGS(source), user_bytes);
}
