// SPDX-License-Identifier: Apache-2.0
// What this process uses, and its limit of open files.
#ifndef FQ_NET_PROCESS_USE_H
#define FQ_NET_PROCESS_USE_H

#include <stdint.h>

struct fq_process_use {
    double cpu_s; // user and system
    uint64_t resident_bytes, open_files, open_files_max;
};

/** CPU time of all its threads. */
void fq_process_cpu(double *ret_user_s, double *ret_system_s);
void fq_process_use(struct fq_process_use *ret_use);
/** Raises the soft limit of open files to the hard one; returns the limit in force. */
uint64_t fq_process_raise_open_files(void);

#endif
