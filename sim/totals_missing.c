// SPDX-License-Identifier: Apache-2.0
// What a long campaign has to have seen. A fault that never comes up is as good as none, and looks like success.
#include "sim/invariant.h"
#include "sim/totals.h"

static const char *const wanted[] = {
    "S25",
    "S26",
    "S37",
    "administrator acted",
    "allocation failed",
    "backup restored",
    "bit rotted",
    "caller turned away",
    "compaction",
    "compaction failed",
    "compactor killed",
    "connection half-open",
    "connection refused",
    "connection reset",
    "connection stalled",
    "death while starting",
    "descriptors used up",
    "disk filled by another",
    "disk slow",
    "drain",
    "drain came to its end",
    "drain ran out of time",
    "hostile: a crowd",
    "hostile: answers unread",
    "hostile: byte by byte",
    "hostile: half a request",
    "hostile: malformed bytes",
    "journal failed",
    "kill",
    "machine stands still",
    "no descriptor for a file",
    "peer gave up a silent connection",
    "peer stopped reading",
    "peers cut off",
    "poison task granted",
    "power cut",
    "power cut with garbage",
    "relaxed mode lost what was seen",
    "sector misplaced",
    "sector stale",
    "session gave up a connection",
    "slow reader cut off",
    "start refused",
    "stopped",
    "swizzle",
    "sync failed",
    "users read anew",
    "wall clock set back",
    "wall clock set forward",
    "worker died",
    "worker lied",
    "worker stood still",
    "write failed",
};

static size_t look(const struct sim_totals *totals, const char *name,
                   void (*on_name)(void *context, const char *name), void *context) {
    if (sim_totals_times(totals, name) > 0)
        return 0;
    if (on_name != NULL)
        on_name(context, name);
    return 1;
}

size_t sim_totals_missing(const struct sim_totals *totals, void (*on_name)(void *context, const char *name),
                          void *context) {
    size_t missing = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        missing += look(totals, wanted[i], on_name, context);
    for (size_t i = 0; i < SIM_INVARIANT_COUNT; i++)
        if (sim_invariant_rows[i].in_model)
            missing += look(totals, sim_invariant_rows[i].label, on_name, context);
    return missing;
}
