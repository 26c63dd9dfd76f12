// SPDX-License-Identifier: Apache-2.0
// What clients say about the connection itself: HELLO, AUTH, PING, ECHO, QUIT, RESET, SELECT, CLIENT.
#include "fastqueue/version.h"
#include "server/admission.h"
#include "server/arguments.h"
#include "server/core_state.h"
#include "server/credentials.h"
#include "server/reply.h"

#include <stdio.h>

// --- login --------------------------------------------------------------------------------------------------------------
// FQ_CALL_AGAIN when the attempt has to wait for its turn first.
static int hold_back(struct fq_call *call) {
    fq_connection *connection = call->connection;
    if (connection->delay_served || connection->request != NULL) {
        connection->delay_served = false;
        return 0;
    }
    int64_t delay_us = fq_core_login_delay_us(call->core, fq_str_of(connection->source), call->now);
    if (delay_us == 0)
        return 0;
    int rc = fq_timer_set(&call->core->timers, &connection->timer, fq_time_add(call->now.boot_us, delay_us));
    if (rc < 0)
        return rc;
    if (fq_timer_is_set(&connection->deadline)) { // its own wait does not count against it
        rc = fq_timer_set(&call->core->timers, &connection->deadline,
                          fq_time_add(connection->deadline.at_us, delay_us));
        if (rc < 0)
            return rc;
    }
    connection->block = FQ_BLOCK_DELAY;
    return FQ_CALL_AGAIN;
}

static int log_in(struct fq_call *call, fq_str user, fq_str token) {
    fq_core *core = call->core;
    fq_connection *connection = call->connection;
    if (fq_credentials_is_empty(core->credentials))
        return fq_call_refuse(
            call, FQ_EINVALID,
            "AUTH: this server has no credentials configured (--token, --users-file); connect without");
    if (connection->request != NULL)
        return FQ_EBADSTATE;
    int rc = hold_back(call);
    if (rc != 0)
        return rc;
    unsigned roles;
    rc = fq_credentials_check(core->credentials, user, token, &roles);
    if (rc < 0) {
        fq_core_login_failed(core, fq_str_of(connection->source), user.len, call->now);
        return rc;
    }
    rc = fq_admission_log_in(connection, user.len > 0 ? user : FQ_STR("default"), roles);
    if (rc == FQ_EBUSY)
        return fq_call_refuse(call, rc,
                              "the user has as many connections as it may have (--max-connections-per-user)");
    return rc;
}

int fq_command_auth(struct fq_call *call) {
    fq_str user = call->arg_count == 3 ? call->args[1] : FQ_STR("default");
    int rc = log_in(call, user, call->args[call->arg_count - 1]);
    if (rc == 0)
        fq_resp_write_status(call->reply, "OK");
    return rc;
}

static bool is_client_text(fq_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 127)
            return false;
    }
    return text.len <= FQ_CLIENT_NAME_MAX;
}

static int set_text(struct fq_call *call, const char *what, fq_str text, char *to) {
    if (!is_client_text(text))
        return fq_call_refuse(call, FQ_EINVALID, "%s: at most %d printable characters without spaces", what,
                              FQ_CLIENT_NAME_MAX);
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return 0;
}

struct hello {
    int64_t protocol;
    bool has_login, has_name;
    fq_str user, token, name;
};

static int read_hello(struct fq_call *call, struct hello *hello) {
    if (call->arg_count < 2)
        return 0;
    if (fq_str_to_int64(call->args[1], &hello->protocol) < 0 || hello->protocol < 2 || hello->protocol > 3)
        return fq_call_refuse(call, FQ_ENOPROTO, "unsupported protocol version; 2 and 3 are spoken");
    for (size_t at = 2; at < call->arg_count;) {
        size_t left = call->arg_count - at;
        if (left >= 3 && fq_str_equal_nocase(call->args[at], FQ_STR("AUTH"))) {
            hello->has_login = true;
            hello->user = call->args[at + 1];
            hello->token = call->args[at + 2];
            at += 3;
        } else if (left >= 2 && fq_str_equal_nocase(call->args[at], FQ_STR("SETNAME"))) {
            hello->has_name = true;
            hello->name = call->args[at + 1];
            at += 2;
        } else {
            return fq_call_refuse(call, FQ_ESYNTAX, "HELLO %s", call->row->syntax);
        }
    }
    return 0;
}

