// SPDX-License-Identifier: Apache-2.0
// Includes the header and declares nothing.
#include <fastqueue/task.h>
