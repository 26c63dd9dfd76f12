// SPDX-License-Identifier: Apache-2.0
#include "journal/stream_nats_state.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEADERS = 4096, SECRET_MAX = 16384, REPLICAS_MAX = 3, UNANSWERED_MS_MOST = 2000 };
#define SCHEME "nats://"

void fq_stream_nats_options_init(struct fq_stream_nats_options *options) {
    *options = (struct fq_stream_nats_options){.answer_ms = 2000, .make = true, .shard = -1};
}

bool fq_stream_nats_is_url(fq_str url) {
    return url.len > strlen(SCHEME) && memcmp(url.ptr, SCHEME, strlen(SCHEME)) == 0;
}

static bool is_name(const char *name) {
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return len > 0 && name[len] == '\0' && len < FQ_STREAM_NAME_MAX;
}

static int parse(const char *url, struct fq_nats_servers *servers, char name[FQ_STREAM_NAME_MAX],
                 char error[FQ_STREAM_ERROR_MAX]) {
    const char *hosts = url + strlen(SCHEME), *slash = strchr(hosts, '/');
    if (slash == NULL || !is_name(slash + 1) || (size_t)(slash - hosts) >= sizeof servers->text) {
        snprintf(
            error, FQ_STREAM_ERROR_MAX,
            "the journal is nats://host:port[,host:port...]/NAME, NAME of letters, digits, '-' and '_', at "
            "most %d",
            FQ_STREAM_NAME_MAX - 1);
        return FQ_EINVALID;
    }
    if (memchr(hosts, '@', (size_t)(slash - hosts)) != NULL) {
        snprintf(error, FQ_STREAM_ERROR_MAX,
                 "the journal's address holds a secret, which others can read; put it into a file for "
                 "--journal-credentials");
        return FQ_EINVALID;
    }
    snprintf(name, FQ_STREAM_NAME_MAX, "%s", slash + 1);
    memcpy(servers->text, hosts, (size_t)(slash - hosts));
    servers->text[slash - hosts] = '\0';
    char *rest = servers->text;
    for (char *host; (host = strsep(&rest, ",")) != NULL; servers->count++) {
        if (servers->count == FQ_STREAM_SERVERS_MAX || host[0] == '\0' ||
            strlen(host) >= sizeof servers->urls[0] - 8) {
            snprintf(error, FQ_STREAM_ERROR_MAX,
                     "the journal names no server, too many (above %d) or too long ones",
                     FQ_STREAM_SERVERS_MAX);
            return FQ_EINVALID;
        }
        snprintf(servers->urls[servers->count], sizeof servers->urls[0], SCHEME "%s", host);
    }
    return 0;
}

// Into `text`, without blanks at its end; its length, or -errno.
static int read_secret(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t len = read(fd, text, size - 1);
    int error = errno;
    close(fd);
    if (len < 0)
        return -error;
    while (len > 0 && (unsigned char)text[len - 1] <= ' ')
        len--;
    text[len] = '\0';
    return (int)len;
}

static natsStatus use_secret(natsOptions *options, const char *path, char *secret) {
    if (strstr(secret, "-----BEGIN NATS") != NULL)
        return natsOptions_SetUserCredentialsFromFiles(options, path, NULL);
    char *colon = strchr(secret, ':');
    if (colon == NULL)
        return natsOptions_SetToken(options, secret);
    *colon = '\0';
    return natsOptions_SetUserInfo(options, secret, colon + 1);
}

static int use_credentials(struct fq_nats *nats, natsOptions *options) {
    const char *path = nats->options.credentials_file;
    if (path == NULL)
        return 0;
    char secret[SECRET_MAX];
    int len = read_secret(path, secret, sizeof secret);
    if (len <= 0) {
        snprintf(nats->base.error, sizeof nats->base.error, "%s: %s", path,
                 len < 0 ? strerror(-len) : "is empty");
        return FQ_EINVALID;
    }
    int result = fq_nats_told(nats, "using the credentials", use_secret(options, path, secret), 0);
    explicit_bzero(secret, sizeof secret);
    return result;
}

static int use_tls(struct fq_nats *nats, natsOptions *options) {
    if (nats->options.ca_file == NULL)
        return 0;
    natsStatus status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK)
        status = natsOptions_LoadCATrustedCertificates(options, nats->options.ca_file);
    return fq_nats_told(nats, nats->options.ca_file, status, 0);
}

