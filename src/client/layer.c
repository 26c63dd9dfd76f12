// SPDX-License-Identifier: Apache-2.0
#include "fastqueue/session.h"

extern const char fq_client_layer[];
const char fq_client_layer[] = "client";
