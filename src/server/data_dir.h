// SPDX-License-Identifier: Apache-2.0
// Where the journal lives unless told otherwise: $STATE_DIRECTORY (set by systemd), $XDG_STATE_HOME/fastqueue,
// ~/.local/state/fastqueue.
#ifndef FQ_SERVER_DATA_DIR_H
#define FQ_SERVER_DATA_DIR_H

#include "fastqueue/error.h"

#include <stddef.h>

/** The directory to use: `given`, or the default place if it is NULL. FQ_EINVALID with a sentence in `error` when there is
 *  none or it is too long. */
FQ_MUST_USE int fq_data_dir_find(const char *given, char *ret_path, size_t path_size, char *error,
                                 size_t size);
/** Makes it and what is missing above it, mode 0700. FQ_EIO with the cause in `error`. */
FQ_MUST_USE int fq_data_dir_make(const char *path, char *error, size_t size);

#endif
