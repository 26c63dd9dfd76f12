// SPDX-License-Identifier: Apache-2.0
#include "fastqueue/version.h"

#include <stdio.h>

int main(void) {
    puts("fastqueue " FQ_VERSION);
    return 0;
}
