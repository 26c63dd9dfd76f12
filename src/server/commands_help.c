// SPDX-License-Identifier: Apache-2.0
// The command table printed: COMMAND for Redis clients, FQ.HELP for people.
#include "server/arguments.h"
#include "server/core_state.h"
#include "server/reply.h"

#include <ctype.h>
#include <stdio.h>

static size_t row_count(void) {
    size_t count = 0;
    while (fq_command_row(count) != NULL)
        count++;
    return count;
}

// Redis names commands in lower case in these replies.
static void write_name(struct fq_resp_writer *writer, const char *name) {
    char text[40];
    size_t len = 0;
    for (; len < sizeof text && name[len] != '\0'; len++)
        text[len] = (char)tolower((unsigned char)name[len]);
    fq_resp_write_string(writer, (fq_str){text, len});
}

static void write_flags(struct fq_resp_writer *writer, const struct fq_command_row *row) {
    const struct {
        unsigned flag;
        const char *word;
    } words[] = {
        {FQ_COMMAND_MUTATING,     "write"   },
        {FQ_COMMAND_BEFORE_LOGIN, "no_auth" },
        {FQ_COMMAND_BLOCKING,     "blocking"},
        {FQ_COMMAND_STATELESS,    "fast"    }
    };
    enum { WORDS = sizeof words / sizeof words[0] };
    size_t count = (row->flags & FQ_COMMAND_MUTATING) == 0;
    for (size_t i = 0; i < WORDS; i++)
        count += (row->flags & words[i].flag) != 0;
    fq_resp_write_array(writer, count);
    if ((row->flags & FQ_COMMAND_MUTATING) == 0)
        fq_resp_write_status(writer, "readonly");
    for (size_t i = 0; i < WORDS; i++) {
        if ((row->flags & words[i].flag) != 0)
            fq_resp_write_status(writer, words[i].word);
    }
}

static void write_categories(struct fq_resp_writer *writer, const struct fq_command_row *row) {
    static const char *const roles[] = {"@submit", "@work", "@read", "@admin"};
    size_t count = 0;
    for (unsigned i = 0; i < 4; i++)
        count += (row->roles >> i) & 1;
    fq_resp_write_array(writer, count);
    for (unsigned i = 0; i < 4; i++) {
        if ((row->roles >> i & 1) != 0)
            fq_resp_write_status(writer, roles[i]);
    }
}

// The ten fields of COMMAND's rows: no command here has keys.
static void write_row(struct fq_resp_writer *writer, const struct fq_command_row *row) {
    bool is_fixed = row->arg_min == row->arg_max;
    fq_resp_write_array(writer, 10);
    write_name(writer, row->name);
    fq_resp_write_integer(writer, is_fixed ? row->arg_min : -row->arg_min);
    write_flags(writer, row);
    for (int i = 0; i < 3; i++)
        fq_resp_write_integer(writer, 0);
    write_categories(writer, row);
    for (int i = 0; i < 3; i++)
        fq_resp_write_array(writer, 0);
}

static void write_docs(struct fq_resp_writer *writer, const struct fq_command_row *row) {
    write_name(writer, row->name);
    fq_resp_write_map(writer, 5);
    fq_reply_key_text(writer, "summary", fq_str_of(row->summary));
    fq_reply_key_text(writer, "since", FQ_STR("0.1.0"));
    fq_reply_key_text(writer, "group", fq_str_of(row->family));
    fq_reply_key_text(writer, "syntax", fq_str_of(row->syntax));
    fq_resp_write_text(writer, "arguments");
    fq_resp_write_array(writer, 0);
}

static int command_all(struct fq_call *call) {
    size_t count = row_count();
    fq_resp_write_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        write_row(call->reply, fq_command_row(i));
    return 0;
}

static int command_count(struct fq_call *call) {
    fq_resp_write_integer(call->reply, (int64_t)row_count());
    return 0;
}

static int command_list(struct fq_call *call) {
    size_t count = row_count();
    fq_resp_write_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        write_name(call->reply, fq_command_row(i)->name);
    return 0;
}

static int command_info(struct fq_call *call) {
    if (call->arg_count == 2)
        return command_all(call);
    fq_resp_write_array(call->reply, call->arg_count - 2);
    for (size_t i = 2; i < call->arg_count; i++) {
        const struct fq_command_row *row = fq_command_find(&call->core->commands, call->args[i]);
        if (row != NULL)
            write_row(call->reply, row);
        else
            fq_resp_write_nil(call->reply);
    }
    return 0;
}

static int command_docs(struct fq_call *call) {
    size_t count = call->arg_count == 2 ? row_count() : 0;
    for (size_t i = 2; i < call->arg_count; i++)
        count += fq_command_find(&call->core->commands, call->args[i]) != NULL;
    fq_resp_write_map(call->reply, count);
    for (size_t i = 0; call->arg_count == 2 && i < count; i++)
        write_docs(call->reply, fq_command_row(i));
    for (size_t i = 2; i < call->arg_count; i++) {
        const struct fq_command_row *row = fq_command_find(&call->core->commands, call->args[i]);
        if (row != NULL)
            write_docs(call->reply, row);
    }
    return 0;
}

int fq_command_command(struct fq_call *call) {
    static const struct {
        fq_str word;
        int (*run)(struct fq_call *call);
    } verbs[] = {
        {{"COUNT", 5}, command_count},
        {{"LIST", 4},  command_list },
        {{"INFO", 4},  command_info },
        {{"DOCS", 4},  command_docs }
    };
    if (call->arg_count == 1)
        return command_all(call);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (fq_str_equal_nocase(call->args[1], verbs[i].word))
            return verbs[i].run(call);
    }
    return fq_call_refuse(call, FQ_ESYNTAX, "unknown subcommand; COMMAND %s", call->row->syntax);
}

// --- FQ.HELP ----------------------------------------------------------------------------------------------------------------
static void write_line(struct fq_resp_writer *writer, const struct fq_command_row *row) {
    char line[900];
    int len = snprintf(line, sizeof line, "%s%s%s - %s", row->name, row->syntax[0] != '\0' ? " " : "",
                       row->syntax, row->summary);
    fq_resp_write_string(writer, (fq_str){line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1});
}

int fq_command_help(struct fq_call *call) {
    if (call->arg_count == 2) {
        const struct fq_command_row *row = fq_command_find(&call->core->commands, call->args[1]);
        if (row == NULL)
            return fq_call_refuse(call, FQ_EUNKNOWNCOMMAND, "no such command; FQ.HELP lists them");
        fq_resp_write_array(call->reply, 1);
        write_line(call->reply, row);
        return 0;
    }
    size_t count = row_count();
    fq_resp_write_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        write_line(call->reply, fq_command_row(i));
    return 0;
}
