// SPDX-License-Identifier: Apache-2.0
#include "journal/stream_nats_state.h"

#include "base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const stream_prefixes[FQ_STREAM_PARTS] = {"FQ_LOG_", "FQ_SNAP_"};
static const char *const subject_prefixes[FQ_STREAM_PARTS] = {"fq.log.", "fq.snap."};
static const char *const keys[FQ_STREAM_REGISTERS] = {"founding", "snapshot", "leader", "shards"};

// ---- errors ----

// Codes of servers newer than the library.
enum { WRONG_LAST_SEQUENCE_CONSTANT = 10164 };

// Servers gain codes with each version, most of them for "not now". What is not known is asked again: the fence makes that harmless,
// and the cause is told meanwhile.
static int error_of_code(int code) {
    switch (code) {
    case JSStreamWrongLastSequenceErr:
    case WRONG_LAST_SEQUENCE_CONSTANT: return FQ_ELOCKED;
    case JSNoMessageFoundErr: return FQ_ECORRUPT;
    case JSInsufficientResourcesErr:
    case JSAccountResourcesExceededErr:
    case JSMemoryResourcesExceededErr:
    case JSStorageResourcesExceededErr:
    case JSStreamStoreFailedErr: return FQ_EFULL;
    case JSStreamMessageExceedsMaximumErr: return FQ_ETOOBIG;
    case JSBadRequestErr:
    case JSStreamNotMatchErr: return FQ_EIO;
    default: return FQ_EAGAIN;
    }
}

static int error_of(natsStatus status, jsErrCode code) {
    if (code != 0)
        return error_of_code((int)code);
    switch (status) {
    case NATS_OK: return 0;
    case NATS_TIMEOUT:
    case NATS_NO_RESPONDERS:
    case NATS_NO_SERVER:
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_STALE_CONNECTION:
    case NATS_IO_ERROR:
    case NATS_NOT_YET_CONNECTED:
    case NATS_INSUFFICIENT_BUFFER: return FQ_EAGAIN;
    case NATS_MAX_PAYLOAD: return FQ_ETOOBIG;
    case NATS_NO_MEMORY: return FQ_ENOMEM;
    case NATS_NOT_FOUND: return FQ_ECORRUPT;
    default: return FQ_EIO;
    }
}

// A refusal is no answer where it comes from a leader that nobody follows any more.
static void note_answer(struct fq_nats *nats, int result) {
    int64_t *since_ms = &nats->unanswered_ms[nats->kind];
    if (result == 0)
        *since_ms = 0;
    else if (result == FQ_EAGAIN && *since_ms == 0)
        *since_ms = nats->call_ms;
}

int fq_nats_told(struct fq_nats *nats, const char *what, natsStatus status, jsErrCode code) {
    note_answer(nats, status == NATS_OK ? 0 : error_of(status, code));
    if (status == NATS_OK)
        return 0;
    const char *more = nats_GetLastError(NULL);
    snprintf(nats->base.error, sizeof nats->base.error, "%s: %s%s%.300s (JetStream error %d)", what,
             natsStatus_GetText(status), more != NULL && more[0] != '\0' ? ": " : "",
             more != NULL ? more : "", (int)code);
    return error_of(status, code);
}

void fq_nats_stream_name(const struct fq_nats *nats, enum fq_stream_part part,
                         char text[FQ_NATS_SUBJECT_MAX]) {
    snprintf(text, FQ_NATS_SUBJECT_MAX, "%s%s", stream_prefixes[part], nats->name);
}

void fq_nats_subject(const struct fq_nats *nats, enum fq_stream_part part, char text[FQ_NATS_SUBJECT_MAX]) {
    snprintf(text, FQ_NATS_SUBJECT_MAX, "%s%s", subject_prefixes[part], nats->name);
}

// ---- messages ----

static int nats_facts(fq_stream *stream, enum fq_stream_part part, struct fq_stream_facts *ret_facts) {
    struct fq_nats *nats = (struct fq_nats *)stream;
    fq_nats_begin(nats, FQ_NATS_READ);
    char name[FQ_NATS_SUBJECT_MAX];
    fq_nats_stream_name(nats, part, name);
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetStreamInfo(&info, nats->js, name, NULL, &code);
    if (status == NATS_OK)
        *ret_facts = (struct fq_stream_facts){
            .first_seq = info->State.Msgs > 0 ? info->State.FirstSeq : info->State.LastSeq + 1,
            .last_seq = info->State.LastSeq,
            .bytes = info->State.Bytes,
            .bytes_max = info->Config->MaxBytes > 0 ? (uint64_t)info->Config->MaxBytes : UINT64_MAX};
    jsStreamInfo_Destroy(info);
    return fq_nats_told(nats, "the stream's state", status, code);
}

static natsStatus publish(struct fq_nats *nats, const char *subject, fq_str bytes, jsPubOptions *options,
                          uint64_t *ret_seq, jsErrCode *ret_code) {
    jsPubAck *ack = NULL;
    natsStatus status = js_Publish(&ack, nats->js, subject, bytes.ptr, (int)bytes.len, options, ret_code);
    if (status == NATS_OK)
        *ret_seq = ack->Sequence;
    jsPubAck_Destroy(ack);
    return status;
}

