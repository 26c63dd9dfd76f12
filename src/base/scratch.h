// SPDX-License-Identifier: Apache-2.0
// The build clears locals that have no initialiser. A large one that is always written before it is read says so, where
// clearing it would cost more than the rest of the function.
#ifndef FQ_BASE_SCRATCH_H
#define FQ_BASE_SCRATCH_H

#if defined(__has_attribute) && __has_attribute(uninitialized)
#define FQ_SCRATCH __attribute__((uninitialized))
#else
#define FQ_SCRATCH
#endif

#endif
