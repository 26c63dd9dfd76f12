// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/http_line.h"

#include "otel/exporters/sigpipe.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER_BYTES_MAX = 64 * 1024, CURL_QUICK_EXIT = CURLOPTTYPE_LONG + 322 };

// --- what libcurl calls ----------------------------------------------------------------------------------------------
static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    struct otel_http_line *line = context;
    size_t len = size * count;
    if (len > line->common->response_max - fq_buf_len(&line->body) ||
        fq_buf_append(&line->body, bytes, len) < 0) {
        line->is_too_large = true;
        return 0;
    }
    return len;
}

static bool take_field(fq_str text, fq_str name, char value[OTEL_HTTP_FIELD_MAX]) {
    if (text.len <= name.len || strncasecmp(text.ptr, name.ptr, name.len) != 0)
        return false;
    text = (fq_str){text.ptr + name.len, text.len - name.len};
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = (fq_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && (unsigned char)text.ptr[text.len - 1] <= ' ')
        text.len--;
    size_t len = text.len < OTEL_HTTP_FIELD_MAX ? text.len : OTEL_HTTP_FIELD_MAX - 1;
    memcpy(value, text.ptr, len);
    value[len] = '\0';
    return true;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
    struct otel_http_line *line = context;
    fq_str text = {bytes, size * count};
    line->header_bytes += text.len;
    if (line->header_bytes > HEADER_BYTES_MAX) {
        line->is_too_large = true;
        return 0;
    }
    if (!take_field(text, FQ_STR("content-type:"), line->content_type))
        (void)take_field(text, FQ_STR("retry-after:"), line->retry_after);
    return text.len;
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    struct otel_http_line *line = context;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    for (size_t i = 0; fd >= 0 && i < OTEL_HTTP_SOCKETS_MAX; i++) {
        if (line->sockets[i] < 0) {
            line->sockets[i] = fd;
            return fd;
        }
    }
    if (fd >= 0) // more than libcurl tries at a time
        close(fd);
    return CURL_SOCKET_BAD;
}

static int on_close(void *context, curl_socket_t fd) {
    struct otel_http_line *line = context;
    for (size_t i = 0; i < OTEL_HTTP_SOCKETS_MAX; i++) {
        if (line->sockets[i] == fd)
            line->sockets[i] = -1;
    }
    return close(fd);
}

