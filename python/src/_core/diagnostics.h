// SPDX-License-Identifier: Apache-2.0
// What the SDK has to report, from any of its threads, handed to Python's logging by the main thread when it comes around.
#ifndef FQ_PYTHON_DIAGNOSTICS_H
#define FQ_PYTHON_DIAGNOSTICS_H

#include "base/log.h"

struct core_diagnostics;

/** NULL when out of memory. Never freed: threads of the SDK may report until the process ends. */
struct core_diagnostics *core_diagnostics_new(void);
/** A log that reports there; NULL is fine and drops. */
fq_log core_diagnostics_log(struct core_diagnostics *diagnostics);
/** The same, as long as the process lives. */
const fq_log *core_diagnostics_lasting_log(struct core_diagnostics *diagnostics);
/** In a forked child: whatever the parent's threads were doing with it, they are gone. */
void core_diagnostics_forked(struct core_diagnostics *diagnostics);

#endif