static int nats_publish(fq_stream *stream, enum fq_stream_part part, uint64_t last_seq, fq_str bytes) {
    struct fq_nats *nats = (struct fq_nats *)stream;
    if (bytes.len > stream->message_bytes_max) {
        snprintf(stream->error, sizeof stream->error,
                 "a message of %zu bytes is larger than the servers take (%u)", bytes.len,
                 stream->message_bytes_max);
        return FQ_ETOOBIG;
    }
    fq_nats_begin(nats, FQ_NATS_WRITE);
    char subject[FQ_NATS_SUBJECT_MAX], name[FQ_NATS_SUBJECT_MAX];
    fq_nats_subject(nats, part, subject);
    fq_nats_stream_name(nats, part, name);
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.ExpectStream = name;
    options.ExpectLastSeq = last_seq;
    options.ExpectNoMessage = last_seq == 0; // a zero would not be sent
    options.MaxWait = nats->options.answer_ms;
    if (part == FQ_STREAM_LOG)
        fq_nats_end_tail(nats); // who writes does not follow: it would be sent all that it writes
    // A copy that is still under way when this one is sent again is known by it.
    char id[64];
    snprintf(id, sizeof id, "%" PRIu64 "-%08" PRIx32, last_seq + 1, fq_crc32c(0, bytes.ptr, bytes.len));
    options.MsgId = id;
    uint64_t seq = 0;
    jsErrCode code = 0;
    natsStatus status = publish(nats, subject, bytes, &options, &seq, &code);
    if (status == NATS_OK && seq != last_seq + 1) {
        snprintf(stream->error, sizeof stream->error,
                 "a message became number %" PRIu64 " instead of %" PRIu64
                 "; the servers do not keep the fence",
                 seq, last_seq + 1);
        return FQ_EIO;
    }
    return fq_nats_told(nats, "publishing", status, code);
}

static int nats_purge(fq_stream *stream, enum fq_stream_part part, uint64_t seq) {
    struct fq_nats *nats = (struct fq_nats *)stream;
    fq_nats_begin(nats, FQ_NATS_WRITE);
    if (seq <= 1)
        return 0; // nothing is below; and the servers take 1 for "all"
    char name[FQ_NATS_SUBJECT_MAX];
    fq_nats_stream_name(nats, part, name);
    jsOptions options;
    jsOptions_Init(&options);
    options.Stream.Purge.Sequence = seq;
    jsErrCode code = 0;
    natsStatus status = js_PurgeStream(nats->js, name, &options, &code);
    return fq_nats_told(nats, "purging", status, code);
}

// ---- registers: entries of a bucket, read from the leader of its stream and not from whichever replica is near ----

static const char *bucket_of(const struct fq_nats *nats, enum fq_stream_register which) {
    return which == FQ_STREAM_SHARDS ? nats->cluster : nats->name;
}

static void key_subject(const struct fq_nats *nats, enum fq_stream_register which,
                        char text[FQ_NATS_SUBJECT_MAX]) {
    snprintf(text, FQ_NATS_SUBJECT_MAX, "$KV.FQ_%s.%s", bucket_of(nats, which), keys[which]);
}

static int nats_get(fq_stream *stream, enum fq_stream_register which, fq_buf *ret_value,
                    uint64_t *ret_revision) {
    struct fq_nats *nats = (struct fq_nats *)stream;
    fq_nats_begin(nats, FQ_NATS_READ);
    char name[FQ_NATS_SUBJECT_MAX], subject[FQ_NATS_SUBJECT_MAX];
    snprintf(name, sizeof name, "KV_FQ_%s", bucket_of(nats, which));
    key_subject(nats, which, subject);
    natsMsg *message = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetLastMsg(&message, nats->js, name, subject, NULL, &code);
    *ret_revision = 0;
    if (status == NATS_NOT_FOUND || code == JSNoMessageFoundErr)
        return 0;
    int result = fq_nats_told(nats, "reading a register", status, code);
    if (result == 0) {
        *ret_revision = natsMsg_GetSequence(message);
        result = fq_buf_append(ret_value, natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
    }
    natsMsg_Destroy(message);
    return result;
}

static int nats_put(fq_stream *stream, enum fq_stream_register which, fq_str value, uint64_t revision,
                    uint64_t *ret_revision) {
    struct fq_nats *nats = (struct fq_nats *)stream;
    fq_nats_begin(nats, FQ_NATS_WRITE);
    char subject[FQ_NATS_SUBJECT_MAX];
    key_subject(nats, which, subject);
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.ExpectLastSubjectSeq = revision;
    options.ExpectNoMessage = revision == 0;
    options.MaxWait = nats->options.answer_ms;
    jsErrCode code = 0;
    natsStatus status = publish(nats, subject, value, &options, ret_revision, &code);
    return fq_nats_told(nats, "writing a register", status, code);
}

static fq_stream *nats_close(fq_stream *stream) {
    struct fq_nats *nats = (struct fq_nats *)stream;
    fq_nats_disconnect(nats);
    free(nats);
    return NULL;
}

const struct fq_stream_ops fq_nats_ops = {
    .facts = nats_facts,
    .publish = nats_publish,
    .read = fq_nats_read,
    .purge = nats_purge,
    .get = nats_get,
    .put = nats_put,
    .close = nats_close,
};
