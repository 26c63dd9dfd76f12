// SPDX-License-Identifier: Apache-2.0
// The control plane's own telemetry: the queue's metrics over OTLP from the same cells as /metrics, the root span of tasks
// whose submitter brought no context, and its log lines as log records. Exporting is the SDK's threads' affair: the loop
// only copies figures when a collection asks for them, and never waits.
//
//   fq_server_telemetry_open()      before anything is logged; NULL = off
//   fq_server_telemetry_attach()    when the core is there, before the loop runs
//   fq_server_telemetry_step()      in each turn
//   fq_server_telemetry_detach()    behind the last turn: takes the last figures
//   fq_server_telemetry_free()      flushes, within FASTQUEUE_TELEMETRY_EXIT_TIMEOUT
#ifndef FQ_SERVER_TELEMETRY_H
#define FQ_SERVER_TELEMETRY_H

#include "otel/sdk.h"
#include "server/core.h"
#include "server/metrics.h"

typedef struct fq_server_telemetry fq_server_telemetry;

/** `log` and `server_id` are borrowed for its life. `data_dir` as in the server's options: restarts on it are one instance.
 *  `variable` NULL = the process's environment. */
fq_server_telemetry *fq_server_telemetry_open(const fq_log *log, const char *server_id, const char *data_dir,
                                              const char *(*variable)(void *context, const char *name),
                                              void *variable_context);
fq_server_telemetry *fq_server_telemetry_free(fq_server_telemetry *telemetry);
/** The log to be used instead of the one given: its lines go there, and become records. NULL telemetry: `log`. */
const fq_log *fq_server_telemetry_log(fq_server_telemetry *telemetry, const fq_log *log);
/** For the core's configuration; all zero for NULL. */
struct fq_core_telemetry fq_server_telemetry_hooks(fq_server_telemetry *telemetry);
/** NULL for NULL. */
const otel_sdk *fq_server_telemetry_sdk(const fq_server_telemetry *telemetry);

/** `wake(wake_context)` makes a turn happen soon, from any thread. */
void fq_server_telemetry_attach(fq_server_telemetry *telemetry, fq_core *core, fq_metrics *metrics,
                                void (*wake)(void *context), void *wake_context);
void fq_server_telemetry_step(fq_server_telemetry *telemetry, struct fq_now now);
void fq_server_telemetry_detach(fq_server_telemetry *telemetry, struct fq_now now);

#endif