static natsStatus set_options(const struct fq_nats *nats, natsOptions *options) {
    natsStatus status = natsOptions_SetTimeout(options, nats->options.answer_ms);
    if (status == NATS_OK)
        status = natsOptions_SetMaxReconnect(options, -1);
    if (status == NATS_OK)
        status = natsOptions_SetReconnectWait(options, 100);
    if (status == NATS_OK)
        status = natsOptions_SetReconnectJitter(options, 50, 50);
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(options, 2000);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, "fastqueue");
    return status;
}

// To any of the servers; but to `avoided` last, unless it is NULL.
static natsStatus set_servers(const struct fq_nats *nats, const char *avoided, natsOptions *options) {
    const char *urls[FQ_STREAM_SERVERS_MAX], *last = NULL;
    int count = 0;
    for (int i = 0; i < nats->servers.count; i++) {
        if (avoided != NULL && strcmp(nats->servers.urls[i], avoided) == 0)
            last = nats->servers.urls[i];
        else
            urls[count++] = nats->servers.urls[i];
    }
    if (last != NULL)
        urls[count++] = last;
    natsStatus status = natsOptions_SetServers(options, urls, count);
    return status == NATS_OK && last != NULL ? natsOptions_SetNoRandomize(options, true) : status;
}

static int connect_to(struct fq_nats *nats, const char *avoided, natsConnection **ret_connection,
                      jsCtx **ret_js) {
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = set_servers(nats, avoided, options);
    if (status == NATS_OK)
        status = set_options(nats, options);
    int result = fq_nats_told(nats, "connecting", status, 0);
    if (result == 0)
        result = use_credentials(nats, options);
    if (result == 0)
        result = use_tls(nats, options);
    if (result == 0)
        result = fq_nats_told(nats, "connecting", natsConnection_Connect(ret_connection, options), 0);
    natsOptions_Destroy(options);
    jsOptions js;
    jsOptions_Init(&js);
    js.Wait = nats->options.answer_ms;
    if (result == 0)
        result = fq_nats_told(nats, "connecting", natsConnection_JetStream(ret_js, *ret_connection, &js), 0);
    return result;
}

// ---- from one server to another ----

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void fq_nats_disconnect(struct fq_nats *nats) {
    fq_nats_end_tail(nats);
    if (nats->connection != NULL)
        natsConnection_Close(nats->connection);
    for (size_t i = 0; i < nats->retired_count; i++)
        natsSubscription_Destroy(nats->retired[i]);
    nats->retired_count = 0;
    jsCtx_Destroy(nats->js);
    natsConnection_Destroy(nats->connection);
    nats->js = NULL;
    nats->connection = NULL;
}

static void change_server(struct fq_nats *nats) {
    char present[FQ_NATS_URLS_MAX / 4] = "";
    (void)natsConnection_GetConnectedUrl(nats->connection, present, sizeof present);
    natsConnection *connection = NULL;
    jsCtx *js = NULL;
    if (connect_to(nats, present, &connection, &js) == 0) {
        fq_nats_disconnect(nats);
        nats->connection = connection;
        nats->js = js;
    } else {
        jsCtx_Destroy(js);
        natsConnection_Destroy(connection);
    }
}

void fq_nats_begin(struct fq_nats *nats, enum fq_nats_kind kind) {
    nats->kind = kind;
    nats->call_ms = now_ms();
    int64_t since_ms = nats->unanswered_ms[kind];
    if (since_ms == 0 || nats->call_ms - since_ms < UNANSWERED_MS_MOST)
        return;
    if (nats->servers.count > 1)
        change_server(nats);
    memset(nats->unanswered_ms, 0, sizeof nats->unanswered_ms); // the next one has as much time
    nats->call_ms = now_ms();
}

// ---- what there has to be ----

static int make_stream(struct fq_nats *nats, enum fq_stream_part part) {
    char name[FQ_NATS_SUBJECT_MAX], subject[FQ_NATS_SUBJECT_MAX];
    fq_nats_stream_name(nats, part, name);
    fq_nats_subject(nats, part, subject);
    const char *subjects[] = {subject};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = name;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Retention = js_LimitsPolicy;
    config.Discard = js_DiscardNew;
    config.Storage = js_FileStorage;
    config.Replicas = nats->options.replicas;
    config.DenyDelete = part == FQ_STREAM_LOG;
    jsErrCode code = 0;
    natsStatus status = js_AddStream(NULL, nats->js, &config, NULL, &code);
    if (code == JSStreamNameExistErr)
        return 0;
    return fq_nats_told(nats, "making a stream", status, code);
}

