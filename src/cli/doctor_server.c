// SPDX-License-Identifier: Apache-2.0
// What the control plane answers.
#include "cli/connection.h"
#include "cli/doctor.h"
#include "cli/row.h"
#include "cli/secret_file.h"
#include "fastqueue/version.h"
#include "net/address.h"
#include "net/clock.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SKEW_WARN_MS = 2000 };

static bool check_resolves(struct fq_doctor *doctor, const struct fq_address *address) {
    struct stat info;
    if (address->kind == FQ_ADDRESS_UNIX) {
        bool socket = stat(address->path, &info) == 0 && S_ISSOCK(info.st_mode);
        fq_doctor_report(doctor, "address", socket ? FQ_CHECK_OK : FQ_CHECK_FAILED,
                         socket ? NULL : "start the control plane with --listen unix:///PATH", "%s is %s",
                         address->path, socket ? "a socket" : "no socket");
        return socket;
    }
    struct addrinfo hints = {.ai_socktype = 1 /* stream */}, *found = NULL;
    int result = getaddrinfo(address->host, NULL, &hints, &found);
    if (result == 0)
        freeaddrinfo(found);
    if (result == 0)
        fq_doctor_report(doctor, "address", FQ_CHECK_OK, NULL, "%s resolves", address->host);
    else
        fq_doctor_report(doctor, "address", FQ_CHECK_FAILED,
                         "check --control-plane-address, /etc/hosts and the name server", "%s: %s",
                         address->host, gai_strerror(result));
    return result == 0;
}

static const char *remedy_of(int error) {
    switch (error) {
    case FQ_ECONNECT:
    case FQ_ETIMEOUT:
        return "start it with 'fastqueue control-plane', or set FASTQUEUE_CONTROL_PLANE_ADDRESS";
    case FQ_ETLS:
        return "use tls:// exactly where the server listens with TLS; give its authority with --tls-ca";
    case FQ_ENOAUTH: return "set FASTQUEUE_TOKEN (and FASTQUEUE_USER)";
    case FQ_EWRONGPASS: return "compare FASTQUEUE_USER and FASTQUEUE_TOKEN with the server's users file";
    case FQ_EPROTOCOL:
    case FQ_ENOPROTO: return "something else listens there; check the port";
    default: return "see the control plane's log";
    }
}

static fq_client *connect_to(struct fq_doctor *doctor) {
    struct fq_client_options client;
    fq_client_options_init(&client);
    client.address = fq_option_text(doctor->options, FQ_OPTION_CONTROL_PLANE_ADDRESS);
    client.user = fq_option_text(doctor->options, FQ_OPTION_USER);
    client.tls_ca = fq_option_text(doctor->options, FQ_OPTION_TLS_CA);
    client.tls_cert = fq_option_text(doctor->options, FQ_OPTION_TLS_CERT);
    client.tls_key = fq_option_text(doctor->options, FQ_OPTION_TLS_KEY);
    client.timeout_ms = fq_option_number(doctor->options, FQ_OPTION_REQUEST_TIMEOUT);
    if (client.timeout_ms > 5000)
        client.timeout_ms = 5000; // a patient doctor is of no use
    client.retries = 0;
    char token[FQ_TOKEN_SIZE], errstr[512] = "";
    int found = fq_token_read(doctor->options, token);
    if (found < 0) {
        fq_doctor_report(doctor, "credentials", FQ_CHECK_FAILED, "check --token-file",
                         "the token cannot be read");
        return NULL;
    }
    client.token = found > 0 ? token : NULL;
    fq_client *opened = NULL;
    int result = fq_client_open(&client, &opened, errstr, sizeof errstr);
    if (result == 0)
        return opened;
    bool login = result == FQ_ENOAUTH || result == FQ_EWRONGPASS;
    fq_doctor_report(doctor, login ? "credentials" : "connection", FQ_CHECK_FAILED, remedy_of(result), "%s",
                     errstr[0] != '\0' ? errstr : fq_strerror(result));
    return NULL;
}

static int ask(fq_client *client, const char *first, const char *second, const struct fq_value **ret_values) {
    fq_slice words[2] = {
        {first,  strlen(first)                      },
        {second, second != NULL ? strlen(second) : 0}
    };
    return fq_client_command(client, words, second != NULL ? 2 : 1, ret_values);
}

// Each role is tried with a request that changes nothing; only "not allowed" tells that it is missing.
static void check_roles(struct fq_doctor *doctor, fq_client *client) {
    static const struct {
        const char *role, *command, *argument;
    } tries[] = {
        {"submit", "FQ.CANCEL",    "00000000-0000-0000-0000-000000000000"},
        {"work",   "FQ.HEARTBEAT", NULL                                  },
        {"read",   "FQ.STATS",     NULL                                  },
        {"admin",  "FQ.RESUME",    "fastqueue.doctor"                    },
    };
    char held[64] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        const struct fq_value *values;
        int result = ask(client, tries[i].command, tries[i].argument, &values);
        if (result == FQ_ENOAUTH) {
            fq_doctor_report(doctor, "credentials", FQ_CHECK_FAILED, remedy_of(result),
                             "the control plane wants a login");
            return;
        }
        if (result != FQ_ENOPERM)
            used += (size_t)snprintf(held + used, sizeof held - used, " %s", tries[i].role);
    }
    fq_doctor_report(doctor, "credentials", FQ_CHECK_OK, NULL, "may:%s", held);
}

