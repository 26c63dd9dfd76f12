// SPDX-License-Identifier: Apache-2.0
// The log of system calls that record_calls.c writes and crash_states.c reads: entries one behind the other, in the machine's
// byte order, in the order in which the calls had happened.
#ifndef FQ_TESTS_CALL_LOG_H
#define FQ_TESTS_CALL_LOG_H

#include <stdint.h>

enum call_kind {
    CALL_CREATE = 1,     // file, path
    CALL_WRITE,          // file, offset, data
    CALL_ZEROS,          // file, offset, length
    CALL_TRUNCATE,       // file, length
    CALL_SYNC,           // file
    CALL_SYNC_DIRECTORY, // path
    CALL_RENAME,         // path, other path
    CALL_UNLINK,         // path
    CALL_MAKE_DIRECTORY  // path
};

struct call_entry {
    uint32_t kind;
    uint32_t data_len; // bytes behind the entry: data, or the path and, parted by NUL, the other path
    int64_t time_ns;   // CLOCK_MONOTONIC, after the call
    uint64_t file;     // inode
    uint64_t offset, length;
};

#endif
