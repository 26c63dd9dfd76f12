// SPDX-License-Identifier: Apache-2.0
// fq_journal_copy: from a directory to a stream and back, or from one to another of its kind.
#include "server/journal_copy.h"

#include "journal/founding.h"
#include "journal/leader.h"
#include "journal/snapshot.h"
#include "journal/snapshot_stream.h"
#include "journal/storage_stream.h"
#include "journal/stream_nats.h"
#include "server/data_dir.h"
#include "server/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { LISTEN_S = 3 }; // longer than a leader is silent

bool fq_journal_is_stream(const char *path) {
    return fq_stream_nats_is_url(fq_str_of(path));
}

static int open_stream(const struct fq_journal_place *place, fq_stream **ret_stream, char *error) {
    struct fq_server_options options = {
        .journal_url = place->path,
        .journal_credentials = place->credentials,
        .journal_ca = place->ca,
        .shard = -1,
    };
    return fq_store_open_stream(&options, ret_stream, error);
}

// ---- the source ----

// Nobody leads, or who did is silent for longer than it would be taken for gone.
static int check_quiet(fq_stream *stream, const char *path, char *error) {
    struct fq_leader before, after;
    int result = fq_leader_get(stream, &before);
    if (result == 0 && before.is_active) {
        sleep(LISTEN_S);
        result = fq_leader_get(stream, &after);
        if (result == 0 && after.revision != before.revision) {
            snprintf(error, FQ_STORAGE_ERROR_MAX,
                     "%.200s: %.100s at %.100s writes it; stop every control plane on it first", path,
                     after.id, after.address);
            return FQ_ELOCKED;
        }
    }
    if (result < 0)
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%.200s: %.280s", path, stream->error);
    return result;
}

static int read_stream(const struct fq_journal_place *source, struct fq_journal_restore *copy) {
    fq_stream *stream;
    int result = open_stream(source, &stream, copy->error);
    if (result < 0)
        return result;
    result = check_quiet(stream, source->path, copy->error);
    if (result < 0) {
        stream->ops->close(stream);
        return result;
    }
    return fq_journal_check_stream(stream, source->path, 0, &copy->check);
}

static int read_directory(const struct fq_journal_place *source, struct fq_journal_restore *copy) {
    int result = fq_journal_check(source->path, 0, &copy->check);
    if (result < 0 || !copy->check.is_owned)
        return result;
    snprintf(copy->error, sizeof copy->error, "%.200s: %s writes it; stop it first", source->path,
             copy->check.owner);
    return FQ_ELOCKED;
}

static int read_source(const struct fq_journal_place *source, struct fq_journal_restore *copy) {
    int result = source->is_stream ? read_stream(source, copy) : read_directory(source, copy);
    if (result == 0)
        result = copy->check.result;
    if (result < 0 && copy->error[0] == '\0')
        snprintf(copy->error, sizeof copy->error, "%.120s: %.380s", source->path,
                 copy->check.error[0] != '\0' ? copy->check.error : fq_strerror(result));
    return result;
}

// ---- the target ----

static int check_empty(fq_stream *stream, const char *path, char *error) {
    struct fq_stream_facts facts;
    for (int part = 0; part < FQ_STREAM_PARTS; part++) {
        int result = stream->ops->facts(stream, (enum fq_stream_part)part, &facts);
        if (result < 0)
            snprintf(error, FQ_STORAGE_ERROR_MAX, "%.200s: %.280s", path, stream->error);
        else if (facts.last_seq > 0) {
            snprintf(error, FQ_STORAGE_ERROR_MAX,
                     "%.200s: is not empty; name a journal that is not there yet", path);
            result = FQ_EINVALID;
        }
        if (result < 0)
            return result;
    }
    return 0;
}

static int add(void *context, fq_str record) {
    return fq_snapshot_writer_add(context, record);
}