int fq_command_hello(struct fq_call *call) {
    fq_connection *connection = call->connection;
    struct hello hello = {.protocol = connection->reply.protocol};
    int rc = read_hello(call, &hello);
    if (rc == 0 && hello.has_login)
        rc = log_in(call, hello.user, hello.token);
    if (rc != 0)
        return rc;
    if (!connection->is_authenticated)
        return fq_call_refuse(
            call, FQ_ENOAUTH,
            "HELLO must be called with the client already authenticated, or with AUTH user token");
    if (hello.has_name)
        rc = set_text(call, "SETNAME", hello.name, connection->name);
    if (rc < 0)
        return rc;
    if (hello.protocol < 3) // pushes would be no RESP2
        fq_watchers_remove(call->core, connection, false);
    connection->reply.protocol = (int)hello.protocol;
    const fq_core *core = call->core;
    fq_resp_write_map(call->reply, 7 + (size_t)core->is_standby + (core->shards != NULL));
    fq_reply_key_text(call->reply, "server", FQ_STR("fastqueue"));
    fq_reply_key_text(call->reply, "version", FQ_STR(FQ_VERSION));
    fq_reply_key_integer(call->reply, "proto", hello.protocol);
    fq_reply_key_integer(call->reply, "id", (int64_t)connection->id);
    fq_reply_key_text(call->reply, "mode", FQ_STR("standalone"));
    fq_reply_key_text(call->reply, "role", core->is_standby ? FQ_STR("replica") : FQ_STR("master"));
    if (core->is_standby)
        fq_reply_key_text(call->reply, "leader", fq_str_of(core->leader));
    if (core->shards != NULL)
        fq_reply_key_integer(call->reply, "shard", core->shard);
    fq_resp_write_text(call->reply, "modules");
    fq_resp_write_array(call->reply, 0);
    return 0;
}

// --- small talk -----------------------------------------------------------------------------------------------------------
int fq_command_ping(struct fq_call *call) {
    if (call->arg_count == 2)
        fq_resp_write_string(call->reply, call->args[1]);
    else
        fq_resp_write_status(call->reply, "PONG");
    return 0;
}

int fq_command_echo(struct fq_call *call) {
    fq_resp_write_string(call->reply, call->args[1]);
    return 0;
}

int fq_command_quit(struct fq_call *call) {
    fq_resp_write_status(call->reply, "OK");
    fq_connection_end(call->connection);
    return 0;
}

int fq_command_reset(struct fq_call *call) {
    fq_core *core = call->core;
    fq_connection *connection = call->connection;
    fq_watchers_remove(core, connection, false);
    fq_presence_leave(core, connection, call->now);
    connection->reply.protocol = 2;
    connection->name[0] = '\0';
    if (!fq_credentials_is_empty(core->credentials) && connection->request == NULL) {
        if (fq_admission_log_out(connection, call->now) < 0)
            return FQ_ENOMEM;
    }
    fq_resp_write_status(call->reply, "RESET");
    return 0;
}

int fq_command_select(struct fq_call *call) {
    int64_t number;
    if (fq_str_to_int64(call->args[1], &number) < 0 || number != 0)
        return fq_call_refuse(call, FQ_EINVALID, "DB index is out of range: there is one database, 0");
    fq_resp_write_status(call->reply, "OK");
    return 0;
}

