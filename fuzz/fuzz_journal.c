// SPDX-License-Identifier: Apache-2.0
// A data directory that was changed behind the program's back. Input: a byte of choices, then edits: a byte with what and in
// which file, two bytes with the offset, a length byte and that many bytes. A boot refuses with an error, or gives an engine
// that is whole; what it then writes is all there at the next boot.
#include "target.h"

#include "base/assert.h"
#include "base/le.h"
#include "journal/compaction.h"
#include "journal_image.h"

#include <stdio.h>

enum { MEND = 1, CHAIN = 2, STRICT = 4, AS_COMPACTOR = 8, FILES_MAX = 16, EDITS_MAX = 200 };

struct files {
    char paths[FILES_MAX][64];
    size_t count;
};

static void take_path(void *context, const char *path) {
    struct files *files = context;
    if (files->count < FILES_MAX && strcmp(path, "LOCK") != 0)
        snprintf(files->paths[files->count++], sizeof files->paths[0], "%s", path);
}

static void copy_file(sim_disk *sim, const char *from, const char *to) {
    unsigned char bytes[4096];
    uint64_t size = sim_disk_size(sim, from), room = sim_disk_size(sim, to);
    for (uint64_t at = 0; at < size && at < room; at += sizeof bytes) {
        uint64_t len = size < room ? size - at : room - at;
        len = len < sizeof bytes ? len : sizeof bytes;
        sim_disk_peek(sim, from, at, bytes, len);
        sim_disk_poke(sim, to, at, bytes, len);
    }
}

// Low offsets from the beginning, high ones from the end: headers, footers and short files are all in reach.
static void edit(sim_disk *sim, const struct files *files, const uint8_t *head, const uint8_t *bytes,
                 size_t len) {
    const char *path = files->paths[head[0] / 8 % files->count];
    if (!sim_disk_exists(sim, path))
        return;
    uint64_t size = sim_disk_size(sim, path), offset = fq_get_u16(head + 1);
    if (offset >= 0xf000)
        offset = size > 0x10000 - offset ? size - (0x10000 - offset) : 0;
    offset = offset < size ? offset : size;
    switch (head[0] % 8) {
    case 0: sim_disk_truncate(sim, path, offset); break;
    case 1: sim_disk_remove(sim, path); break;
    case 2:
        len = len > 0 ? len * 16 : size - offset;
        sim_disk_zero(sim, path, offset, len < size - offset ? len : size - offset);
        break;
    case 3:
        if (len > 0 && sim_disk_exists(sim, files->paths[bytes[0] % files->count]))
            copy_file(sim, path, files->paths[bytes[0] % files->count]);
        break;
    default: sim_disk_poke(sim, path, offset, bytes, len < size - offset ? len : size - offset); break;
    }
}

static sim_disk *changed(const sim_disk *original, const struct files *files, const uint8_t *data,
                         size_t size) {
    sim_disk *sim = sim_disk_clone(original);
    int edits = 0;
    for (size_t at = 1; at + 4 <= size && edits < EDITS_MAX; edits++) {
        size_t len = data[at + 3] < size - at - 4 ? data[at + 3] : size - at - 4;
        edit(sim, files, data + at, data + at + 4, len);
        at += 4 + len;
    }
    if ((data[0] & MEND) != 0)
        journal_image_mend(sim, (data[0] & CHAIN) != 0);
    return sim;
}

static void write_and_come_back(sim_disk *sim, struct journal_image_boot *boot) {
    fq_engine_check(boot->engine);
    struct fq_command command = {.type = FQ_COMMAND_PAUSE};
    command.pause.name = FQ_STR("behind it all");
    int result = journal_image_run(boot, &command);
    bool settled = result == 0 && journal_image_settle(boot);
    uint64_t last = fq_journal_last_seq(boot->journal), hash = fq_engine_hash(boot->engine);
    journal_image_close(boot);
    sim_disk_revive(sim);
    if (!settled)
        return;
    struct journal_image_boot again;
    result = journal_image_boot(sim, true, &again);
    FQ_ASSERT(result == 0);
    FQ_ASSERT(fq_journal_last_seq(again.journal) == last + 1 && fq_engine_hash(again.engine) != hash);
    fq_engine_check(again.engine);
    journal_image_close(&again);
}

static int ignore(void *context, fq_str record) {
    *(size_t *)context += record.len;
    return 0;
}

static void read_as_compactor(sim_disk *sim, uint64_t until_batch) {
    fq_compaction *compaction;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    size_t bytes = 0;
    int result = fq_compaction_open_disk(sim_disk_attach(sim), until_batch, &compaction, error);
    FQ_ASSERT(result == 0 || error[0] != '\0');
    if (result < 0)
        return;
    FQ_ASSERT(fq_compaction_read(compaction, ignore, &bytes) <= 0);
    fq_compaction_close(compaction);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static sim_disk *original;
    static struct files files;
    if (original == NULL) {
        original = journal_image_new();
        sim_disk_each(original, take_path, &files);
    }
    if (size == 0)
        return 0;
    sim_disk *sim = changed(original, &files, data, size);
    struct journal_image_boot boot;
    if ((data[0] & AS_COMPACTOR) != 0)
        read_as_compactor(sim, data[0] >> 4);
    if (journal_image_boot(sim, (data[0] & STRICT) != 0, &boot) == 0)
        write_and_come_back(sim, &boot);
    sim_disk_free(sim);
    return 0;
}
