// SPDX-License-Identifier: Apache-2.0
// What a medium does to bytes that were synced: a bit flips, a sector holds what was meant for another place (a misdirected
// write), or what it held before it was written (a write that was confirmed and lost). The server may refuse to start, or go
// on without what it does not need; it may never take the wrong bytes for the right ones.
#include "base/le.h"
#include "sim/server_state.h"

#include <stdio.h>
#include <string.h>

enum { BATCH_MAGIC = 0x31425146, BATCH_BYTES = 64, HEADER_BYTES = 4096 };
enum { BATCH_BODY_LEN_AT = 28, BATCH_FLAGS_AT = 52, BATCH_GATED = 4 };

struct choice {
    sim_server *server;
    uint64_t left; // files before the one meant
    char path[SIM_PATH_MAX];
};

static const unsigned char zeros[SIM_SECTOR];

static uint64_t below(sim_server *server, uint64_t bound) {
    return sim_world_below(server->world, SIM_STREAM_DISK, bound);
}

static void count_path(void *context, const char *path) {
    (void)path;
    ++*(uint64_t *)context;
}

static void choose_path(void *context, const char *path) {
    struct choice *choice = context;
    if (choice->left-- == 0)
        snprintf(choice->path, sizeof choice->path, "%s", path);
}

// Bytes in the file chosen.
static uint64_t choose_file(sim_server *server, char *ret_path) {
    uint64_t count = 0;
    sim_disk_each(server->disk, count_path, &count);
    if (count == 0)
        return 0;
    struct choice choice = {.server = server, .left = below(server, count)};
    sim_disk_each(server->disk, choose_path, &choice);
    snprintf(ret_path, SIM_PATH_MAX, "%s", choice.path);
    return sim_disk_size(server->disk, choice.path);
}

static struct sim_rot *note(sim_server *server, const char *path, uint64_t offset, size_t len) {
    struct sim_rot *rot = &server->rots[server->rot_count++];
    *rot = (struct sim_rot){.offset = offset, .len = len};
    snprintf(rot->path, sizeof rot->path, "%s", path);
    sim_disk_peek(server->disk, path, offset, rot->was, len);
    server->has_rotted = true;
    return rot;
}

static void flip_one(sim_server *server) {
    char path[SIM_PATH_MAX];
    uint64_t size = server->rot_count < SIM_ROTS_MAX ? choose_file(server, path) : 0;
    if (size == 0)
        return;
    uint64_t offset = below(server, size);
    unsigned char mask = (unsigned char)(1u << below(server, 8));
    struct sim_rot *rot = note(server, path, offset, 1);
    rot->is[0] = rot->was[0] ^ mask;
    sim_disk_flip(server->disk, path, offset, mask);
    sim_world_count(server->world, "bit rotted", 1);
    sim_world_say(server->world, "a bit rots in %s at %llu", path, (unsigned long long)offset);
}

// --- sectors --------------------------------------------------------------------------------------------------------------
static void peek(const sim_server *server, const char *path, uint64_t sector, unsigned char *ret_bytes) {
    sim_disk_peek(server->disk, path, sector * SIM_SECTOR, ret_bytes, SIM_SECTOR);
}

// Sectors up to the last one that is not all zero.
static uint64_t used_sectors(const sim_server *server, const char *path) {
    uint64_t count = sim_disk_size(server->disk, path) / SIM_SECTOR;
    unsigned char bytes[SIM_SECTOR];
    for (; count > 0; count--) {
        peek(server, path, count - 1, bytes);
        if (memcmp(bytes, zeros, SIM_SECTOR) != 0)
            break;
    }
    return count;
}

static bool is_segment(const char *path) {
    const char *dot = strrchr(path, '.');
    return strncmp(path, "seg/", 4) == 0 && dot != NULL && strcmp(dot, ".fqj") == 0;
}

static void find_later(void *context, const char *path) {
    struct choice *choice = context;
    choice->left += is_segment(path) && strcmp(path, choice->path) > 0;
}

// A batch that tells that the one before it was synced. One whose own sync failed is not on the medium, and tells nothing.
static bool is_witness(const sim_server *server, const char *path, uint64_t offset,
                       const unsigned char *head) {
    if (fq_get_u32(head) != BATCH_MAGIC || (fq_get_u32(head + BATCH_FLAGS_AT) & BATCH_GATED) == 0)
        return false;
    uint64_t len = BATCH_BYTES + (uint64_t)fq_get_u32(head + BATCH_BODY_LEN_AT);
    return sim_disk_is_synced(server->disk, path, offset, (size_t)len);
}

