// SPDX-License-Identifier: Apache-2.0
// The picture that `fastqueue top` draws of two samples.
#ifndef FQ_CLI_TOP_VIEW_H
#define FQ_CLI_TOP_VIEW_H

#include "cli/top_sample.h"

#include <stdio.h>

struct fq_top_view {
    const char *address;
    bool coloured;
    int lines; // of the terminal; 0 = as many as it takes
};

/** Writes lines ended by '\n'. `before` is an earlier sample, for rates; NULL: rates since the control plane began. */
void fq_top_view_draw(FILE *out, const struct fq_top_view *view, const struct fq_top_sample *now,
                      const struct fq_top_sample *before);

#endif
