// SPDX-License-Identifier: Apache-2.0
#include "journal/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

struct posix_disk {
    fq_disk base;
    int directory;
    int lock; // -1 = not held
    uint32_t block_size;
    void *zeros, *copy; // ZEROS and COPY bytes; NULL until they are needed
};

enum { ZEROS = 1 << 20, COPY = 1 << 18 };

static int directory_of(fq_disk *disk) {
    return ((struct posix_disk *)disk)->directory;
}

// Whether this handle can be read around the cache as it is: some file systems accept O_DIRECT and then refuse to read.
static bool reads_direct(int fd) {
    void *probe;
    if (posix_memalign(&probe, 4096, 4096) != 0)
        return false;
    ssize_t got = pread(fd, probe, 4096, 0);
    free(probe);
    return got >= 0;
}

static int open_around_cache(int directory, const char *path) {
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (fd >= 0 && reads_direct(fd))
        return fd;
    if (fd >= 0)
        close(fd);
    else if (errno != EINVAL)
        return -errno;
    // Second best: drop the clean pages. What was dirty has been synced before recovery reads.
    fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return fd;
}

static int posix_open(fq_disk *disk, const char *path, enum fq_disk_open mode) {
    int directory = directory_of(disk), fd;
    switch (mode) {
    case FQ_DISK_READ_AROUND_CACHE: return open_around_cache(directory, path);
    case FQ_DISK_READ: fd = openat(directory, path, O_RDONLY | O_CLOEXEC); break;
    case FQ_DISK_WRITE: fd = openat(directory, path, O_RDWR | O_CLOEXEC); break;
    case FQ_DISK_CREATE:
    default: fd = openat(directory, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600); break;
    }
    return fd < 0 ? -errno : fd;
}

static int posix_close(fq_disk *disk, int handle) {
    (void)disk;
    return close(handle) != 0 ? -errno : 0;
}

static int64_t posix_size(fq_disk *disk, int handle) {
    (void)disk;
    struct stat facts;
    return fstat(handle, &facts) != 0 ? -errno : (int64_t)facts.st_size;
}

static int64_t posix_read(fq_disk *disk, int handle, void *bytes, size_t len, uint64_t offset) {
    (void)disk;
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(handle, (char *)bytes + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        done += (size_t)got;
        // An odd count is the end of the file; reading on would be misaligned for O_DIRECT.
        if (got == 0 || got % 512 != 0)
            break;
    }
    return (int64_t)done;
}

