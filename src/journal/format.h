// SPDX-License-Identifier: Apache-2.0
// The bytes on disk. All numbers are little-endian; every length is checked before it is used.
//
// DIRECTORY
//   LOCK                   flock, held for life; text with the owner's pid, for people only
//   MANIFEST               which snapshots are installed and which segment the last boot began (replaced by rename)
//   seg/<16 hex>.fqj       segments, named by their first batch number
//   seg/next.tmp           the spare: zeros, waiting to become the next segment
//   snap/<16 hex>.fqs      snapshots, named by the last batch that they contain; `.tmp` while being written
//   quarantine/            bytes that recovery cut off, files that a repair replaced; never deleted by the program
//   BACKUP                 in a backup only: "fastqueue backup 1", then a line "crc size path" for each file; no boot takes it
//   RESERVE                zeros, used as a segment when the disk is full; made all zero again first where it is not
//
// SEGMENT: a file written full of zeros and synced before first use, of which the first 4,096 bytes are the header.
//     0  4 magic "FQJ\1"        4  2 major             6  2 minor           8  8 compatible features
//    16  8 read-only features  24  8 incompatible     32 16 instance uuid  48  8 segment number
//    56  8 first batch number  64  8 first record no. 72  8 previous segment's number
//    80  8 previous segment's end offset              88  8 previous segment's last batch number
//    96  4 header crc of that batch                  100  4 block size    104  8 created, unix nanoseconds
//   112  8 size of this file                         120  4 crc of bytes 0-119      then zeros to 4,096
// Batches follow from 4,096 on, each on a block boundary, one behind the other. The place where a segment legitimately
// ends is told by the header of the next segment, so bytes behind that place are never looked at again.
//
// BATCH: header of 64 bytes, body of records, zeros to the next block boundary.
//     0  4 magic "FQB1"    4  4 crc of the other 60 bytes, seeded with the instance uuid
//     8  8 batch number   16  8 number of its first record    24  4 records      28  4 body length
//    32  4 crc of the body                                    36  4 header crc of the previous batch
//    40  8 unix nanoseconds                                   48  4 boot epoch   52  4 flags   56 8 zero
// Neither crc depends on the segment or the offset: the same bytes can live in another kind of storage. What a wrong
// place would break is caught by the numbers, which have no holes, and by the chain of header crcs.
// Flags: SEAL ends a segment, stands outside of numbers and chain (it repeats those of the batch before it).
// MARK has no records; it proves that what precedes it was synced. EPOCH is the first batch of a boot, without records.
// GATED: written after everything before it was synced. Without durability at 100 ms risk, each batch is gated.
//
// RECORD: header of 24 bytes, payload, zeros to a multiple of 8.
//     0  4 payload length  4  4 crc of all else, padding excluded   8 8 record number   16 8 zero
//
// VALIDITY. A batch is whole if both crcs hold. Let B be the first batch that is not whole:
//   all zero from there to the end of the segment                         the log ends here
//   a later GATED batch exists, or B lies before the declared end         synced data is damaged: refuse
//   otherwise, a 512-byte sector of B is all zero                         torn by a crash: cut
//   otherwise                                                             ambiguous: cut and raise the flag (or refuse)
// A whole batch with wrong numbers, chain or an older epoch, and a bad record in a whole batch, are refused always.
//
// SNAPSHOT: a header block of 4,096 bytes, blocks of 64 KiB, a footer of 128 bytes.
//   header  0 4 magic "FQS\1"  4 2 major  6 2 minor  8 8 incompatible features  16 16 uuid  32 8 batch  40 4 crc of 0-39
//   block   0 4 crc of the rest of the block, seeded with uuid and block index   4 4 used bytes   8 … content, zeros behind
//   footer  0 4 magic "FQSF"   4 4 blocks  8 8 batch  16 8 last record number  24 8 records  32 8 content bytes
//          40 8 state hash    48 4 header crc of the last batch  52 4 boot epoch  56 4 crc over all block crcs
//          60 4 crc of bytes 0-59, seeded with the uuid           then zeros to 128
// The content is a row of records: length (4), bytes; records run across blocks.
//
// MANIFEST: 512 bytes.
//     0  4 magic "FQM\1"   4  2 major   6  2 minor   8  8 incompatible   16 16 uuid   32  8 current snapshot, 0 = none
//    40  8 previous one   48  8 number of the segment that the last boot began   56  4 boot epoch   60  4 flags (1: ambiguous)
//    64  4 crc of bytes 0-63
//
// A NEW VERSION. Add fields in the zeros behind existing ones and raise `minor` if old programs may ignore them. Set a
// bit of `incompatible` if they may not, and list it in FQ_FORMAT_INCOMPATIBLE of the first program that knows it. Raise
// `major` only if an old program could not even find the bits. Keep a journal of the old version among the tests.
#ifndef FQ_JOURNAL_FORMAT_H
#define FQ_JOURNAL_FORMAT_H

enum {
    FQ_FORMAT_MAJOR = 1,
    FQ_FORMAT_MINOR = 0,
    FQ_FORMAT_INCOMPATIBLE = 0, // known bits

    FQ_SECTOR = 512, // what a disk writes whole
    FQ_BLOCK_MAX = 4096,
    FQ_SEGMENT_HEADER = 4096,
    FQ_SEGMENT_MIN = 16384,
    FQ_BATCH_HEADER = 64,
    FQ_RECORD_HEADER = 24,
    FQ_SNAPSHOT_HEADER = 4096,
    FQ_SNAPSHOT_BLOCK = 65536,
    FQ_SNAPSHOT_BLOCK_HEADER = 8,
    FQ_SNAPSHOT_FOOTER = 128,
    FQ_MANIFEST_SIZE = 512,

    FQ_EPOCH_MAX = (1 << 24) - 1, // boots; the top 24 bits of a fencing token

    FQ_RECORD_MAX = 256 << 20,
    FQ_BATCH_BODY_MAX = 512 << 20
};
#define FQ_SEGMENT_MAX (2ull << 30)

#define FQ_MAGIC_SEGMENT  0x014a5146u // "FQJ\1"
#define FQ_MAGIC_BATCH    0x31425146u // "FQB1"
#define FQ_MAGIC_SNAPSHOT 0x01535146u // "FQS\1"
#define FQ_MAGIC_FOOTER   0x46535146u // "FQSF"
#define FQ_MAGIC_MANIFEST 0x014d5146u // "FQM\1"

enum fq_batch_flag { FQ_BATCH_SEAL = 1, FQ_BATCH_MARK = 2, FQ_BATCH_GATED = 4, FQ_BATCH_EPOCH = 8 };

#endif
