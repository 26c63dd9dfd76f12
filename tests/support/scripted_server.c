// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/scripted_server.h"

#include "base/assert.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SCRIPT_S = 40 };

// A client that waits for what the script does not say would wait for ever, and the test with it.
static void wait_readable(const struct scripted_server *server, int fd) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t left_s = server->end_s - time(NULL);
    FQ_ASSERT(left_s > 0 && poll(&wait, 1, (int)left_s * 1000) == 1);
}

// Reads until the text holds `wanted`; false when the peer closes.
static bool read_until(const struct scripted_server *server, int fd, char *text, size_t size,
                       const char *wanted) {
    size_t len = strlen(text);
    while (wanted == NULL || strstr(text, wanted) == NULL) {
        wait_readable(server, fd);
        ssize_t count = read(fd, text + len, size - 1 - len);
        if (count <= 0)
            return false;
        len += (size_t)count;
        text[len] = '\0';
    }
    text[0] = '\0';
    return true;
}

static void serve(struct scripted_server *server, int fd) {
    static char text[1 << 20];
    text[0] = '\0';
    while (server->at < server->step_count) {
        const struct scripted_step *step = &server->steps[server->at];
        if (!read_until(server, fd, text, sizeof text, step->expect)) {
            server->at += step->expect == NULL;
            return;
        }
        server->at++;
        if (step->reply == NULL)
            return;
        if (write(fd, step->reply, strlen(step->reply)) < 0)
            return;
    }
}

static void *server_main(void *argument) {
    struct scripted_server *server = argument;
    while (server->at < server->step_count) {
        wait_readable(server, server->listener);
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            break;
        server->connections++;
        serve(server, fd);
        close(fd);
    }
    return NULL;
}

void scripted_server_start(struct scripted_server *server, const struct scripted_step *steps,
                           size_t step_count) {
    *server =
        (struct scripted_server){.steps = steps, .step_count = step_count, .end_s = time(NULL) + SCRIPT_S};
    snprintf(server->path, sizeof server->path, P_tmpdir "/fq-client-%d.sock", (int)getpid());
    snprintf(server->address, sizeof server->address, "unix://%s", server->path);
    unlink(server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", server->path);
    assert_int_equal(bind(server->listener, (const struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
}

void scripted_server_end(struct scripted_server *server) {
    pthread_join(server->thread, NULL);
    assert_int_equal(server->at, server->step_count);
    close(server->listener);
    unlink(server->path);
}