static int write_snapshot(fq_disk *disk, uint64_t batch_seq, struct fq_journal_restore *copy) {
    fq_snapshot_writer *writer;
    int result = fq_snapshot_writer_open(disk, &copy->instance, batch_seq, &writer, copy->error);
    if (result < 0)
        return result;
    result = fq_replica_write(&copy->check.replica, add, writer);
    if (result < 0) {
        fq_snapshot_writer_abort(writer);
        return result;
    }
    struct fq_storage_snapshot facts = {.last_record_seq = copy->check.last_record,
                                        .state_hash = copy->state_hash,
                                        .boot_epoch = copy->boot_epoch};
    return fq_snapshot_writer_finish(writer, &facts, copy->error);
}

// First the snapshot, then who it stands for, last whose log it is: what was not finished is no journal.
static int write_stream(fq_stream *stream, const struct fq_journal_place *target,
                        struct fq_journal_restore *copy) {
    uint64_t batch_seq = copy->check.last_batch > 0 ? copy->check.last_batch : 1;
    int result = check_empty(stream, target->path, copy->error);
    if (result < 0)
        return result;
    fq_disk *disk = fq_snapshot_stream_disk(stream, &copy->instance);
    if (disk == NULL)
        return FQ_ENOMEM;
    struct fq_snapshot_place place = {0};
    result = write_snapshot(disk, batch_seq, copy);
    int cause = fq_snapshot_stream_cause(disk);
    disk->ops->close_disk(disk);
    if (result < 0)
        return cause < 0 ? cause : result;
    stream->error[0] = '\0';
    result = fq_snapshot_place_find(stream, &copy->instance, batch_seq, &place);
    if (result == 0)
        result = fq_snapshot_place_put(stream, &copy->instance, &place);
    if (result == 0)
        result = fq_storage_stream_found(stream, &copy->instance);
    if (result < 0)
        snprintf(copy->error, sizeof copy->error, "%.200s: %.280s", target->path, stream->error);
    return result;
}

static int write_target(const struct fq_journal_place *target, struct fq_journal_restore *copy) {
    if (!target->is_stream)
        return fq_journal_found(target->path, copy);
    fq_stream *stream;
    int result = open_stream(target, &stream, copy->error);
    if (result < 0)
        return result;
    result = write_stream(stream, target, copy);
    stream->ops->close(stream);
    return result;
}

// ---- the whole ----

static int verify(const struct fq_journal_place *target, struct fq_journal_restore *copy) {
    struct fq_journal_check after = {0};
    fq_stream *stream;
    int result = 0;
    if (target->is_stream) {
        result = open_stream(target, &stream, after.error);
        if (result == 0)
            result = fq_journal_check_stream(stream, target->path, 0, &after);
    } else {
        result = fq_journal_check(target->path, 0, &after);
    }
    if (result == 0)
        result = after.result;
    if (result == 0 && after.state_hash != copy->state_hash)
        result = FQ_ECORRUPT;
    if (result < 0)
        snprintf(copy->error, sizeof copy->error, "what was written reads differently: %.300s", after.error);
    fq_journal_check_done(&after);
    return result;
}

int fq_journal_copy(const struct fq_journal_place *source, const struct fq_journal_place *target,
                    struct fq_journal_restore *copy) {
    *copy = (struct fq_journal_restore){0};
    int result = read_source(source, copy);
    if (result < 0)
        return result;
    if (getrandom(copy->instance.bytes, sizeof copy->instance.bytes, 0) !=
        (ssize_t)sizeof copy->instance.bytes)
        return FQ_EIO;
    copy->boot_epoch = copy->check.boot_epoch;
    copy->state_hash = fq_engine_hash(copy->check.replica.engine);
    result = write_target(target, copy);
    if (result < 0 && copy->error[0] == '\0')
        snprintf(copy->error, sizeof copy->error, "%.200s: cannot be written: %s", target->path,
                 fq_strerror(result));
    return result < 0 ? result : verify(target, copy);
}
