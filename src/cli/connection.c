// SPDX-License-Identifier: Apache-2.0
#include "cli/connection.h"

#include "cli/secret_file.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_ROWS = 500, CURSOR_SIZE = 64 };

void fq_args_add(struct fq_args *args, const char *word) {
    if (args->count < FQ_ARGS_MAX)
        args->words[args->count] = (fq_slice){word, strlen(word)};
    args->count++;
}

int fq_connection_exit_code(int error) {
    switch (error) {
    case FQ_ENOAUTH:
    case FQ_EWRONGPASS:
    case FQ_ENOPERM: return FQ_EXIT_PERMISSION;
    case FQ_ECONNECT:
    case FQ_EDISCONNECTED:
    case FQ_ETLS:
    case FQ_ECLOSED: return FQ_EXIT_UNAVAILABLE;
    case FQ_EFULL:
    case FQ_EBUSY:
    case FQ_EDRAINING:
    case FQ_ETIMEOUT:
    case FQ_EAGAIN: return FQ_EXIT_TEMPORARY;
    case FQ_EUNKNOWNTASK:
    case FQ_EIDCONFLICT:
    case FQ_EBADSTATE:
    case FQ_ENOTCANCELLABLE: return FQ_EXIT_FAILED;
    case FQ_EINVALID:
    case FQ_ESYNTAX:
    case FQ_ETOOBIG:
    case FQ_EENCODING:
    case FQ_ESERVER: return FQ_EXIT_USAGE;
    case FQ_EIO: return FQ_EXIT_IO;
    default: return FQ_EXIT_INTERNAL;
    }
}

int fq_connection_fail(const fq_client *client, int error) {
    const char *sentence = client != NULL ? fq_client_error(client) : NULL;
    bool told = sentence != NULL && *sentence != '\0';
    fprintf(stderr, "fastqueue: %s\n", told ? sentence : fq_strerror(error));
    return fq_connection_exit_code(error);
}

static int open_at(const struct fq_options *options, const char *address, int64_t timeout_ms,
                   fq_client **ret_client) {
    struct fq_client_options client;
    fq_client_options_init(&client);
    client.address = address;
    client.user = fq_option_text(options, FQ_OPTION_USER);
    client.tls_ca = fq_option_text(options, FQ_OPTION_TLS_CA);
    client.tls_cert = fq_option_text(options, FQ_OPTION_TLS_CERT);
    client.tls_key = fq_option_text(options, FQ_OPTION_TLS_KEY);
    client.timeout_ms = timeout_ms;
    client.retries = (uint32_t)fq_option_number(options, FQ_OPTION_REQUEST_RETRIES);
    char token[FQ_TOKEN_SIZE], errstr[512] = "";
    int found = fq_token_read(options, token);
    if (found < 0)
        return FQ_EXIT_CONFIG;
    client.token = found > 0 ? token : NULL;
    int result = fq_client_open(&client, ret_client, errstr, sizeof errstr);
    if (result == 0)
        return 0;
    fprintf(stderr, "fastqueue: %s\n", errstr[0] != '\0' ? errstr : fq_strerror(result));
    if (result == FQ_ECONNECT)
        fputs("is the control plane running? 'fastqueue doctor' looks closer\n", stderr);
    // Nobody there in time is still nobody there.
    return result == FQ_ETIMEOUT ? FQ_EXIT_UNAVAILABLE : fq_connection_exit_code(result);
}

int fq_connection_open(const struct fq_options *options, fq_client **ret_client) {
    return fq_connection_open_within(options, fq_option_number(options, FQ_OPTION_REQUEST_TIMEOUT),
                                     ret_client);
}

int fq_connection_open_within(const struct fq_options *options, int64_t timeout_ms, fq_client **ret_client) {
    return open_at(options, fq_option_text(options, FQ_OPTION_CONTROL_PLANE_ADDRESS), timeout_ms, ret_client);
}

