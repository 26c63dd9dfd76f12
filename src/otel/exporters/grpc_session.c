// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/grpc_session.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

// One answer's header fields; more is nothing an OTLP receiver has to say.
enum { HEADER_BYTES_MAX = 64 * 1024, FIELD_OVERHEAD = 32, FIRST_BYTES = 4 };

struct otel_grpc_session {
    nghttp2_session *http2;
    struct otel_grpc_call *calls; // submitted and not ended
    bool draining;                // GOAWAY came, or it was retired
    bool broken;
    bool is_stranger;           // the peer does not speak HTTP/2
    uint8_t first[FIRST_BYTES]; // the connection's first bytes
    size_t first_count;
};

void otel_grpc_call_init(struct otel_grpc_call *call) {
    *call = (struct otel_grpc_call){.http_status = -1, .grpc_status = -1};
}

void otel_grpc_call_done(struct otel_grpc_call *call) {
    fq_buf_done(&call->answer);
}

void otel_grpc_call_restart(struct otel_grpc_call *call) {
    struct otel_grpc_call again = *call;
    fq_buf_clear(&again.answer);
    again.ended = again.refused = again.lost = again.no_grpc = again.heard_nothing = again.too_large =
        again.answered = false;
    again.wrong_content_type = false;
    again.http_status = again.grpc_status = -1;
    again.reset = 0;
    again.encoding = OTEL_GRPC_IDENTITY;
    again.message_len = again.details_len = again.sent = again.header_bytes = 0;
    again.stream_id = 0;
    again.next = NULL;
    *call = again;
}

static void end_call(otel_grpc_session *session, struct otel_grpc_call *call) {
    for (struct otel_grpc_call **at = &session->calls; *at != NULL; at = &(*at)->next) {
        if (*at == call) {
            *at = call->next;
            break;
        }
    }
    call->ended = true;
}

// Few calls are under way at a time, and only this list knows whether a call's owner is still there.
static struct otel_grpc_call *call_of(const otel_grpc_session *session, int32_t stream_id) {
    struct otel_grpc_call *call = session->calls;
    while (call != NULL && call->stream_id != stream_id)
        call = call->next;
    return call;
}

// --- what comes in ---------------------------------------------------------------------------------------------------
static int parse_number(fq_str text, int max) {
    uint64_t value;
    return fq_str_to_uint64(text, &value) == 0 && value <= (uint64_t)max ? (int)value : -1;
}

static void keep(char *memory, size_t size, size_t *len, fq_str text) {
    *len = text.len < size ? text.len : size;
    memcpy(memory, text.ptr, *len);
}

static void read_header(struct otel_grpc_call *call, fq_str name, fq_str value) {
    if (fq_str_equal(name, FQ_STR(":status"))) {
        call->http_status = parse_number(value, 999);
    } else if (fq_str_equal(name, FQ_STR("grpc-status"))) {
        int status = parse_number(value, 1 << 20);
        call->grpc_status = status >= 0 ? status : 2; // UNKNOWN
    } else if (fq_str_equal(name, FQ_STR("grpc-message"))) {
        keep(call->message, sizeof call->message, &call->message_len, value);
    } else if (fq_str_equal(name, FQ_STR("grpc-status-details-bin"))) {
        if (value.len <= sizeof call->details)
            keep(call->details, sizeof call->details, &call->details_len, value);
    } else if (fq_str_equal(name, FQ_STR("grpc-encoding"))) {
        call->encoding = fq_str_equal(value, FQ_STR("gzip"))       ? OTEL_GRPC_GZIP
                         : fq_str_equal(value, FQ_STR("identity")) ? OTEL_GRPC_IDENTITY
                                                                   : OTEL_GRPC_OTHER_ENCODING;
    } else if (fq_str_equal(name, FQ_STR("content-type"))) {
        call->wrong_content_type = value.len < 16 || memcmp(value.ptr, "application/grpc", 16) != 0;
    }
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *context) {
    (void)http2;
    (void)flags;
    struct otel_grpc_call *call = call_of(context, frame->hd.stream_id);
    if (call == NULL || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    call->answered = true;
    call->header_bytes += name_len + value_len + FIELD_OVERHEAD;
    if (call->header_bytes > HEADER_BYTES_MAX) {
        call->too_large = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; // resets the stream
    }
    read_header(call, (fq_str){(const char *)name, name_len}, (fq_str){(const char *)value, value_len});
    return 0;
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t stream_id, const uint8_t *bytes, size_t len,
                   void *context) {
    (void)flags;
    struct otel_grpc_call *call = call_of(context, stream_id);
    if (call == NULL || call->too_large)
        return 0;
    if (len > call->response_max - fq_buf_len(&call->answer) ||
        fq_buf_append(&call->answer, bytes, len) < 0) {
        call->too_large = true;
        nghttp2_submit_rst_stream(http2, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *http2, int32_t stream_id, uint32_t error, void *context) {
    (void)http2;
    struct otel_grpc_call *call = call_of(context, stream_id);
    if (call == NULL)
        return 0;
    call->reset = error;
    call->refused = error == NGHTTP2_REFUSED_STREAM;
    end_call(context, call);
    return 0;
}

static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *context) {
    (void)http2;
    otel_grpc_session *session = context;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        session->draining = true;
    return 0;
}

// The peer's SETTINGS, GOAWAY and so on can make a queued request impossible before it was ever sent.
static int on_not_sent(nghttp2_session *http2, const nghttp2_frame *frame, int error, void *context) {
    (void)http2;
    (void)error;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct otel_grpc_call *call = call_of(context, frame->hd.stream_id);
    if (call != NULL) {
        call->refused = true;
        end_call(context, call);
    }
    return 0;
}

// --- a session's life ------------------------------------------------------------------------------------------------
static int new_http2(otel_grpc_session *session) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return OTEL_FAILED;
    if (nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return OTEL_FAILED;
    }
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    int result = nghttp2_session_client_new2(&session->http2, callbacks, session, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH,          0               },
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_BYTES_MAX},
    };
    if (result == 0)
        result = nghttp2_submit_settings(session->http2, NGHTTP2_FLAG_NONE, settings,
                                         sizeof settings / sizeof settings[0]);
    return result == 0 ? OTEL_OK : OTEL_FAILED;
}

