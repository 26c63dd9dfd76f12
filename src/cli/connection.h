// SPDX-License-Identifier: Apache-2.0
// A connected client made of options, and what its errors mean for the exit code.
#ifndef FQ_CLI_CONNECTION_H
#define FQ_CLI_CONNECTION_H

#include "cli/option.h"
#include "fastqueue/client.h"

enum { FQ_ARGS_MAX = 1024 };

/** A command under construction: words are borrowed. Starts as {0}. */
struct fq_args {
    fq_slice words[FQ_ARGS_MAX];
    size_t count;
};
/** Adds a word; without room it is dropped and `count` passes FQ_ARGS_MAX, which fq_connection_ask refuses. */
void fq_args_add(struct fq_args *args, const char *word);

/** Connects. 0 with the client, which the caller closes; else an exit code, the sentence is on standard error. */
FQ_MUST_USE int fq_connection_open(const struct fq_options *options, fq_client **ret_client);
/** As above, with another limit for each request than --request-timeout. */
FQ_MUST_USE int fq_connection_open_within(const struct fq_options *options, int64_t timeout_ms,
                                          fq_client **ret_client);
/** As fq_connection_open, to `address`, and no request takes longer than `timeout_ms_max` either. */
FQ_MUST_USE int fq_connection_open_at(const struct fq_options *options, const char *address,
                                      int64_t timeout_ms_max, fq_client **ret_client);
/** Sends a command and waits for its reply, borrowed until the next call. 0, or an exit code with the sentence printed. */
FQ_MUST_USE int fq_connection_ask(fq_client *client, const struct fq_args *args,
                                  const struct fq_value **ret_values);
/** Asks every shard the same, or the one there is, and adds up the numbers they answer. As fq_connection_ask. */
FQ_MUST_USE int fq_connection_ask_all(fq_client *client, const struct fq_args *args, int64_t *ret_sum);
/** Prints the client's last error and returns the exit code for `error`. */
int fq_connection_fail(const fq_client *client, int error);
/** The exit code for an FQ_E… number. */
int fq_connection_exit_code(int error);

/**
 * Asks for page after page of a listing (`args` without CURSOR and COUNT), calling `on_row(context, values, at)` for each row
 * until `limit` rows have come; of a queue with shards from each of them in turn. 0 or an exit code.
 */
FQ_MUST_USE int fq_connection_list(fq_client *client, struct fq_args *args, int64_t limit,
                                   void (*on_row)(void *context, const struct fq_value *values, uint32_t at),
                                   void *context);

#endif
