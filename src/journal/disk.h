// SPDX-License-Identifier: Apache-2.0
// The file system as storage_posix uses it: the real one is disk_posix.c, tests and the simulator give their own.
// Every call returns 0 or a count on success and -errno on failure. Paths are relative to the data directory ("." is the
// directory itself). Calls may come from any one thread at a time.
#ifndef FQ_JOURNAL_DISK_H
#define FQ_JOURNAL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fq_disk fq_disk;

enum fq_disk_open {
    FQ_DISK_READ,
    FQ_DISK_READ_AROUND_CACHE, // what is on the medium; read into memory aligned to 4,096, in multiples of 4,096
    FQ_DISK_WRITE,
    FQ_DISK_CREATE /* fails if it exists */
};

struct fq_disk_facts {
    uint64_t total_bytes, free_bytes;
    uint32_t block_size; // physical, 512-4096
    bool is_volatile;    // tmpfs and the like
    bool is_network;
    bool copies_on_write;
};

struct fq_disk_ops {
    int (*open)(fq_disk *disk, const char *path, enum fq_disk_open mode); // a handle >= 0
    int (*close)(fq_disk *disk, int handle);
    int64_t (*size)(fq_disk *disk, int handle);
    int64_t (*read)(fq_disk *disk, int handle, void *bytes, size_t len,
                    uint64_t offset); // all, or short at the end
    int64_t (*write)(fq_disk *disk, int handle, const void *bytes, size_t len, uint64_t offset);
    // Zeros past the page cache where that can be, in multiples of 4,096. NULL: there is nothing better than `write`.
    int64_t (*write_zeros)(fq_disk *disk, int handle, size_t len, uint64_t offset);
    // For what is synced at once, in whole blocks: the same of bytes; the sync is then left with nothing to write.
    int64_t (*write_around_cache)(fq_disk *disk, int handle, const void *bytes, size_t len, uint64_t offset);
    int (*sync)(fq_disk *disk, int handle); // fdatasync
    int (*sync_directory)(fq_disk *disk, const char *path);
    int (*rename)(fq_disk *disk, const char *from, const char *to);
    int (*remove)(fq_disk *disk, const char *path);
    int (*make_directory)(fq_disk *disk, const char *path);
    int (*list)(fq_disk *disk, const char *path, void (*on_name)(void *context, const char *name),
                void *context);
    int (*facts)(fq_disk *disk, struct fq_disk_facts *ret_facts);
    // Held until close_disk. -EWOULDBLOCK if another process holds it; then `ret_owner` says who, as far as is known.
    int (*lock)(fq_disk *disk, const char *path, char *ret_owner, size_t owner_size);
    int (*random)(fq_disk *disk, void *ret_bytes, size_t len);
    fq_disk *(*close_disk)(fq_disk *disk);
};

struct fq_disk {
    const struct fq_disk_ops *ops;
};

/** Removes a leftover for good before its name is used again: otherwise a power cut could keep what happens to the new file, a
 *  rename above all, and lose both this removal and the new file's entry. A missing one is fine. 0 or -errno. */
int fq_disk_clear(fq_disk *disk, const char *path);

/** The data directory `path`, made with mode 0700 if it is missing. -errno on failure. */
int fq_disk_posix_open(const char *path, fq_disk **ret_disk);

/** Whether a process holds the lock of the data directory `path`: 1, and as far as is known who; 0; -errno. */
int fq_disk_posix_owner(const char *path, char *ret_owner, size_t owner_size);
/** Gives the file another name in another directory of the same file system. 0, or -errno: -EXDEV, -EPERM and others where it
 *  cannot be done; then copy. Both disks are posix ones. */
int fq_disk_posix_link(fq_disk *from, const char *from_path, fq_disk *to, const char *to_path);

#endif
