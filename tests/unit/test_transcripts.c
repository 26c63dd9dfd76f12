// SPDX-License-Identifier: Apache-2.0
// Plays tests/transcripts/*.txt against a core on a fake clock, on each storage: peers must not be able to tell them apart. Lines:
//   # text                 nothing
//   > FQ.STATUS …          peer `a` sends a request;   b> …   another peer; peers connect when they are first named
//   < {id: *}              the next reply or push of the peer; '*' is any run of bytes
//   < {id: "{{t}}"*          {{t}} matches one word and keeps it; wherever it comes later it is put in
//   < nothing              no reply is there
//   wait 1500              time passes, in milliseconds
//   close b                the transport of the peer is closed;   closed b   the core has closed it
//   user name roles token  before the first peer: a credential
#include "support/core_fixture.h"

#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PEERS = 26, VARIABLES = 32, LINE = 8192 };

struct player {
    struct core_fixture fixture;
    bool is_open;
    struct core_peer *peers[PEERS];
    struct {
        char name[32], value[128];
    } variables[VARIABLES];
    size_t variable_count;
    const char *file;
    int line;
};

static void complain(const struct player *player, const char *what, const char *expected, const char *got) {
    fail_msg("%s:%d: %s\n  expected %s\n  got      %s", player->file, player->line, what, expected, got);
}

static const char *value_of(const struct player *player, const char *name, size_t len) {
    for (size_t i = 0; i < player->variable_count; i++) {
        if (strlen(player->variables[i].name) == len && memcmp(player->variables[i].name, name, len) == 0)
            return player->variables[i].value;
    }
    return NULL;
}

// Puts known variables in; `unknown` collects those that are not known, which become '*' here.
static void expand(const struct player *player, const char *from, char *to, char unknown[8][32],
                   int *unknown_count) {
    size_t used = 0;
    *unknown_count = 0;
    while (*from != '\0' && used < LINE - 200) {
        const char *end = from[0] == '{' && from[1] == '{' ? strstr(from, "}}") : NULL;
        if (end == NULL) {
            to[used++] = *from++;
            continue;
        }
        size_t len = (size_t)(end - from - 2);
        const char *value = value_of(player, from + 2, len);
        if (value != NULL) {
            used += (size_t)sprintf(to + used, "%s", value);
        } else {
            assert_true(len < 32 && *unknown_count < 8);
            memcpy(unknown[*unknown_count], from + 2, len);
            unknown[(*unknown_count)++][len] = '\0';
            to[used++] = '\1';
        }
        from = end + 2;
    }
    to[used] = '\0';
}

// Matches with \1 standing for one word of letters, digits and '-', whose places are kept.
static bool match(const char *pattern, const char *text, const char *words[8], size_t lens[8], int index) {
    for (; *pattern != '\0'; pattern++, text++) {
        if (*pattern == '*') {
            for (const char *rest = text;; rest++) {
                if (match(pattern + 1, rest, words, lens, index))
                    return true;
                if (*rest == '\0')
                    return false;
            }
        }
        if (*pattern == '\1') {
            size_t len = 0;
            while (isalnum((unsigned char)text[len]) || text[len] == '-')
                len++;
            words[index] = text;
            lens[index++] = len;
            if (len == 0)
                return false;
            text += len - 1;
        } else if (*pattern != *text) {
            return false;
        }
    }
    return *text == '\0';
}

static struct core_peer *peer_of(struct player *player, char letter) {
    int index = letter - 'a';
    assert_true(index >= 0 && index < PEERS);
    if (!player->is_open) {
        core_fixture_open(&player->fixture, true);
        player->is_open = true;
    }
    if (player->peers[index] == NULL) {
        const char *refusal;
        player->peers[index] = core_peer_connect(&player->fixture, &refusal);
        if (player->peers[index] == NULL)
            complain(player, "refused", "a connection", refusal);
    }
    return player->peers[index];
}

static void settle(struct player *player) {
    for (int i = 0; i < 4; i++) {
        core_fixture_turn(&player->fixture);
        core_fixture_sync(&player->fixture);
    }
}

static void send_line(struct player *player, char letter, const char *line) {
    char text[LINE], unknown[8][32];
    int count;
    expand(player, line, text, unknown, &count);
    if (count > 0)
        complain(player, "unknown variable", "one that was kept", unknown[0]);
    struct core_peer *peer = peer_of(player, letter);
    if (peer->connection == NULL)
        complain(player, "the peer is closed", "open", "closed");
    core_peer_line(peer, text);
    settle(player);
}

