// SPDX-License-Identifier: Apache-2.0
// Finds the row of a request, checks what every row has in common, runs it, and turns its error into a reply.
#include "server/command.h"

#include "server/core_state.h"

#include <stdarg.h>
#include <stdio.h>

static const struct fq_command_row rows[] = {
#define FQ_COMMAND(name, function, arg_min, arg_max, roles, flags, family, syntax, summary)                  \
    {name, arg_min, arg_max, roles, flags, function, family, syntax, summary},
#include "server/command.def"
#undef FQ_COMMAND
};
static const struct fq_subcommand_row subcommands[] = {
#define FQ_COMMAND(name, function, arg_min, arg_max, roles, flags, family, syntax, summary)
#define FQ_SUBCOMMAND(function, name, word, roles) {function, name, word, roles},
#include "server/command.def"
#undef FQ_COMMAND
#undef FQ_SUBCOMMAND
};
enum { SUBCOMMAND_COUNT = sizeof subcommands / sizeof subcommands[0] };
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };
_Static_assert(ROW_COUNT < 255 && ROW_COUNT * 2 < FQ_COMMAND_SLOTS, "the index has one byte a row");

const struct fq_command_row *fq_command_row(size_t index) {
    return index < ROW_COUNT ? &rows[index] : NULL;
}

const struct fq_subcommand_row *fq_subcommand_row(size_t index) {
    return index < SUBCOMMAND_COUNT ? &subcommands[index] : NULL;
}

static char upper(char byte) {
    return byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte;
}

static unsigned slot_of(fq_str name) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)upper(name.ptr[i])) * 16777619u;
    return (hash ^ hash >> 15) & (FQ_COMMAND_SLOTS - 1);
}

void fq_command_index_init(struct fq_command_index *index) {
    *index = (struct fq_command_index){0};
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        unsigned slot = slot_of(fq_str_of(rows[i].name));
        while (index->slots[slot] != 0)
            slot = (slot + 1) & (FQ_COMMAND_SLOTS - 1);
        index->slots[slot] = (unsigned char)(i + 1);
    }
}

const struct fq_command_row *fq_command_find(const struct fq_command_index *index, fq_str name) {
    if (name.len > 32)
        return NULL;
    for (unsigned slot = slot_of(name); index->slots[slot] != 0; slot = (slot + 1) & (FQ_COMMAND_SLOTS - 1)) {
        const struct fq_command_row *row = &rows[index->slots[slot] - 1];
        if (fq_str_equal_nocase(fq_str_of(row->name), name))
            return row;
    }
    return NULL;
}

int fq_call_refuse(struct fq_call *call, int error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(call->error, FQ_CALL_ERROR_TEXT, format, args);
    va_end(args);
    return error;
}

void fq_reply_error(struct fq_resp_writer *writer, int error, const char *sentence) {
    const struct fq_error_info *info = fq_error_info(error);
    fq_resp_write_error(writer, info->code, sentence != NULL && sentence[0] != '\0' ? sentence : info->text);
}

// Words that people type when they take this for a Redis server.
static bool is_redis_word(fq_str name) {
    static const char *const words[] = {
        "GET",     "SET",     "DEL",        "EXISTS",  "EXPIRE",    "TTL",        "INCR",   "KEYS",
        "SCAN",    "MGET",    "MSET",       "SETEX",   "SETNX",     "HGET",       "HSET",   "HGETALL",
        "LPUSH",   "RPUSH",   "LPOP",       "RPOP",    "BLPOP",     "BRPOP",      "LRANGE", "SADD",
        "ZADD",    "XADD",    "XREADGROUP", "PUBLISH", "SUBSCRIBE", "PSUBSCRIBE", "MULTI",  "EXEC",
        "EVAL",    "EVALSHA", "WATCH",      "DBSIZE",  "FLUSHALL",  "FLUSHDB",    "SAVE",   "BGSAVE",
        "TYPE",    "RENAME",  "SUNION",     "LLEN",    "STRLEN",    "APPEND",     "GETSET", "MONITOR",
        "SLAVEOF", "DEBUG",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (fq_str_equal_nocase(fq_str_of(words[i]), name))
            return true;
    }
    return false;
}

static int refuse_unknown(struct fq_call *call) {
    fq_str name = call->args[0];
    int shown = name.len > 64 ? 64 : (int)name.len;
    char text[65];
    for (int i = 0; i < shown; i++)
        text[i] = name.ptr[i] >= ' ' && name.ptr[i] < 127 ? name.ptr[i] : '?';
    text[shown] = '\0';
    if (is_redis_word(name))
        return fq_call_refuse(
            call, FQ_EUNKNOWNCOMMAND,
            "unknown command '%s': FastQueue is not Redis: it queues tasks with FQ.SUBMIT and "
            "FQ.FETCH; FQ.HELP lists what it knows",
            text);
    return fq_call_refuse(call, FQ_EUNKNOWNCOMMAND, "unknown command '%s'; FQ.HELP lists the commands", text);
}

