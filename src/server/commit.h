// SPDX-License-Identifier: Apache-2.0
// From a command to its effects: decide, append to the journal, apply, tell who must hear of it. What is written for peers
// on the way rests on the journal's last sequence and is held back by the connections until that is durable.
#ifndef FQ_SERVER_COMMIT_H
#define FQ_SERVER_COMMIT_H

#include "server/command.h"
#include "server/core.h"

/**
 * Decides `command` and, if it is not refused, journals and applies its events. 0 with core->decision filled; the
 * engine's error with its sentence in core->reason; FQ_EFULL when the journal takes nothing more, FQ_EIO once it
 * has failed.
 */
FQ_MUST_USE int fq_commit_command(fq_core *core, struct fq_command *command, struct fq_now now);
/** The same for a call; the sentence is in call->error. */
FQ_MUST_USE int fq_commit_call(struct fq_call *call, struct fq_command *command);
/** Journals and applies the events of core->decision. 0, or an error with nothing applied. */
FQ_MUST_USE int fq_commit_decision(fq_core *core, struct fq_now now);
/** Lets time pass in the engine: everything that is due, but no more than a turn may take. */
void fq_commit_due(fq_core *core, struct fq_now now);
/** What replies written now rest on; 0 without a journal. */
uint64_t fq_commit_seq(const fq_core *core);

#endif
