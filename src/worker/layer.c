// SPDX-License-Identifier: Apache-2.0
#include "worker/runner.h"

extern const char fq_worker_layer[];
const char fq_worker_layer[] = "worker";
