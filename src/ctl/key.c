/*
 * key.c: the life of a signing key, one step a verb: published before it signs, so that whoever
 * verifies knows it when its first token comes; then active; then retired, but published until its
 * last token has expired; then gone. A step that is too early is refused unless --now insists. That
 * a key is retired by its files does not keep a worker from signing with it which was not reloaded;
 * who signs with it, and when somebody last did, the database says. The
 * configuration is the auth pool's own, which says where keys are and how long tokens live; the one
 * audit event of a step is written last, as files cannot be rolled back.
 */
#include "ctl/key.h"

#include "auth/generate.h"
#include "base/timestamp.h"
#include "ctl/keyring.h"
#include "ctl/output.h"

/* Seconds from 1970 to 2000, where our timestamps begin. */
#define EPOCH_2000 INT64_C(946684800)

/* --- what the verbs share --- */

static enum ctl_exit open_keyring(struct ctl *ctl, struct keyring *keyring)
{
    enum ctl_exit code = ctl_configure(ctl);

    return code == CTL_DONE ? keyring_open(keyring, ctl->config) : code;
}

/* Records what has been done, or could not be. The outcome of the verb. */
static enum ctl_exit record(
    struct ctl *ctl, const char *action, const char *kid, enum ctl_exit outcome)
{
    enum ctl_exit code = ctl_audit(ctl, &(struct ctl_event){.action = action,
                                            .target_type = "key",
                                            .outcome = outcome == CTL_DONE ? "success" : "failure",
                                            .subject = kid});

    return outcome == CTL_DONE ? code : outcome;
}

/* Something speaks against it: with --now it is done all the same. */
static enum ctl_exit object(const struct ctl *ctl, const char *why)
{
    if (ctl->option[CTL_NOW] == NULL)
        return ctl_fail("%s (--now insists)", why);
    fprintf(stderr, "petsctl: %s\n", why);
    return CTL_DONE;
}

/* Whether a key may take its next step; with --now it may in any case. */
static enum ctl_exit check_ready(
    const struct ctl *ctl, const struct keyring_key *key, const char *why)
{
    int64_t wait_s = key->ready - time(NULL);

    if (wait_s <= 0)
        return CTL_DONE;
    if (ctl->option[CTL_NOW] == NULL)
        return ctl_fail("%s: %" PRId64 " s too early (--now insists)", why, wait_s);
    fprintf(stderr, "petsctl: %" PRId64 " s too early: tokens may be refused meanwhile\n", wait_s);
    return CTL_DONE;
}

/* --- who signs --- */

/* Asks the database; connected already. */
static enum ctl_exit ask_evidence(
    struct ctl *ctl, const struct keyring *keyring, struct keyring_key *key)
{
    struct query *query = ctl_query(ctl, STATEMENT_SIGNING_KEY_EVIDENCE);
    const struct rows *rows = &query->rows;

    query_string(query, key->kid);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    if (rows->count != 1)
        return ctl_complain(ERR_INTERNAL);
    key->connections = rows_int4(rows, 0, 1);
    if (!rows_null(rows, 0, 0))
        keyring_signed(keyring, key, rows_timestamp(rows, 0, 0) / 1000000 + EPOCH_2000);
    return CTL_DONE;
}

/*
 * Nobody may sign with it any more. That no connection says so is no proof while the workers are
 * away; that those of the key which signs now are there is one.
 */
static enum ctl_exit check_unused(
    struct ctl *ctl, const struct keyring *keyring, const struct keyring_key *key)
{
    struct keyring_key active;
    enum ctl_exit code = CTL_DONE;

    if (key->connections > 0)
        return object(ctl, "workers still sign with this key: reload the auth pool, everywhere, "
                           "and wait until the old ones have left");
    if (keyring->active[0] != '\0')
        code = keyring_look(keyring, keyring->active, &active);
    if (code == CTL_DONE && keyring->active[0] != '\0')
        code = ask_evidence(ctl, keyring, &active);
    if (code != CTL_DONE)
        return code;
    return keyring->active[0] != '\0' && active.connections > 0
               ? CTL_DONE
               : object(ctl, "no worker signs with the active key: is the auth pool running?");
}

/* --- new --- */

static enum ctl_exit print_kid(struct ctl *ctl, const char *kid)
{
    static const struct output_column columns[] = {{"kid", OUTPUT_TEXT}};
    struct output *output = output_new(ctl, columns, countof(columns));

    output_string(output, kid);
    if (ctl->option[CTL_JSON] != NULL)
        output_object(output);
    else
        puts(kid);
    return CTL_DONE;
}

/* Before there is anything: both halves in one directory, and nobody to tell. */
static enum ctl_exit new_in_directory(struct ctl *ctl, const char *dir)
{
    char kid[KEY_ID_LENGTH + 1];
    char error[512];

    if (generate_key(dir, dir, kid, error, sizeof error) == -1)
        return ctl_fail("%s", error);
    return print_kid(ctl, kid);
}

enum ctl_exit key_new(struct ctl *ctl)
{
    struct keyring keyring;
    char kid[KEY_ID_LENGTH + 1];
    char error[512];
    enum ctl_exit code;

    if ((ctl->file != NULL) == (ctl->count == 1))
        return ctl_misuse("key new takes a directory, or a configuration: -c FILE");
    if (ctl->count == 1)
        return new_in_directory(ctl, ctl->arguments[0]);
    code = open_keyring(ctl, &keyring);
    if (code == CTL_DONE)
        code = ctl_connect_audit(ctl);
    if (code != CTL_DONE)
        return code;
    if (generate_key(keyring.dir, ctl->config->token.public_keys_dir, kid, error, sizeof error) ==
        -1)
        return record(ctl, "sensitive_create", NULL, ctl_fail("%s", error));
    code = record(ctl, "sensitive_create", kid, CTL_DONE);
    return code == CTL_DONE ? print_kid(ctl, kid) : code;
}