static void check_version(struct fq_doctor *doctor, const struct fq_value *stats) {
    fq_slice version = fq_row_text(stats, 0, "version");
    if (version.len == 0)
        return;
    bool same = version.len == strlen(FQ_VERSION) && memcmp(version.ptr, FQ_VERSION, version.len) == 0;
    fq_doctor_report(doctor, "version", same ? FQ_CHECK_OK : FQ_CHECK_WARNING,
                     same ? NULL : "bring clients, workers and control plane to one version",
                     "here %s, control plane %.*s", FQ_VERSION, (int)version.len, version.ptr);
}

static void check_clock(struct fq_doctor *doctor, const struct fq_value *stats, struct fq_now before) {
    int64_t server_ms = fq_row_number(stats, 0, "now");
    if (server_ms == 0)
        return;
    // The answer was made somewhere between asking and now.
    int64_t middle_ms = (before.wall_us + fq_clock_now().wall_us) / 2 / FQ_US_PER_MS;
    int64_t skew_ms = server_ms - middle_ms;
    bool far = skew_ms > SKEW_WARN_MS || skew_ms < -SKEW_WARN_MS;
    fq_doctor_report(doctor, "clock", far ? FQ_CHECK_WARNING : FQ_CHECK_OK,
                     far ? "set both clocks (chrony, systemd-timesyncd): --at and expiry go by them" : NULL,
                     "the control plane's is %+" PRId64 " ms from ours", skew_ms);
}

// The sum of what INFO tells of records that were lost: `telemetry_traces:created=1,dropped_failed=2,…`.
static uint64_t dropped_of(fq_slice line) {
    static const char mark[] = "dropped_";
    uint64_t sum = 0;
    for (size_t i = 0; i + sizeof mark < line.len; i++) {
        if (memcmp(line.ptr + i, mark, sizeof mark - 1) != 0)
            continue;
        uint64_t number = 0;
        while (i < line.len && line.ptr[i] != '=')
            i++;
        for (i++; i < line.len && line.ptr[i] >= '0' && line.ptr[i] <= '9'; i++)
            number = number * 10 + (uint64_t)(line.ptr[i] - '0');
        sum += number;
    }
    return sum;
}

static void check_telemetry(struct fq_doctor *doctor, fq_client *client) {
    static const char on[] = "telemetry_enabled:1";
    const struct fq_value *values;
    if (ask(client, "INFO", "telemetry", &values) != 0 || values[0].type != FQ_VALUE_TEXT)
        return;
    fq_slice text = values[0].text;
    if (memmem(text.ptr, text.len, on, sizeof on - 1) == NULL) {
        fq_doctor_report(doctor, "telemetry", FQ_CHECK_OK, NULL,
                         "off at the control plane (FASTQUEUE_TELEMETRY_ENABLED)");
        return;
    }
    uint64_t dropped = dropped_of(text);
    fq_doctor_report(
        doctor, "telemetry", dropped > 0 ? FQ_CHECK_WARNING : FQ_CHECK_OK,
        dropped > 0 ? "run 'fastqueue doctor telemetry' where the control plane runs; its log names the cause"
                    : NULL,
        "on at the control plane, %" PRIu64 " records dropped", dropped);
}

void fq_doctor_check_server(struct fq_doctor *doctor) {
    struct fq_address address;
    const char *reason = "", *text = fq_option_text(doctor->options, FQ_OPTION_CONTROL_PLANE_ADDRESS);
    if (fq_address_parse(fq_str_of(text), &address, &reason) < 0) {
        fq_doctor_report(doctor, "address", FQ_CHECK_FAILED,
                         "write tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH", "%s", reason);
        return;
    }
    if (!check_resolves(doctor, &address))
        return;
    fq_client *client = connect_to(doctor);
    if (client == NULL)
        return;
    char shown[FQ_ADDRESS_TEXT];
    fq_address_format(&address, shown);
    fq_doctor_report(doctor, "connection", FQ_CHECK_OK, NULL, "%s answers%s", shown,
                     address.kind == FQ_ADDRESS_TLS ? ", certificate verified" : "");
    bool exposed = address.kind == FQ_ADDRESS_TCP && !fq_address_is_local(&address);
    if (exposed)
        fq_doctor_report(doctor, "encryption", FQ_CHECK_WARNING, "use tls:// between machines",
                         "tasks and tokens cross the network in the clear");
    check_roles(doctor, client);
    struct fq_now before = fq_clock_now();
    const struct fq_value *stats;
    if (ask(client, "FQ.STATS", NULL, &stats) == 0) {
        check_version(doctor, stats);
        check_clock(doctor, stats, before);
    }
    check_telemetry(doctor, client);
    fq_client_close(client);
}
