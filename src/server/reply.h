// SPDX-License-Identifier: Apache-2.0
// Shapes of replies that more than one command gives.
#ifndef FQ_SERVER_REPLY_H
#define FQ_SERVER_REPLY_H

#include "engine/engine.h"
#include "resp/writer.h"
#include "server/core.h"

void fq_reply_key_text(struct fq_resp_writer *writer, const char *key, fq_str value);
void fq_reply_key_integer(struct fq_resp_writer *writer, const char *key, int64_t value);
void fq_reply_uuid(struct fq_resp_writer *writer, const fq_uuid *id);
void fq_reply_token(struct fq_resp_writer *writer, uint64_t token);
/** The task map of FQ.RESULT, FQ.STATUS and FQ.LIST; the result itself only `with_result`. */
void fq_reply_task(struct fq_resp_writer *writer, const struct fq_task_view *view, bool with_result);
/** One task of FQ.FETCH. */
void fq_reply_grant(struct fq_resp_writer *writer, const struct fq_task_view *view, uint64_t token,
                    int64_t lease_ms);

#endif