/* --- list --- */

/* What can be done next, for people; it can be done in `wait_s`, if that is not 0. */
static const char *next_step(const struct keyring_key *key)
{
    switch (key->state) {
    case KEY_PUBLISHED:
        return key->private ? "activate" : "nothing: its private half is not here";
    case KEY_RETIRED:
        return key->connections > 0 ? "reload the auth pool: it signs still" : "retire";
    case KEY_ACTIVE:
        break;
    }
    return key->connections == 0 ? "reload the auth pool: nobody signs with it yet"
                                 : "nothing: activate another one";
}

static void put_time(struct output *output, int64_t seconds)
{
    if (seconds == 0)
        output_null(output);
    else
        output_timestamp(output, (seconds - EPOCH_2000) * 1000000);
}

static void put_key(struct output *output, const struct keyring_key *key)
{
    static const char *const states[] = {
        [KEY_PUBLISHED] = "published", [KEY_ACTIVE] = "active", [KEY_RETIRED] = "retired"};

    output_string(output, key->kid);
    output_string(output, states[key->state]);
    put_time(output, key->published);
    put_time(output, key->stopped);
    put_time(output, key->signed_at);
    if (key->connections == -1)
        output_null(output);
    else
        output_int(output, key->connections);
    output_int(output, MAX(key->ready - time(NULL), INT64_C(0)));
    output_string(output, next_step(key));
}

/* The files are listed also when the database is away, which has been complained of. */
enum ctl_exit key_list(struct ctl *ctl)
{
    static const struct output_column columns[] = {{"kid", OUTPUT_TEXT}, {"state", OUTPUT_TEXT},
        {"published_at", OUTPUT_TIMESTAMP}, {"stopped_at", OUTPUT_TIMESTAMP},
        {"signed_at", OUTPUT_TIMESTAMP}, {"connections", OUTPUT_INT4}, {"wait_s", OUTPUT_INT8},
        {"next", OUTPUT_TEXT}};
    struct output *output = output_new(ctl, columns, countof(columns));
    struct keyring_key keys[KEYS_MAX];
    struct keyring keyring;
    enum ctl_exit code = open_keyring(ctl, &keyring);
    bool asked;
    int count;

    if (code != CTL_DONE)
        return code;
    count = keyring_list(&keyring, keys);
    if (count == -1)
        return CTL_FAILED;
    asked = ctl_connect_auth(ctl) == CTL_DONE;
    for (int i = 0; i < count; i++) {
        asked = asked && ask_evidence(ctl, &keyring, &keys[i]) == CTL_DONE;
        put_key(output, &keys[i]);
    }
    output_list(output);
    return CTL_DONE;
}

/* --- activate, retire --- */

/* The key that the command line names, in this keyring. */
static enum ctl_exit find(struct ctl *ctl, struct keyring *keyring, struct keyring_key *key)
{
    enum ctl_exit code = open_keyring(ctl, keyring);

    return code == CTL_DONE ? keyring_look(keyring, ctl->arguments[0], key) : code;
}

enum ctl_exit key_activate(struct ctl *ctl)
{
    struct keyring keyring;
    struct keyring_key key;
    enum ctl_exit code = find(ctl, &keyring, &key);

    if (code != CTL_DONE)
        return code;
    if (key.state == KEY_ACTIVE) {
        fprintf(stderr, "petsctl: it was so already\n");
        return CTL_DONE;
    }
    /* One that has signed before is known already. */
    if (key.state == KEY_PUBLISHED)
        code = check_ready(ctl, &key, "others may not know this key yet");
    if (code == CTL_DONE)
        code = ctl_connect_audit(ctl);
    if (code != CTL_DONE)
        return code;
    code = record(ctl, "sensitive_update", key.kid, keyring_activate(&keyring, key.kid));
    if (code == CTL_DONE)
        puts(ctl->config->token.signing_key_file[0] == '/'
                 ? "Reload the auth pool now: until then the old key goes on signing."
                 : "Restart the auth pool now: until it gets its credentials anew the old key goes "
                   "on signing.");
    return code;
}

enum ctl_exit key_retire(struct ctl *ctl)
{
    struct keyring keyring;
    struct keyring_key key;
    enum ctl_exit code = find(ctl, &keyring, &key);

    if (code != CTL_DONE)
        return code;
    if (key.state == KEY_ACTIVE)
        return ctl_fail("this key signs: activate another one first");
    if (key.state == KEY_PUBLISHED && ctl->option[CTL_NOW] == NULL)
        return ctl_fail("this key has not been active (--now insists)");
    code = ctl_connect_auth(ctl);
    if (code == CTL_DONE)
        code = ask_evidence(ctl, &keyring, &key);
    if (code == CTL_DONE)
        code = check_unused(ctl, &keyring, &key);
    if (code == CTL_DONE && key.state == KEY_RETIRED)
        code = check_ready(ctl, &key, "tokens that it has signed may still be good");
    if (code != CTL_DONE)
        return code;
    code = record(ctl, "sensitive_delete", key.kid, keyring_remove(&keyring, key.kid));
    if (code == CTL_DONE)
        puts("Reload both pools: until then they know the key.");
    return code;
}