otel_grpc_session *otel_grpc_session_new(void) {
    otel_grpc_session *session = calloc(1, sizeof *session);
    if (session != NULL && new_http2(session) < 0)
        return otel_grpc_session_free(session);
    return session;
}

otel_grpc_session *otel_grpc_session_free(otel_grpc_session *session) {
    if (session == NULL)
        return NULL;
    // Freeing closes streams without telling: the calls' owners may be gone.
    nghttp2_session_del(session->http2);
    free(session);
    return NULL;
}

bool otel_grpc_session_is_open(const otel_grpc_session *session) {
    return !session->broken && !session->draining &&
           nghttp2_session_check_request_allowed(session->http2) != 0;
}

bool otel_grpc_session_is_over(const otel_grpc_session *session) {
    return session->broken || (nghttp2_session_want_read(session->http2) == 0 &&
                               nghttp2_session_want_write(session->http2) == 0);
}

bool otel_grpc_session_has_calls(const otel_grpc_session *session) {
    return session->calls != NULL;
}

void otel_grpc_session_retire(otel_grpc_session *session) {
    session->draining = true;
}

void otel_grpc_session_lose(otel_grpc_session *session) {
    session->broken = true;
    while (session->calls != NULL) {
        struct otel_grpc_call *call = session->calls;
        call->lost = true;
        call->no_grpc = session->is_stranger;
        call->heard_nothing = session->first_count == 0;
        end_call(session, call);
    }
}

// A server's first frame is SETTINGS: its fourth byte says so.
static bool begins_like_http2(otel_grpc_session *session, const uint8_t *bytes, size_t len) {
    size_t first = FIRST_BYTES - session->first_count < len ? FIRST_BYTES - session->first_count : len;
    memcpy(session->first + session->first_count, bytes, first);
    session->first_count += first;
    return session->first_count < FIRST_BYTES || session->first[FIRST_BYTES - 1] == NGHTTP2_SETTINGS;
}

int otel_grpc_session_receive(otel_grpc_session *session, const void *bytes, size_t len) {
    if (!begins_like_http2(session, bytes, len)) {
        session->is_stranger = session->broken = true;
        return OTEL_FAILED;
    }
    if (nghttp2_session_mem_recv(session->http2, bytes, len) < 0) {
        session->broken = true;
        return OTEL_FAILED;
    }
    return OTEL_OK;
}

int otel_grpc_session_send(otel_grpc_session *session, const uint8_t **ret_bytes, size_t *ret_len) {
    ssize_t count = nghttp2_session_mem_send(session->http2, ret_bytes);
    if (count < 0) {
        session->broken = true;
        return OTEL_FAILED;
    }
    *ret_len = (size_t)count;
    return OTEL_OK;
}

// --- requests --------------------------------------------------------------------------------------------------------
static ssize_t read_body(nghttp2_session *http2, int32_t stream_id, uint8_t *memory, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *context) {
    (void)http2;
    (void)source;
    struct otel_grpc_call *call = call_of(context, stream_id);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t left = call->body_len - call->sent;
    size_t count = left < size ? left : size;
    memcpy(memory, call->body + call->sent, count);
    call->sent += count;
    if (call->sent == call->body_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

static nghttp2_nv field(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

enum { FIXED_FIELDS = 10 };

static size_t write_fields(const struct otel_grpc_call *call, nghttp2_nv *fields) {
    size_t count = 0;
    fields[count++] = field(":method", "POST");
    fields[count++] = field(":scheme", call->scheme);
    fields[count++] = field(":path", call->path);
    fields[count++] = field(":authority", call->authority);
    if (call->timeout != NULL)
        fields[count++] = field("grpc-timeout", call->timeout);
    fields[count++] = field("te", "trailers");
    fields[count++] = field("content-type", "application/grpc");
    if (call->gzip)
        fields[count++] = field("grpc-encoding", "gzip");
    fields[count++] = field("grpc-accept-encoding", "identity,gzip");
    fields[count++] = field("user-agent", call->user_agent);
    for (size_t i = 0; i < call->header_count; i++) {
        fields[count] = field(call->headers[i].key, call->headers[i].value);
        fields[count++].flags = NGHTTP2_NV_FLAG_NO_INDEX; // keys of vendors stay out of the peer's table
    }
    return count;
}

int otel_grpc_session_submit(otel_grpc_session *session, struct otel_grpc_call *call) {
    if (!otel_grpc_session_is_open(session))
        return OTEL_FAILED;
    nghttp2_nv *fields = calloc(FIXED_FIELDS + call->header_count, sizeof *fields);
    if (fields == NULL)
        return OTEL_FAILED;
    nghttp2_data_provider body = {.read_callback = read_body};
    int32_t id =
        nghttp2_submit_request(session->http2, NULL, fields, write_fields(call, fields), &body, NULL);
    free(fields);
    if (id < 0)
        return OTEL_FAILED;
    call->stream_id = id;
    call->next = session->calls;
    session->calls = call;
    return OTEL_OK;
}

void otel_grpc_session_abort(otel_grpc_session *session, struct otel_grpc_call *call) {
    if (call->ended)
        return;
    nghttp2_submit_rst_stream(session->http2, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL);
    end_call(session, call);
}
