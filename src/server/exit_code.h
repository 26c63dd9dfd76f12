// SPDX-License-Identifier: Apache-2.0
// Exit codes of the control plane, as in <sysexits.h>; documented at fq_server_run.
#ifndef FQ_SERVER_EXIT_CODE_H
#define FQ_SERVER_EXIT_CODE_H

enum fq_server_exit {
    FQ_SERVER_OK = 0,
    FQ_SERVER_MODULE_FAILED = 1,
    FQ_SERVER_DAMAGED = 65,
    FQ_SERVER_UNAVAILABLE = 69,
    FQ_SERVER_INTERNAL = 70,
    FQ_SERVER_DISK = 74,
    FQ_SERVER_LOCKED = 75,
    FQ_SERVER_CONFIG = 78,
};

#endif