void fq_role_names(unsigned roles, char text[FQ_ROLE_NAMES]) {
    static const char *const names[] = {"submit", "work", "read", "admin"};
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < 4; i++) {
        if ((roles & 1u << i) != 0)
            used +=
                (size_t)snprintf(text + used, FQ_ROLE_NAMES - used, "%s%s", used > 0 ? " or " : "", names[i]);
    }
}

// `word` is the subcommand, "" where the whole command asks for the role.
static int check_roles(struct fq_call *call, unsigned roles, const char *word) {
    const fq_connection *connection = call->connection;
    if (roles == 0 || (roles & connection->roles) != 0)
        return 0;
    char names[FQ_ROLE_NAMES];
    fq_role_names(roles, names);
    const char *blank = word[0] != '\0' ? " " : "";
    if (connection->user[0] == '\0') // a request over HTTP names none
        return fq_call_refuse(call, FQ_ENOPERM, "'%s%s%s' needs the role %s", call->row->name, blank, word,
                              names);
    return fq_call_refuse(call, FQ_ENOPERM, "'%s%s%s' needs the role %s; user '%s' has not got it",
                          call->row->name, blank, word, names, connection->user);
}

static int check_subcommand(struct fq_call *call) {
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        const struct fq_subcommand_row *row = &subcommands[i];
        if (row->run == call->row->run && call->arg_count > 1 &&
            fq_str_equal_nocase(call->args[1], fq_str_of(row->word)))
            return check_roles(call, row->roles, row->word);
    }
    return 0;
}

// What holds for every row: logged in, enough arguments, the right role.
static int check(struct fq_call *call) {
    const struct fq_command_row *row = call->row;
    const fq_connection *connection = call->connection;
    if (!connection->is_authenticated && (row == NULL || (row->flags & FQ_COMMAND_BEFORE_LOGIN) == 0))
        return fq_call_refuse(call, FQ_ENOAUTH, "authentication required: AUTH [user] token");
    if (row == NULL)
        return refuse_unknown(call);
    if (call->arg_count < (size_t)row->arg_min ||
        (row->arg_max >= 0 && call->arg_count > (size_t)row->arg_max))
        return fq_call_refuse(call, FQ_EARITY, "wrong number of arguments for '%s': %s %s", row->name,
                              row->name, row->syntax);
    int rc = check_roles(call, row->roles, "");
    if (rc == 0)
        rc = check_subcommand(call);
    if (rc == 0 && call->core->is_standby &&
        (row->flags & (FQ_COMMAND_STATELESS | FQ_COMMAND_ON_STANDBY)) == 0)
        return fq_call_refuse(call, FQ_ENOTACTIVE, "%s",
                              call->core->leader[0] != '\0' ? call->core->leader : "nobody leads yet");
    return rc;
}

// The sentence of an error that the engine gave is in the decision.
static void write_failure(struct fq_call *call, int error) {
    call->core->stats.command_errors_total++;
    fq_reply_error(call->reply, error, call->error);
}

// Most commands come in runs.
static const struct fq_command_row *find_row(const fq_connection *connection, fq_str name) {
    const struct fq_command_row *last = connection->last_row;
    if (last != NULL && fq_str_equal(fq_str_of(last->name), name))
        return last;
    return fq_command_find(&connection->core->commands, name);
}

// Whether the reply has to wait for what the engine has decided so far. That the log does not answer is told while it does not.
static bool shows_state(const struct fq_call *call, int rc) {
    if (rc == FQ_EFULL && call->core->space.blocked_why != NULL)
        return false;
    return call->row == NULL || (call->row->flags & FQ_COMMAND_STATELESS) == 0;
}

int fq_command_execute(fq_connection *connection, const fq_str *args, size_t arg_count, struct fq_now now) {
    fq_core *core = connection->core;
    struct fq_call call;
    call.core = core;
    call.connection = connection;
    call.row = find_row(connection, args[0]);
    call.args = args;
    call.arg_count = arg_count;
    call.now = now;
    call.reply = fq_connection_writer(connection);
    call.error = core->error;
    call.error[0] = '\0';
    int rc = check(&call);
    if (rc == 0) {
        connection->last_row = call.row;
        core->stats.commands_total++;
        rc = call.row->run(&call);
    }
    if (rc == FQ_CALL_BLOCKED || rc == FQ_CALL_AGAIN)
        return rc;
    if (rc < 0)
        write_failure(&call, rc);
    if (shows_state(&call, rc))
        fq_connection_touch(connection);
    fq_connection_replied(connection);
    return rc;
}
