// SPDX-License-Identifier: Apache-2.0
#include "resp/reader.h"

extern const char fq_resp_layer[];
const char fq_resp_layer[] = "resp";