int fq_connection_open_at(const struct fq_options *options, const char *address, int64_t timeout_ms_max,
                          fq_client **ret_client) {
    int64_t timeout_ms = fq_option_number(options, FQ_OPTION_REQUEST_TIMEOUT);
    return open_at(options, address, timeout_ms < timeout_ms_max ? timeout_ms : timeout_ms_max, ret_client);
}
int fq_connection_ask(fq_client *client, const struct fq_args *args, const struct fq_value **ret_values) {
    if (args->count > FQ_ARGS_MAX) {
        fprintf(stderr, "fastqueue: more than %d words in one request\n", FQ_ARGS_MAX);
        return FQ_EXIT_USAGE;
    }
    int result = fq_client_command(client, args->words, args->count, ret_values);
    return result < 0 ? fq_connection_fail(client, result) : 0;
}

// A page is [next cursor, rows]. Returns the rows' index, 0 if the reply is no page.
static uint32_t read_page(const struct fq_value *values, char cursor[CURSOR_SIZE]) {
    bool page = values[0].type == FQ_VALUE_ARRAY && values[0].child_count == 2 &&
                values[1].type == FQ_VALUE_TEXT && values[1].text.len < CURSOR_SIZE;
    uint32_t rows = page ? values[1].next : 0;
    if (!page || values[rows].type != FQ_VALUE_ARRAY)
        return 0;
    memcpy(cursor, values[1].text.ptr, values[1].text.len);
    cursor[values[1].text.len] = '\0';
    return rows;
}

// --- the whole of a queue --------------------------------------------------------------------------------------------------

// The exit code of a visit of all shards: what a shard's request met is told already.
static int visit_all(fq_client *client, int (*visit)(void *context, fq_client *shard), void *context) {
    int result = fq_client_each_shard(client, visit, context);
    return result < 0 ? fq_connection_fail(client, result) : result;
}

struct sum {
    const struct fq_args *args;
    int64_t value;
};

static int add_answer(void *context, fq_client *shard) {
    struct sum *sum = context;
    const struct fq_value *values;
    int code = fq_connection_ask(shard, sum->args, &values);
    if (code == 0)
        sum->value += values[0].integer;
    return code;
}

int fq_connection_ask_all(fq_client *client, const struct fq_args *args, int64_t *ret_sum) {
    struct sum sum = {.args = args};
    int code = visit_all(client, add_answer, &sum);
    *ret_sum = sum.value;
    return code;
}

struct listing {
    struct fq_args *args;
    int64_t limit; // rows still wanted
    void (*on_row)(void *context, const struct fq_value *values, uint32_t at);
    void *context;
};

static int list_shard(void *context, fq_client *client) {
    struct listing *listing = context;
    struct fq_args *args = listing->args;
    if (listing->limit <= 0)
        return 0;
    char cursor[CURSOR_SIZE] = "0", count[24];
    size_t fixed = args->count;
    do {
        snprintf(count, sizeof count, "%lld",
                 (long long)(listing->limit < PAGE_ROWS ? listing->limit : PAGE_ROWS));
        args->count = fixed;
        fq_args_add(args, "CURSOR");
        fq_args_add(args, cursor);
        fq_args_add(args, "COUNT");
        fq_args_add(args, count);
        const struct fq_value *values;
        int code = fq_connection_ask(client, args, &values);
        if (code != 0)
            return code;
        uint32_t rows = read_page(values, cursor);
        if (rows == 0) {
            fputs("fastqueue: the control plane answered with something that is no list\n", stderr);
            return FQ_EXIT_INTERNAL;
        }
        uint32_t at = rows + 1;
        for (uint32_t i = 0; i < values[rows].child_count && listing->limit > 0; i++, listing->limit--) {
            listing->on_row(listing->context, values, at);
            at = values[at].next;
        }
    } while (strcmp(cursor, "0") != 0 && listing->limit > 0);
    args->count = fixed;
    return 0;
}

int fq_connection_list(fq_client *client, struct fq_args *args, int64_t limit,
                       void (*on_row)(void *context, const struct fq_value *values, uint32_t at),
                       void *context) {
    struct listing listing = {args, limit, on_row, context};
    return visit_all(client, list_shard, &listing);
}
