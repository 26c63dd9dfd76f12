// SPDX-License-Identifier: Apache-2.0
// A disk that follows recorded calls: what the medium is sure to hold, and what is pending: sectors, sizes and directory
// entries that were changed and not yet synced. Any subset of what is pending makes a state in which a power cut may leave it; a
// state is a disk of its own, on which recovery can run.
#ifndef FQ_TESTS_CRASH_DISK_H
#define FQ_TESTS_CRASH_DISK_H

#include "call_log.h"
#include "journal/disk.h"

typedef struct crash_disk crash_disk;

crash_disk *crash_disk_new(void);
void crash_disk_free(crash_disk *disk);
/** The next call has happened. `data` is borrowed for the disk's life. */
void crash_disk_follow(crash_disk *disk, const struct call_entry *entry, const char *data);

/** How many changes are pending: bits 0 … n-1, in the order in which they happened. */
size_t crash_disk_pending(const crash_disk *disk);
/** Whether pending change `bit` is the content of a sector. */
bool crash_disk_is_sector(const crash_disk *disk, size_t bit);

/** The state in which the changes with keep[bit] have reached the medium. The sector change `noise` (SIZE_MAX = none) left
 *  garbage. Good until the next call; close_disk releases nothing but the lock. Views of one state may follow each other. */
void crash_disk_make(crash_disk *disk, const bool *keep, size_t noise);
fq_disk *crash_disk_attach(crash_disk *disk);
/** Writes the state, as it is now, into a directory of the real disk, which exists and is empty. */
bool crash_disk_export(const crash_disk *disk, const char *path);

#endif