// --- CLIENT ---------------------------------------------------------------------------------------------------------------
static int append_client(fq_buf *text, const fq_connection *connection, struct fq_now now) {
    return fq_buf_printf(text,
                         "id=%llu addr=%s name=%s age=%lld idle=%lld db=0 user=%s resp=%d lib-name=%s "
                         "lib-ver=%s cmd=%s tot-cmds=%llu "
                         "qbuf=%zu omem=%zu watch=%zu in-flight=%u",
                         (unsigned long long)connection->id, connection->peer != NULL ? connection->peer : "",
                         connection->name, (long long)((now.wall_us - connection->opened_us) / FQ_US_PER_S),
                         (long long)((now.boot_us - connection->heard_us) / FQ_US_PER_S), connection->user,
                         connection->reply.protocol, connection->library, connection->library_version,
                         connection->last_row != NULL ? connection->last_row->name : "",
                         (unsigned long long)connection->commands_total, fq_buf_len(&connection->input),
                         fq_buf_len(&connection->output), connection->watch_count, connection->in_flight);
}

static int client_info(struct fq_call *call) {
    fq_buf *text = &call->core->scratch;
    fq_buf_clear(text);
    if (append_client(text, call->connection, call->now) < 0)
        return FQ_ENOMEM;
    fq_resp_write_string(call->reply, fq_buf_str(text));
    return 0;
}

static int client_list(struct fq_call *call) {
    fq_core *core = call->core;
    fq_buf *text = &core->scratch;
    fq_buf_clear(text);
    for (fq_list_link *link = core->connections.next; link != &core->connections; link = link->next) {
        if (append_client(text, FQ_ELEMENT(link, fq_connection, all), call->now) < 0 ||
            fq_buf_append_byte(text, '\n') < 0)
            return FQ_ENOMEM;
    }
    fq_resp_write_string(call->reply, fq_buf_str(text));
    return 0;
}

static int client_set_info(struct fq_call *call) {
    if (call->arg_count != 4)
        return fq_call_refuse(call, FQ_EARITY, "CLIENT SETINFO LIB-NAME|LIB-VER text");
    int rc;
    if (fq_str_equal_nocase(call->args[2], FQ_STR("LIB-NAME")))
        rc = set_text(call, "LIB-NAME", call->args[3], call->connection->library);
    else if (fq_str_equal_nocase(call->args[2], FQ_STR("LIB-VER")))
        rc = set_text(call, "LIB-VER", call->args[3], call->connection->library_version);
    else
        return fq_call_refuse(call, FQ_ESYNTAX, "CLIENT SETINFO LIB-NAME|LIB-VER text");
    if (rc == 0)
        fq_resp_write_status(call->reply, "OK");
    return rc;
}

static int client_set_name(struct fq_call *call) {
    if (call->arg_count != 3)
        return fq_call_refuse(call, FQ_EARITY, "CLIENT SETNAME name");
    int rc = set_text(call, "SETNAME", call->args[2], call->connection->name);
    if (rc == 0)
        fq_resp_write_status(call->reply, "OK");
    return rc;
}

static int client_get_name(struct fq_call *call) {
    if (call->connection->name[0] == '\0')
        fq_resp_write_nil(call->reply);
    else
        fq_resp_write_text(call->reply, call->connection->name);
    return 0;
}

static int client_id(struct fq_call *call) {
    fq_resp_write_integer(call->reply, (int64_t)call->connection->id);
    return 0;
}

// There is no eviction of clients and no clock on keys here: asking for neither is fine.
static int client_accept(struct fq_call *call) {
    fq_resp_write_status(call->reply, "OK");
    return 0;
}

int fq_command_client(struct fq_call *call) {
    static const struct {
        fq_str word;
        int (*run)(struct fq_call *call);
    } verbs[] = {
        {{"SETINFO", 7},  client_set_info},
        {{"SETNAME", 7},  client_set_name},
        {{"GETNAME", 7},  client_get_name},
        {{"ID", 2},       client_id      },
        {{"LIST", 4},     client_list    },
        {{"INFO", 4},     client_info    },
        {{"NO-EVICT", 8}, client_accept  },
        {{"NO-TOUCH", 8}, client_accept  }
    };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (fq_str_equal_nocase(call->args[1], verbs[i].word))
            return verbs[i].run(call);
    }
    return fq_call_refuse(call, FQ_ESYNTAX, "unknown subcommand; CLIENT %s", call->row->syntax);
}
