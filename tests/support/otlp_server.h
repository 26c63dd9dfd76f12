// SPDX-License-Identifier: Apache-2.0
// A fake OTLP receiver in a thread of its own: gRPC over HTTP/2, or HTTP/1.1, plain or TLS, TCP or Unix socket. It keeps what
// it gets and answers by a script.
//
// A script is a list of answers separated by blanks, one for each request in order; the last one repeats. Words for both:
//   ok            200 and an empty response            partial:N:text    N rejected, `_` in text is a blank
//   hang          never answers                        close             closes when the request is in
//   slow:MS       ok, MS milliseconds later            half              begins an answer, then resets the connection
//   garbage       bytes that mean nothing              trickle           an answer of one byte every 20 ms, without end
//   type          ok in a wrong content type           headers           an answer of 256 KiB of headers
//   body:N        an answer of N bytes
// gRPC only:
//   N[:retry=MS][:text]  grpc-status N without a body, RetryInfo of MS, grpc-message
//   late:N        as before, but headers first, trailers later
//   http:N        HTTP status N without grpc-status
//   reset:N       RST_STREAM with error N              goaway            ok, then GOAWAY and the connection's end
//   refuse        GOAWAY without having processed it   early:N           status N as soon as the headers are in, body unread
//   hpack         a header block that is cut short     http1             HTTP/1.1 400
//   bomb          a gzip message that grows to 8 MiB         flood             frames without end, and no answer
// HTTP only:
//   N[:after=S]   status N, Retry-After: S (`_` is a blank)    redirect:URL
#ifndef FQ_TESTS_OTLP_SERVER_H
#define FQ_TESTS_OTLP_SERVER_H

#include "otel/exporter.h"

typedef struct otlp_server otlp_server;

struct otlp_request {
    enum otel_signal signal;
    char path[256];
    char headers[4096]; // "name: value\n" for each, in order
    uint8_t *body;      // the message, decompressed
    size_t len;
    bool was_compressed;
    unsigned connection; // 1, 2, …
};

struct otlp_server_options {
    bool is_http;           // HTTP/1.1 instead of gRPC
    const char *cert, *key; // PEM files: TLS
    const char *client_ca;  // and ask for the client's certificate
    const char *unix_path;  // instead of TCP
    uint16_t port;          // 0 = any
    bool is_deaf;           // listens, never accepts, its backlog full
    const char *script;     // NULL = "ok"
    void (*on_request)(void *context, const struct otlp_request *request);
    void *context; // called in the server's thread
};

otlp_server *otlp_server_start(const struct otlp_server_options *options);
otlp_server *otlp_server_stop(otlp_server *server);
uint16_t otlp_server_port(const otlp_server *server);
/** Answers from the next request on. */
void otlp_server_set_script(otlp_server *server, const char *script);
/** Waits until `count` requests have come, at most five seconds; how many there are. */
size_t otlp_server_wait(otlp_server *server, size_t count);
/** Request `index`, valid until the server stops. */
const struct otlp_request *otlp_server_request(otlp_server *server, size_t index);
unsigned otlp_server_connections(otlp_server *server);
/** Closes all connections, as a restart does. */
void otlp_server_drop_connections(otlp_server *server);

#endif
