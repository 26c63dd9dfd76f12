// SPDX-License-Identifier: Apache-2.0
// The command table (command.def) and one call of a row.
#ifndef FQ_SERVER_COMMAND_H
#define FQ_SERVER_COMMAND_H

#include "resp/writer.h"
#include "server/core.h"

enum fq_command_flag {
    FQ_COMMAND_BEFORE_LOGIN = 1, // allowed on a connection that has not logged in
    FQ_COMMAND_MUTATING = 2,     // journals events
    FQ_COMMAND_REDACTED = 4,     // arguments hold secrets or payloads: never logged
    FQ_COMMAND_STATELESS = 8,    // the reply shows nothing of the engine: waits for no sync
    FQ_COMMAND_BLOCKING = 16,    // may wait
    FQ_COMMAND_ON_STANDBY = 32,  // answered by a control plane that does not lead, too
};

// What a handler returns besides 0 (the reply is written) and a negative error.
enum {
    FQ_CALL_BLOCKED = 1, // the reply comes later
    FQ_CALL_AGAIN = 2,   // executed again from the start when the connection's block is over
};

enum { FQ_CALL_ERROR_TEXT = 320 };

struct fq_command_row;
struct fq_call {
    fq_core *core;
    fq_connection *connection;
    const struct fq_command_row *row;
    const fq_str *args; // args[0] is the command's name
    size_t arg_count;
    struct fq_now now;
    struct fq_resp_writer *reply;
    char *error; // FQ_CALL_ERROR_TEXT bytes: the sentence for a negative return; "" = the error's own
};

struct fq_command_row {
    const char *name;
    int arg_min, arg_max; // the name counts; arg_max -1 = no bound of its own
    unsigned roles;       // one of these is needed; 0 = none
    unsigned flags;
    int (*run)(struct fq_call *call);
    const char *family;
    const char *syntax; // arguments, for people
    const char *summary;
};

// A word behind a command's name that asks for a role of its own.
struct fq_subcommand_row {
    int (*run)(struct fq_call *call); // of the command
    const char *name, *word;
    unsigned roles; // one of these is needed
};

enum { FQ_COMMAND_SLOTS = 256 };
struct fq_command_index {
    unsigned char slots[FQ_COMMAND_SLOTS]; // row number plus 1
};

void fq_command_index_init(struct fq_command_index *index);
/** The row called `name` in any case; NULL if there is none. */
const struct fq_command_row *fq_command_find(const struct fq_command_index *index, fq_str name);
/** Row `index` of the table in its order; NULL past the end. */
const struct fq_command_row *fq_command_row(size_t index);

/** Row `index` of the subcommands that ask for a role of their own; NULL past the end. */
const struct fq_subcommand_row *fq_subcommand_row(size_t index);
enum { FQ_ROLE_NAMES = 64 };
/** "submit or work" in table order. */
void fq_role_names(unsigned roles, char text[FQ_ROLE_NAMES]);

/** Runs one request on the connection: reply or error is written unless FQ_CALL_BLOCKED or FQ_CALL_AGAIN is returned. */
int fq_command_execute(fq_connection *connection, const fq_str *args, size_t arg_count, struct fq_now now);

/** Fills call->error and returns `error`. */
__attribute__((format(printf, 3, 4))) int fq_call_refuse(struct fq_call *call, int error, const char *format,
                                                         ...);
/** Writes "-CODE sentence" for `error`; an empty sentence is the error's own. */
void fq_reply_error(struct fq_resp_writer *writer, int error, const char *sentence);

/** The time of a RESULT … WAIT is over: replies how the task stands. */
void fq_command_result_timeout(fq_connection *connection);

#define FQ_COMMAND(name, function, arg_min, arg_max, roles, flags, family, syntax, summary)                  \
    int function(struct fq_call *call);
#include "server/command.def"
#undef FQ_COMMAND

#endif