static int64_t posix_write(fq_disk *disk, int handle, const void *bytes, size_t len, uint64_t offset) {
    (void)disk;
    size_t done = 0;
    while (done < len) {
        ssize_t put = pwrite(handle, (const char *)bytes + done, len - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        if (put == 0)
            break;
        done += (size_t)put;
    }
    return (int64_t)done;
}

// Memory for direct writes, kept: fresh pages, and the kernel's one page of zeros, take the slow path, 256 times a MiB.
static void *aligned(void **memory, size_t size) {
    void *fresh;
    if (*memory == NULL && posix_memalign(&fresh, 4096, size) == 0)
        *memory = memset(fresh, 0, size);
    return *memory;
}

// In pieces of what `buffer` holds: what it holds, or by way of it `bytes`.
static int64_t write_pieces(fq_disk *disk, int handle, char *buffer, size_t size, const char *bytes,
                            size_t len, uint64_t offset) {
    for (size_t done = 0; done < len;) {
        size_t piece = len - done < size ? len - done : size;
        if (bytes != NULL)
            memcpy(buffer, bytes + done, piece);
        int64_t put = posix_write(disk, handle, buffer, piece, offset + done);
        if (put < 0)
            return put;
        done += (size_t)put;
        if ((size_t)put < piece)
            return (int64_t)done;
    }
    return (int64_t)len;
}

static int64_t write_direct(fq_disk *disk, int handle, char *buffer, size_t size, const char *bytes,
                            size_t len, uint64_t offset) {
    if (buffer == NULL)
        return -ENOMEM;
    int flags = fcntl(handle, F_GETFL);
    bool is_direct = flags >= 0 && fcntl(handle, F_SETFL, flags | O_DIRECT) == 0;
    int64_t put = write_pieces(disk, handle, buffer, size, bytes, len, offset);
    if (is_direct && fcntl(handle, F_SETFL, flags) != 0)
        put = -errno;
    else if (is_direct && put == -EINVAL) // some file systems accept O_DIRECT and then refuse to write
        put = write_pieces(disk, handle, buffer, size, bytes, len, offset);
    return put;
}

static int64_t posix_write_zeros(fq_disk *disk, int handle, size_t len, uint64_t offset) {
    void **zeros = &((struct posix_disk *)disk)->zeros;
    return write_direct(disk, handle, aligned(zeros, ZEROS), ZEROS, NULL, len, offset);
}

static int64_t posix_write_around_cache(fq_disk *disk, int handle, const void *bytes, size_t len,
                                        uint64_t offset) {
    void **copy = &((struct posix_disk *)disk)->copy;
    return write_direct(disk, handle, aligned(copy, COPY), COPY, bytes, len, offset);
}

static int posix_sync(fq_disk *disk, int handle) {
    (void)disk;
    return fdatasync(handle) != 0 ? -errno : 0;
}

static int posix_sync_directory(fq_disk *disk, const char *path) {
    int fd = openat(directory_of(disk), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fsync(fd) != 0 ? -errno : 0;
    close(fd);
    return result;
}

static int posix_rename(fq_disk *disk, const char *from, const char *to) {
    int directory = directory_of(disk);
    return renameat(directory, from, directory, to) != 0 ? -errno : 0;
}

static int posix_remove(fq_disk *disk, const char *path) {
    return unlinkat(directory_of(disk), path, 0) != 0 ? -errno : 0;
}

static int posix_make_directory(fq_disk *disk, const char *path) {
    return mkdirat(directory_of(disk), path, 0700) != 0 ? -errno : 0;
}

static int posix_list(fq_disk *disk, const char *path, void (*on_name)(void *context, const char *name),
                      void *context) {
    int fd = openat(directory_of(disk), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        int result = -errno;
        close(fd);
        return result;
    }
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            on_name(context, entry->d_name);
        errno = 0;
    }
    int result = -errno;
    closedir(entries);
    return result;
}

// The device's physical block, which it writes whole. 4,096, the careful choice, when it cannot be known.
static uint32_t physical_block(int directory) {
    static const char *const places[] = {"queue", "../queue"}; // a disk, a partition
    struct stat facts;
    if (fstat(directory, &facts) != 0)
        return 4096;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s/physical_block_size", major(facts.st_dev),
                 minor(facts.st_dev), places[i]);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        unsigned size = 0;
        int fields = fscanf(file, "%u", &size);
        fclose(file);
        if (fields == 1 && size >= 512 && size <= 4096 && (size & (size - 1)) == 0)
            return size;
    }
    return 4096;
}

static int posix_facts(fq_disk *disk, struct fq_disk_facts *ret_facts) {
    struct statfs facts;
    if (fstatfs(directory_of(disk), &facts) != 0)
        return -errno;
    enum { RAMFS = (int)0x858458f6, CIFS = (int)0xff534d42, SMB2 = (int)0xfe534d42, ZFS = 0x2fc12fc1 };
    int type = (int)facts.f_type;
    *ret_facts = (struct fq_disk_facts){
        .total_bytes = (uint64_t)facts.f_blocks * (uint64_t)facts.f_bsize,
        .free_bytes = (uint64_t)facts.f_bavail * (uint64_t)facts.f_bsize,
        .block_size = ((struct posix_disk *)disk)->block_size,
        .is_volatile = type == TMPFS_MAGIC || type == RAMFS,
        .is_network = type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == CIFS || type == SMB2 ||
                      type == CEPH_SUPER_MAGIC || type == AFS_SUPER_MAGIC,
        .copies_on_write = type == (int)BTRFS_SUPER_MAGIC || type == OVERLAYFS_SUPER_MAGIC || type == ZFS,
    };
    return 0;
}

