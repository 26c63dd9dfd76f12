// SPDX-License-Identifier: Apache-2.0
// A server for tests of clients: a thread on a Unix socket that answers as a script says, over any number of connections.
#ifndef FQ_TEST_SCRIPTED_SERVER_H
#define FQ_TEST_SCRIPTED_SERVER_H

#include <pthread.h>
#include <stddef.h>
#include <time.h>

#define HELLO_REPLY "%1\r\n$5\r\nproto\r\n:3\r\n"

// One exchange: waits until the requests hold `expect`, then sends `reply`. A NULL reply closes the connection; a NULL
// expect waits until the client closes.
struct scripted_step {
    const char *expect;
    const char *reply;
};

struct scripted_server {
    int listener;
    char path[64], address[80];
    const struct scripted_step *steps;
    size_t step_count, at; // `at` and `connections` may be read after scripted_server_end
    int connections;
    time_t end_s; // the script is through by then
    pthread_t thread;
};

void scripted_server_start(struct scripted_server *server, const struct scripted_step *steps,
                           size_t step_count);
/** Waits for the end of the script; fails the test if it ended early. */
void scripted_server_end(struct scripted_server *server);

#define SCRIPT(server, ...)                                                                                  \
    static const struct scripted_step steps[] = {__VA_ARGS__};                                               \
    scripted_server_start(&(server), steps, sizeof steps / sizeof steps[0])

#endif
