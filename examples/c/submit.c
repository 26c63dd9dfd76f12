// SPDX-License-Identifier: Apache-2.0
// Submits add(2, 3), waits for the result and prints it:
//     cc submit.c -o submit $(pkg-config --cflags --libs fastqueue) && ./submit
#include <fastqueue/client.h>
#include <fastqueue/payload.h>

#include <stdio.h>

static int fail(const char *what, const char *why) {
    fprintf(stderr, "submit: %s: %s\n", what, why);
    return 1;
}

int main(void) {
    char error[200];
    fq_client *client;
    if (fq_client_open(NULL, &client, error, sizeof error) <
        0) // $FASTQUEUE_CONTROL_PLANE_ADDRESS, or this machine
        return fail("open", error);

    const char *text;
    size_t len;
    fq_payload *payload = fq_payload_new();
    fq_payload_add_int(payload, NULL, 2);
    fq_payload_add_int(payload, NULL, 3);
    if (fq_payload_text(payload, &text, &len) < 0)
        return fail("payload", "cannot be made");

    char id[37];
    if (fq_client_submit(client, "add", text, len, NULL, id) < 0)
        return fail("submit", fq_client_error(client));
    printf("submitted %s\n", id);

    struct fq_task_result result;
    if (fq_client_wait(client, id, 30000, &result) < 0)
        return fail("wait", fq_client_error(client));
    printf("%.*s: %.*s%.*s\n", (int)result.status.len, result.status.ptr, (int)result.result.len,
           result.result.ptr, (int)result.error_message.len, result.error_message.ptr);

    fq_payload_free(payload);
    fq_client_close(client);
    return result.has_result ? 0 : 2;
}
