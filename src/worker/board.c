// SPDX-License-Identifier: Apache-2.0
#include "worker/board.h"

#include "base/assert.h"
#include "base/le.h"
#include "worker/board_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t *word_at(const struct fq_board *board, enum fq_board_word word) {
    return &((struct fq_board_image *)(void *)board->base)->header[word];
}

static int map(int fd, struct fq_board *ret_board) {
    void *base = mmap(NULL, sizeof(struct fq_board_image), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return errno == ENOMEM ? FQ_ENOMEM : FQ_EIO;
    *ret_board = (struct fq_board){base, fd};
    return 0;
}

int fq_board_create(struct fq_board *ret_board) {
    int fd = memfd_create("fastqueue-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return FQ_EIO;
    int error = FQ_EIO;
    if (ftruncate(fd, sizeof(struct fq_board_image)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        error = map(fd, ret_board);
    if (error < 0) {
        close(fd);
        return error;
    }
    fq_board_set(ret_board, FQ_BOARD_VERSION, BOARD_VERSION);
    fq_board_set(ret_board, FQ_BOARD_MAGIC, BOARD_MAGIC);
    return 0;
}

int fq_board_attach(int fd, struct fq_board *ret_board) {
    struct stat file;
    if (fstat(fd, &file) != 0)
        return FQ_EIO;
    if (file.st_size != (off_t)sizeof(struct fq_board_image))
        return FQ_EVERSION;
    struct fq_board board;
    int error = map(fd, &board);
    if (error < 0)
        return error;
    if (fq_board_get(&board, FQ_BOARD_MAGIC) != BOARD_MAGIC ||
        fq_board_get(&board, FQ_BOARD_VERSION) != BOARD_VERSION) {
        munmap(board.base, sizeof(struct fq_board_image));
        return FQ_EVERSION;
    }
    *ret_board = board;
    return 0;
}

void fq_board_close(struct fq_board *board) {
    if (board->base == NULL)
        return;
    munmap(board->base, sizeof(struct fq_board_image));
    close(board->fd);
    *board = (struct fq_board){NULL, -1};
}

uint64_t fq_board_get(const struct fq_board *board, enum fq_board_word word) {
    return __atomic_load_n(word_at(board, word), __ATOMIC_ACQUIRE);
}

void fq_board_set(const struct fq_board *board, enum fq_board_word word, uint64_t value) {
    __atomic_store_n(word_at(board, word), value, __ATOMIC_RELEASE);
}

uint64_t fq_board_swap(const struct fq_board *board, enum fq_board_word word, uint64_t value) {
    return __atomic_exchange_n(word_at(board, word), value, __ATOMIC_SEQ_CST);
}

void fq_board_add_orders(const struct fq_board *board, uint64_t orders) {
    __atomic_fetch_or(word_at(board, FQ_BOARD_ORDERS), orders, __ATOMIC_RELEASE);
}

unsigned char *fq_board_outbox(const struct fq_board *board) {
    return ((struct fq_board_image *)(void *)board->base)->outbox;
}

void *fq_board_metrics(const struct fq_board *board) {
    return ((struct fq_board_image *)(void *)board->base)->metrics;
}

uint32_t fq_board_slots_used(const struct fq_board *board) {
    uint64_t used = fq_board_get(board, FQ_BOARD_SLOTS_USED);
    return used > FQ_BOARD_SLOTS ? FQ_BOARD_SLOTS : (uint32_t)used;
}

bool fq_board_copy_outcome(const struct fq_board *board, uint32_t offset, uint32_t len, void *out) {
    if (len > FQ_BOARD_OUTBOX_BYTES || offset > FQ_BOARD_OUTBOX_BYTES - len)
        return false;
    memcpy(out, fq_board_outbox(board) + offset, len);
    return true;
}

int fq_board_write_names(const struct fq_board *board, const fq_str *names, size_t count) {
    unsigned char *area = ((struct fq_board_image *)(void *)board->base)->names;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (!fq_str_is_name(names[i]) || names[i].len > UINT16_MAX)
            return FQ_EINVALID;
        if (size + 2 + names[i].len > FQ_BOARD_NAMES_BYTES)
            return FQ_ETOOBIG;
        fq_put_u16(area + size, (uint16_t)names[i].len);
        memcpy(area + size + 2, names[i].ptr, names[i].len);
        size += 2 + names[i].len;
    }
    fq_board_set(board, FQ_BOARD_NAMES_SIZE, size);
    fq_board_set(board, FQ_BOARD_NAMES_COUNT, count);
    return 0;
}

// Walks a private copy of the names area: exactly `count` names must fill exactly `size` bytes.
static bool parse_names(const char *storage, size_t size, fq_str *names, size_t count) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (size - at < 2)
            return false;
        size_t len = fq_get_u16(storage + at);
        if (size - at - 2 < len)
            return false;
        names[i] = (fq_str){storage + at + 2, len};
        if (!fq_str_is_name(names[i]))
            return false;
        at += 2 + len;
    }
    return at == size;
}

int fq_board_read_names(const struct fq_board *board, struct fq_board_names *ret_names) {
    uint64_t count = fq_board_get(board, FQ_BOARD_NAMES_COUNT);
    uint64_t size = fq_board_get(board, FQ_BOARD_NAMES_SIZE);
    if (size > FQ_BOARD_NAMES_BYTES || count > size / 3)
        return FQ_ECORRUPT;
    struct fq_board_names names = {calloc(count + 1, sizeof(fq_str)), count, malloc(size + 1)};
    if (names.names == NULL || names.storage == NULL) {
        fq_board_names_done(&names);
        return FQ_ENOMEM;
    }
    memcpy(names.storage, ((struct fq_board_image *)(void *)board->base)->names, size);
    if (!parse_names(names.storage, size, names.names, count)) {
        fq_board_names_done(&names);
        return FQ_ECORRUPT;
    }
    *ret_names = names;
    return 0;
}

void fq_board_names_done(struct fq_board_names *names) {
    free(names->names);
    free(names->storage);
    *names = (struct fq_board_names){NULL, 0, NULL};
}