// Whether something behind the sector tells that it was synced: a later segment, or a batch that was written only then. Of
// the very last batch nothing does: a disk that confirms it and loses it cannot be found out.
static bool has_witness(sim_server *server, const char *path, uint64_t sector) {
    if (!is_segment(path))
        return true;
    struct choice later = {.server = server};
    snprintf(later.path, sizeof later.path, "%s", path);
    sim_disk_each(server->disk, find_later, &later);
    if (later.left > 0)
        return true;
    unsigned char bytes[SIM_SECTOR];
    uint64_t used = used_sectors(server, path), at = sector + 1;
    for (at = at < HEADER_BYTES / SIM_SECTOR ? HEADER_BYTES / SIM_SECTOR : at; at < used; at++) {
        peek(server, path, at, bytes);
        if (is_witness(server, path, at * SIM_SECTOR, bytes))
            return true;
    }
    return false;
}

static bool replace(sim_server *server, const char *path, uint64_t sector, const unsigned char *bytes) {
    uint64_t offset = sector * SIM_SECTOR;
    unsigned char was[SIM_SECTOR];
    peek(server, path, sector, was);
    if (memcmp(was, bytes, SIM_SECTOR) == 0 || !sim_disk_is_synced(server->disk, path, offset, SIM_SECTOR))
        return false;
    if (memcmp(bytes, zeros, SIM_SECTOR) == 0 && !has_witness(server, path, sector))
        return false;
    struct sim_rot *rot = note(server, path, offset, SIM_SECTOR);
    memcpy(rot->is, bytes, SIM_SECTOR);
    sim_disk_poke(server->disk, path, offset, bytes, SIM_SECTOR);
    server->has_bad_sector = true;
    return true;
}

static void lose_sector(sim_server *server) {
    char path[SIM_PATH_MAX];
    uint64_t used = choose_file(server, path) > 0 ? used_sectors(server, path) : 0;
    if (used == 0)
        return;
    uint64_t sector = below(server, used);
    if (!replace(server, path, sector, zeros))
        return;
    sim_world_count(server->world, "sector stale", 1);
    sim_world_say(server->world, "sector %llu of %s was never written", (unsigned long long)sector, path);
}

// Mostly from the same file: batches over batches, blocks over blocks. The place may be the one right behind the end.
static void misplace_sector(sim_server *server) {
    char from[SIM_PATH_MAX], to[SIM_PATH_MAX];
    unsigned char bytes[SIM_SECTOR];
    uint64_t size = choose_file(server, to);
    bool is_same = below(server, 4) != 0;
    if (size < SIM_SECTOR || (!is_same && choose_file(server, from) == 0))
        return;
    if (is_same)
        snprintf(from, sizeof from, "%s", to);
    uint64_t used = used_sectors(server, from), target = below(server, used_sectors(server, to) + 2);
    if (used == 0 || target >= size / SIM_SECTOR)
        return;
    uint64_t source = below(server, used);
    peek(server, from, source, bytes);
    if (!replace(server, to, target, bytes))
        return;
    sim_world_count(server->world, "sector misplaced", 1);
    sim_world_say(server->world, "sector %llu of %s went to sector %llu of %s", (unsigned long long)source,
                  from, (unsigned long long)target, to);
}

// --- the whole ------------------------------------------------------------------------------------------------------------
bool sim_machine_rot(sim_server *server) {
    const struct sim_options *options = server->options;
    // One bad sector at a time, and nothing beside it: two could hide each other.
    if (server->has_bad_sector)
        sim_machine_unrot(server);
    if (server->stats.boots > 1 && sim_world_chance(server->world, SIM_STREAM_DISK, options->rot_rate))
        flip_one(server);
    if (server->stats.boots > 1 && server->rot_count == 0 &&
        sim_world_chance(server->world, SIM_STREAM_DISK, options->sector_rate)) {
        if (below(server, 2) == 0)
            lose_sector(server);
        else
            misplace_sector(server);
    }
    return server->rot_count > 0;
}

void sim_machine_unrot(sim_server *server) {
    unsigned char now[SIM_SECTOR];
    for (size_t i = 0; i < server->rot_count; i++) {
        const struct sim_rot *rot = &server->rots[i];
        if (!sim_disk_exists(server->disk, rot->path) ||
            rot->offset + rot->len > sim_disk_size(server->disk, rot->path))
            continue;
        sim_disk_peek(server->disk, rot->path, rot->offset, now, rot->len);
        if (memcmp(now, rot->is, rot->len) != 0)
            continue; // it was written over
        if (rot->len == 1)
            sim_disk_flip(server->disk, rot->path, rot->offset, (unsigned char)(rot->was[0] ^ rot->is[0]));
        else
            sim_disk_poke(server->disk, rot->path, rot->offset, rot->was, rot->len);
    }
    server->rot_count = 0;
    server->has_bad_sector = false;
}
