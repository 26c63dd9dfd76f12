// SPDX-License-Identifier: Apache-2.0
// Inside the fake OTLP receiver.
#ifndef FQ_TESTS_OTLP_SERVER_STATE_H
#define FQ_TESTS_OTLP_SERVER_STATE_H

#include "base/buf.h"
#include "support/otlp_server.h"

#include <openssl/ssl.h>

enum { OTLP_WORD_MAX = 512 };
// One word of a script: name[:rest].
struct otlp_answer {
    char name[32];
    char rest[OTLP_WORD_MAX];
    long number; // of the name if it is a number, else of the rest
    bool is_number;
};

struct otlp_connection {
    otlp_server *server;
    struct otlp_connection *next;
    int fd;
    SSL *ssl;
    unsigned number;
    void *protocol;     // http2 or http1 state
    fq_buf out;         // bytes to send
    bool closes;        // when they are out
    bool resets;        // with RST
    bool is_mute;       // reads and says nothing more
    int64_t trickle_ns; // next byte; 0 = no trickle
    bool floods;        // sends frames without end, as fast as they are taken
};

/** The next answer by the script. */
struct otlp_answer otlp_next_answer(otlp_server *server);
/** The next answer's name begins so. */
bool otlp_script_is_at(otlp_server *server, const char *word);
/** Keeps a request; `bytes` may be compressed. */
void otlp_keep(struct otlp_connection *connection, const char *path, const char *headers, bool is_compressed,
               const void *bytes, size_t len);
void otlp_connection_put(struct otlp_connection *connection, const void *bytes, size_t len);
/** Writes a partial success message of N and text ("N:text"). */
size_t otlp_partial_message(const char *rest, uint8_t message[OTLP_WORD_MAX]);

// The two protocols: bytes came in; false = close.
bool otlp_http2_open(struct otlp_connection *connection);
bool otlp_http2_receive(struct otlp_connection *connection, const void *bytes, size_t len);
void otlp_http2_tick(struct otlp_connection *connection, int64_t now_ns);
void otlp_http2_close(struct otlp_connection *connection);
bool otlp_http1_open(struct otlp_connection *connection);
bool otlp_http1_receive(struct otlp_connection *connection, const void *bytes, size_t len);
void otlp_http1_tick(struct otlp_connection *connection, int64_t now_ns);
void otlp_http1_close(struct otlp_connection *connection);

int64_t otlp_now_ns(void);

#endif
