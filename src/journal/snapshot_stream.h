// SPDX-License-Identifier: Apache-2.0
// Snapshots in a replicated log: the snapshot file of format.h, cut into pieces that are messages behind each other in
// FQ_STREAM_SNAPSHOTS. To the code that writes and verifies snapshot files this is a disk with these files only.
//
// PIECE: header of 64 bytes, then up to FQ_PIECE_BYTES of the file; all but the last are full.
//     0  4 magic "FQP1"   4  4 crc of all else, seeded with the instance uuid   8  8 batch   16 4 index   20 4 flags (1: last)
//    24 40 zero
// REGISTER (FQ_STREAM_SNAPSHOT): 64 bytes.
//     0  4 magic "FQR1"   4  4 crc of all else, seeded with the instance uuid   8  8 batch   16 8 first message   24 8 last message
//    32 32 zero
#ifndef FQ_JOURNAL_SNAPSHOT_STREAM_H
#define FQ_JOURNAL_SNAPSHOT_STREAM_H

#include "base/uuid.h"
#include "journal/disk.h"
#include "journal/stream.h"

enum { FQ_PIECE_HEADER = 64, FQ_PIECE_BYTES = 512 << 10 };

struct fq_snapshot_place {
    uint64_t batch_seq; // 0: there is none
    uint64_t first_seq, last_seq;
    uint64_t revision; // of the register
};

/** The installed snapshot's place. FQ_ECORRUPT, FQ_EAGAIN, FQ_EIO with a sentence in stream->error. */
FQ_MUST_USE int fq_snapshot_place_get(fq_stream *stream, const fq_uuid *instance,
                                      struct fq_snapshot_place *ret_place);
/** The last snapshot of the part, if it is whole and stands for `batch_seq`. FQ_ECORRUPT: it is not. */
FQ_MUST_USE int fq_snapshot_place_find(fq_stream *stream, const fq_uuid *instance, uint64_t batch_seq,
                                       struct fq_snapshot_place *ret_place);
/** Installs: replaces the register's revision place->revision, and gives the new one. FQ_ELOCKED: somebody else did. */
FQ_MUST_USE int fq_snapshot_place_put(fq_stream *stream, const fq_uuid *instance,
                                      struct fq_snapshot_place *place);

/** One file at a time: "snap/<16 hex>.tmp" is the one being written or the last one written, ".fqs" the installed one.
 *  Borrows the stream. NULL: out of memory. */
fq_disk *fq_snapshot_stream_disk(fq_stream *stream, const fq_uuid *instance);
/** Why the disk failed since this was asked last, as the stream said it (with a sentence in stream->error): FQ_EAGAIN, FQ_ECORRUPT, …; 0 =
 *  it did not. */
int fq_snapshot_stream_cause(fq_disk *disk);

#endif
