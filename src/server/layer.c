// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

extern const char fq_server_layer[];
const char fq_server_layer[] = "server";
