// SPDX-License-Identifier: Apache-2.0
// Under which service.instance.id a control plane sends. Its series are about the queue, not about the process: after a
// restart they have to go on as the same ones, or a backend would add up the old workers and the new.
#ifndef FQ_SERVER_TELEMETRY_INSTANCE_H
#define FQ_SERVER_TELEMETRY_INSTANCE_H

#include <stdbool.h>

enum { FQ_INSTANCE_TEXT = 37 };

/** A UUID that follows from the machine and the data directory (NULL = the default one). False, and nothing written, when
 *  there is none: then each process is an instance of its own. */
bool fq_telemetry_instance(const char *data_dir, char ret_text[FQ_INSTANCE_TEXT]);

#endif