static int make_bucket(struct fq_nats *nats, const char *name) {
    char bucket[FQ_NATS_SUBJECT_MAX];
    snprintf(bucket, sizeof bucket, "FQ_%s", name);
    kvStore *store = NULL;
    natsStatus status = js_KeyValue(&store, nats->js, bucket);
    if (status == NATS_NOT_FOUND && nats->options.make) {
        kvConfig config;
        kvConfig_Init(&config);
        config.Bucket = bucket;
        config.History = 1;
        config.Replicas = (int)nats->options.replicas;
        config.StorageType = js_FileStorage;
        status = js_CreateKeyValue(&store, nats->js, &config);
    }
    kvStore_Destroy(store);
    return fq_nats_told(nats, "making the bucket of registers", status, 0);
}

static int make_all(struct fq_nats *nats) {
    for (int part = 0; part < FQ_STREAM_PARTS && !nats->options.map_only; part++) {
        char name[FQ_NATS_SUBJECT_MAX];
        fq_nats_stream_name(nats, (enum fq_stream_part)part, name);
        jsStreamInfo *info = NULL;
        jsErrCode code = 0;
        natsStatus status = js_GetStreamInfo(&info, nats->js, name, NULL, &code);
        jsStreamInfo_Destroy(info);
        int result = code == JSStreamNotFoundErr && nats->options.make
                         ? make_stream(nats, (enum fq_stream_part)part)
                         : fq_nats_told(nats, "looking for the streams", status, code);
        if (result < 0)
            return result;
    }
    int result = make_bucket(nats, nats->name);
    if (result == 0 && nats->options.shard >= 0)
        result = make_bucket(nats, nats->cluster);
    return result;
}

static int name_shard(struct fq_nats *nats, char error[FQ_STREAM_ERROR_MAX]) {
    snprintf(nats->name, sizeof nats->name, "%s", nats->cluster);
    if (nats->options.shard < 0)
        return 0;
    int len = snprintf(nats->name, sizeof nats->name, "%.*s-%d", FQ_STREAM_NAME_MAX - 8, nats->cluster,
                       (int)nats->options.shard);
    if (len < FQ_STREAM_NAME_MAX && strlen(nats->cluster) <= FQ_STREAM_NAME_MAX - 8)
        return 0;
    snprintf(error, FQ_STREAM_ERROR_MAX,
             "the journal's NAME is too long for one with shards; at most %d characters",
             FQ_STREAM_NAME_MAX - 8);
    return FQ_EINVALID;
}

int fq_stream_nats_open(const char *url, const struct fq_stream_nats_options *options, fq_stream **ret_stream,
                        char error[FQ_STREAM_ERROR_MAX]) {
    struct fq_nats *nats = calloc(1, sizeof *nats);
    int result = nats == NULL ? FQ_ENOMEM : 0;
    if (result == 0) {
        nats->base.ops = &fq_nats_ops;
        nats->options = *options;
        result = parse(url, &nats->servers, nats->cluster, error);
    }
    if (result == 0)
        result = name_shard(nats, error);
    if (result == 0) {
        uint32_t named = (uint32_t)nats->servers.count,
                 replicas = named < REPLICAS_MAX ? named : REPLICAS_MAX;
        if (nats->options.replicas == 0)
            nats->options.replicas = replicas == 2 ? 1 : replicas; // two would stop with the first that fails
        result = connect_to(nats, NULL, &nats->connection, &nats->js);
        if (result == 0)
            result = make_all(nats);
        if (result < 0)
            snprintf(error, FQ_STREAM_ERROR_MAX, "%s", nats->base.error);
    }
    if (result == 0) {
        int64_t most = natsConnection_GetMaxPayload(nats->connection) - HEADERS;
        nats->base.message_bytes_max = most < 0 ? 0 : most > INT32_MAX ? INT32_MAX : (uint32_t)most;
        *ret_stream = &nats->base;
        return 0;
    }
    if (nats != NULL)
        fq_nats_ops.close(&nats->base);
    return result;
}