// A process that was killed while it started a child leaves its lock for an instant with that child, which has not yet
// become another program. Such an owner is dead: worth waiting for. Leaves the owner's line in `text`.
static int take_lock(int fd, char *text, size_t text_size) {
    enum { TRIES = 200, PAUSE_NS = 10 * 1000 * 1000 };
    for (int try = 1; flock(fd, LOCK_EX | LOCK_NB) != 0; try++) {
        int error = errno;
        ssize_t got = pread(fd, text, text_size - 1, 0);
        text[got > 0 ? got : 0] = '\0';
        int owner = 0;
        bool is_dead =
            sscanf(text, "pid %d", &owner) == 1 && owner > 0 && kill(owner, 0) != 0 && errno == ESRCH;
        if (error != EWOULDBLOCK || !is_dead || try == TRIES)
            return -error;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return 0;
}

static int posix_lock(fq_disk *disk, const char *path, char *ret_owner, size_t owner_size) {
    struct posix_disk *posix = (struct posix_disk *)disk;
    int fd = openat(posix->directory, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    char text[64] = "";
    int result = take_lock(fd, text, sizeof text);
    if (result < 0) {
        snprintf(ret_owner, owner_size, "%.*s", (int)strcspn(text, "\n"), text);
        close(fd);
        return result;
    }
    // For people only; that the lock is held is what counts.
    int len = snprintf(text, sizeof text, "pid %ld\n", (long)getpid());
    result = ftruncate(fd, 0) != 0 ? -errno : 0;
    if (result == 0) {
        ssize_t put = pwrite(fd, text, (size_t)len, 0);
        result = put < 0 ? -errno : put != len ? -ENOSPC : 0;
    }
    if (result < 0) {
        close(fd);
        return result;
    }
    posix->lock = fd;
    return 0;
}

static int posix_random(fq_disk *disk, void *ret_bytes, size_t len) {
    (void)disk;
    return getrandom(ret_bytes, len, 0) == (ssize_t)len ? 0 : -EIO;
}

static fq_disk *posix_close_disk(fq_disk *disk) {
    struct posix_disk *posix = (struct posix_disk *)disk;
    if (posix->lock >= 0)
        close(posix->lock);
    close(posix->directory);
    free(posix->zeros);
    free(posix->copy);
    free(posix);
    return NULL;
}

// Makes what is missing of `path`, and makes each new entry durable.
static int make_path(const char *path) {
    char partial[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof partial)
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, 0700) != 0) {
            if (errno != EEXIST && errno != EROFS && errno != EACCES)
                return -errno;
            continue; // what cannot be made must be there, or opening it tells
        }
        char *slash = strrchr(partial, '/');
        if (slash != NULL)
            slash[slash == partial ? 1 : 0] = '\0';
        int parent = open(slash != NULL ? partial : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent >= 0) {
            int result = fsync(parent) != 0 ? -errno : 0;
            close(parent);
            if (result != 0)
                return result;
        }
    }
    return 0;
}

int fq_disk_posix_open(const char *path, fq_disk **ret_disk) {
    static const struct fq_disk_ops ops = {
        .open = posix_open,
        .close = posix_close,
        .size = posix_size,
        .read = posix_read,
        .write = posix_write,
        .write_zeros = posix_write_zeros,
        .write_around_cache = posix_write_around_cache,
        .sync = posix_sync,
        .sync_directory = posix_sync_directory,
        .rename = posix_rename,
        .remove = posix_remove,
        .make_directory = posix_make_directory,
        .list = posix_list,
        .facts = posix_facts,
        .lock = posix_lock,
        .random = posix_random,
        .close_disk = posix_close_disk,
    };
    int result = make_path(path);
    if (result != 0)
        return result;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    struct posix_disk *posix = calloc(1, sizeof *posix);
    if (posix == NULL) {
        close(directory);
        return -ENOMEM;
    }
    *posix = (struct posix_disk){
        .base = {&ops}, .directory = directory, .lock = -1, .block_size = physical_block(directory)};
    *ret_disk = &posix->base;
    return 0;
}

int fq_disk_posix_owner(const char *path, char *ret_owner, size_t owner_size) {
    char name[PATH_MAX], text[64];
    int len = snprintf(name, sizeof name, "%s/LOCK", path);
    if (len < 0 || (size_t)len >= sizeof name)
        return -ENAMETOOLONG;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int result = 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0)
        result = errno == EWOULDBLOCK ? 1 : -errno;
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    snprintf(ret_owner, owner_size, "%.*s", (int)strcspn(text, "\n"), text);
    close(fd); // and with it the shared lock
    return result;
}

int fq_disk_posix_link(fq_disk *from, const char *from_path, fq_disk *to, const char *to_path) {
    return linkat(directory_of(from), from_path, directory_of(to), to_path, 0) != 0 ? -errno : 0;
}