static void expect_line(struct player *player, char letter, const char *line) {
    char *answer = core_peer_next(peer_of(player, letter));
    if (strcmp(line, "nothing") == 0) {
        if (answer != NULL)
            complain(player, "there is a reply", "nothing", answer);
        return;
    }
    char pattern[LINE], unknown[8][32];
    int count;
    expand(player, line, pattern, unknown, &count);
    const char *words[8];
    size_t lens[8];
    if (answer == NULL || !match(pattern, answer, words, lens, 0))
        complain(player, "another reply", line, answer != NULL ? answer : "nothing");
    for (int i = 0; i < count; i++) {
        assert_true(player->variable_count < VARIABLES && lens[i] < 128);
        size_t at = player->variable_count++;
        snprintf(player->variables[at].name, sizeof player->variables[at].name, "%.31s", unknown[i]);
        memcpy(player->variables[at].value, words[i], lens[i]);
        player->variables[at].value[lens[i]] = '\0';
    }
    free(answer);
}

static void add_user(struct player *player, const char *line) {
    if (player->fixture.credentials == NULL)
        player->fixture.credentials = fq_credentials_new();
    assert_non_null(player->fixture.credentials);
    char user[64], roles[64], token[64];
    assert_int_equal(sscanf(line, "%63s %63s %63s", user, roles, token), 3);
    unsigned mask = 0;
    mask |= strstr(roles, "submit") != NULL ? FQ_ROLE_SUBMIT : 0u;
    mask |= strstr(roles, "work") != NULL ? FQ_ROLE_WORK : 0u;
    mask |= strstr(roles, "read") != NULL ? FQ_ROLE_READ : 0u;
    mask |= strstr(roles, "admin") != NULL ? FQ_ROLE_ADMIN : 0u;
    mask |= strstr(roles, "all") != NULL ? FQ_ROLE_ALL : 0u;
    assert_int_equal(
        fq_credentials_add_token(player->fixture.credentials, fq_str_of(user), mask, fq_str_of(token)), 0);
}

static void play_line(struct player *player, char *line) {
    char letter;
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#')
        return;
    if (line[0] == '>' || line[0] == '<') {
        (line[0] == '>' ? send_line : expect_line)(player, 'a', line + 2);
    } else if (line[0] >= 'a' && line[0] <= 'z' && (line[1] == '>' || line[1] == '<')) {
        (line[1] == '>' ? send_line : expect_line)(player, line[0], line + 3);
    } else if (strncmp(line, "wait ", 5) == 0) {
        core_fixture_advance(&player->fixture, atoll(line + 5));
        settle(player);
    } else if (sscanf(line, "close %c", &letter) == 1) {
        peer_of(player, letter);
        player->peers[letter - 'a'] = core_peer_free(player->peers[letter - 'a']);
    } else if (sscanf(line, "closed %c", &letter) == 1) {
        if (!peer_of(player, letter)->was_cut)
            complain(player, "the peer is open", "closed", "open");
    } else if (strncmp(line, "user ", 5) == 0) {
        add_user(player, line + 5);
    } else {
        complain(player, "what is this line?", "a line of a transcript", line);
    }
}

static void nothing_is_left_over(struct player *player) {
    for (int i = 0; i < PEERS; i++) {
        char *answer = player->peers[i] != NULL ? core_peer_next(player->peers[i]) : NULL;
        if (answer != NULL)
            complain(player, "a reply that nobody expected", "the end", answer);
    }
}

static void play(const char *path, enum keeper_storage storage) {
    struct player *player = calloc(1, sizeof *player);
    assert_non_null(player);
    core_fixture_init(&player->fixture);
    player->fixture.keeper_storage = storage;
    player->file = path;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[LINE];
    while (fgets(line, sizeof line, file) != NULL) {
        player->line++;
        play_line(player, line);
    }
    fclose(file);
    assert_true(player->is_open);
    nothing_is_left_over(player);
    for (int i = 0; i < PEERS; i++)
        core_peer_free(player->peers[i]);
    if (storage != KEEPER_NONE)
        core_fixture_check_kept(&player->fixture);
    core_fixture_close(&player->fixture);
    free(player);
}

static int is_transcript(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

static void play_all(enum keeper_storage storage) {
    const char *folder = FQ_SOURCE_DIR "/tests/transcripts";
    struct dirent **entries;
    int count = scandir(folder, &entries, is_transcript, alphasort);
    assert_true(count >= 8);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        print_message("  %s\n", entries[i]->d_name);
        play(path, storage);
        free(entries[i]);
    }
    free(entries);
}

static void with_a_journal_that_keeps_nothing(void **state) {
    (void)state;
    play_all(KEEPER_NONE);
}
static void with_a_journal_in_files(void **state) {
    (void)state;
    play_all(KEEPER_FILES);
}
static void with_a_journal_in_a_replicated_log(void **state) {
    (void)state;
    play_all(KEEPER_LOG);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(with_a_journal_that_keeps_nothing),
                                       cmocka_unit_test(with_a_journal_in_files),
                                       cmocka_unit_test(with_a_journal_in_a_replicated_log)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