// --- a line's life ---------------------------------------------------------------------------------------------------
static void set_transport(CURL *easy, const struct otel_http_common *common) {
    const struct otel_curl *curl = &common->curl;
    curl->set(easy, CURLOPT_URL, common->url);
    curl->set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl->set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl->set(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (common->ca_file != NULL) {
        curl->set(easy, CURLOPT_CAINFO, common->ca_file);
        curl->set(easy, CURLOPT_CAPATH, NULL);
    }
    if (common->cert_file != NULL) {
        curl->set(easy, CURLOPT_SSLCERT, common->cert_file);
        curl->set(easy, CURLOPT_SSLKEY, common->key_file);
    }
    curl->set(easy, CURLOPT_NOSIGNAL, 1L);
    curl->set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    // A name server that does not answer must not hold up whoever ends this line.
    curl->set(easy, (CURLoption)CURL_QUICK_EXIT, 1L);
}

static void set_request(CURL *easy, struct otel_http_line *line) {
    const struct otel_http_common *common = line->common;
    const struct otel_curl *curl = &common->curl;
    curl->set(easy, CURLOPT_POST, 1L);
    curl->set(easy, CURLOPT_HTTPHEADER, common->headers);
    curl->set(easy, CURLOPT_USERAGENT, common->user_agent);
    curl->set(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl->set(easy, CURLOPT_ERRORBUFFER, line->error);
    curl->set(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->set(easy, CURLOPT_WRITEDATA, line);
    curl->set(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->set(easy, CURLOPT_HEADERDATA, line);
    curl->set(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl->set(easy, CURLOPT_OPENSOCKETDATA, line);
    curl->set(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl->set(easy, CURLOPT_CLOSESOCKETDATA, line);
}

struct otel_http_line *otel_http_line_new(const struct otel_http_common *common) {
    struct otel_http_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->common = common;
    for (size_t i = 0; i < OTEL_HTTP_SOCKETS_MAX; i++)
        line->sockets[i] = -1;
    line->multi = common->curl.multi_init();
    line->easy = common->curl.easy_init();
    if (line->multi == NULL || line->easy == NULL)
        return otel_http_line_free(line);
    set_transport(line->easy, common);
    set_request(line->easy, line);
    return line;
}

struct otel_http_line *otel_http_line_free(struct otel_http_line *line) {
    if (line == NULL)
        return NULL;
    struct otel_sigpipe sigpipe;
    otel_sigpipe_begin(&sigpipe);
    line->common->curl.easy_cleanup(line->easy);
    if (line->multi != NULL)
        line->common->curl.multi_cleanup(line->multi);
    otel_sigpipe_end(&sigpipe);
    fq_buf_done(&line->body);
    free(line);
    return NULL;
}

void otel_http_line_forget_sockets(struct otel_http_line *line) {
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < OTEL_HTTP_SOCKETS_MAX; i++) {
        // The number stays taken, so that libcurl's own close hits nothing else.
        if (line->sockets[i] >= 0 && nowhere >= 0)
            dup3(nowhere, line->sockets[i], O_CLOEXEC);
    }
    if (nowhere >= 0)
        close(nowhere);
}

// --- a request -------------------------------------------------------------------------------------------------------
static void forget_answer(struct otel_http_line *line) {
    fq_buf_clear(&line->body);
    line->header_bytes = 0;
    line->is_too_large = false;
    line->status = 0;
    line->content_type[0] = line->retry_after[0] = line->error[0] = '\0';
}

static CURLcode verdict(const struct otel_http_line *line) {
    int left;
    CURLMsg *message;
    while ((message = line->common->curl.read(line->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE)
            return message->data.result;
    }
    return CURLE_RECV_ERROR;
}

static enum otel_http_end drive(struct otel_http_line *line, const struct otel_call_limits *limits) {
    const struct otel_curl *curl = &line->common->curl;
    const struct otel_wait wait = {.runtime = line->common->runtime, .deadline_ns = limits->deadline_ns};
    for (;;) {
        int running = 0;
        if (curl->perform(line->multi, &running) != CURLM_OK || running == 0)
            return OTEL_HTTP_DONE;
        if (limits->is_given_up != NULL && atomic_load(limits->is_given_up))
            return OTEL_HTTP_GIVEN_UP;
        int64_t left = otel_wait_left_ms(&wait);
        if (left == 0)
            return OTEL_HTTP_TIMEOUT;
        int wait_ms = left < 0 || left > INT_MAX ? INT_MAX : (int)left;
        (void)curl->poll(line->multi, NULL, 0, wait_ms, NULL);
    }
}

enum otel_http_end otel_http_line_post(struct otel_http_line *line, const void *bytes, size_t len,
                                       const struct otel_call_limits *limits, CURLcode *ret_code) {
    const struct otel_curl *curl = &line->common->curl;
    struct otel_sigpipe sigpipe;
    forget_answer(line);
    curl->set(line->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl->set(line->easy, CURLOPT_POSTFIELDS, bytes);
    if (limits->deadline_ns != INT64_MAX) {
        // libcurl's own limit of five minutes for a connection must not end what is allowed to take longer.
        const struct otel_wait wait = {.runtime = line->common->runtime, .deadline_ns = limits->deadline_ns};
        curl->set(line->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)otel_wait_left_ms(&wait) + 1);
    }
    otel_sigpipe_begin(&sigpipe);
    enum otel_http_end end = OTEL_HTTP_DONE;
    *ret_code = CURLE_FAILED_INIT;
    if (curl->add(line->multi, line->easy) == CURLM_OK) {
        end = drive(line, limits);
        if (end == OTEL_HTTP_DONE)
            *ret_code = verdict(line);
        curl->get(line->easy, CURLINFO_RESPONSE_CODE, &line->status);
        curl->remove(line->multi, line->easy);
    }
    otel_sigpipe_end(&sigpipe);
    return end;
}

void otel_http_line_wake(struct otel_http_line *line) {
    line->common->curl.wakeup(line->multi);
}
