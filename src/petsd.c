/*
 * petsd.c: the daemon: its command line, and the body of a worker, where the floors are put
 * together: secrets are read first, so that a worker that lacks one never gets ready and never
 * replaces one that serves.
 */
#include "base/base.h"

#include <getopt.h>

#include "api/routes.h"
#include "api/service.h"
#include "auth/api_key.h"
#include "auth/bookmark.h"
#include "auth/digest.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/timestamp.h"
#include "db/db.h"
#include "http/fastcgi.h"
#include "http/server.h"
#include "pool/askers.h"
#include "pool/master.h"

#include "config.h"

extern char **environ;

enum { ERROR_SIZE = 512, KEYS_LOOK_US = 10 * 1000 * 1000, RELOAD_MARGIN_MS = 5000 };

static bool pool_is(const struct config *config, const char *name)
{
    return strcmp(config->pool.name, name) == 0;
}

/* --- secrets and keys --- */

static int check_password_file(const struct config *config, char *error, size_t size)
{
    char *password;

    if (config->database.password_file[0] == '\0')
        return 0;
    password = secret_read_line(config->database.password_file, error, size);
    if (password == NULL)
        return -1;
    secret_free(password, strlen(password));
    return 0;
}

static void service_release(struct service *service)
{
    hasher_free(service->hasher);
    bookmark_free(service->bookmark);
    token_verifier_free(service->verifier);
    keys_free(service->keys);
    pepper_free(service->pepper);
    pepper_free(service->previous_pepper);
    seal_free(service->seal);
    explicit_bzero(&service->refresh_keys, sizeof service->refresh_keys);
    explicit_bzero(&service->link_key, sizeof service->link_key);
    password_rules_free(service->rules);
}

/* The current pepper, and perhaps a second one. */
static int load_peppers(
    struct service *service, const struct config *config, char *error, size_t size)
{
    const char *previous = config->password.previous_pepper_file;

    service->pepper = pepper_read(config->password.pepper_file, error, size);
    if (service->pepper == NULL)
        return -1;
    if (previous[0] == '\0')
        return 0;
    service->previous_pepper = pepper_read(previous, error, size);
    return service->previous_pepper == NULL ? -1 : 0;
}

/* Everything that is read from a file: secrets, keys, lists. The ops worker needs the database's
 * password alone. */
static int service_load(struct service *service, const struct config *config, enum worker_kind kind,
    char *error, size_t size)
{
    service->config = config;
    if (check_password_file(config, error, size) != 0)
        return -1;
    if (kind == WORKER_OPS)
        return 0;
    service->keys = keys_load(config, error, size);
    if (service->keys == NULL)
        return -1;
    service->verifier = token_verifier_new(config, service->keys, error, size);
    if (service->verifier == NULL)
        return -1;
    service->bookmark = bookmark_read(
        config->http.cursor_key_file, config->http.previous_cursor_key_file, error, size);
    if (service->bookmark == NULL)
        return -1;
    if (!pool_is(config, "auth"))
        return 0;
    if (load_peppers(service, config, error, size) != 0)
        return -1;
    service->rules = password_rules_new(config, error, size);
    if (service->rules == NULL)
        return -1;
    if (config->mail.mode && server_key_read(config->mail.link_key_file, LINK_PURPOSE,
                                 &service->link_key, error, size) != 0)
        return -1;
    service->seal =
        seal_read(config->mfa.key_file, config->mfa.previous_key_file, FACTOR_PURPOSE, error, size);
    if (service->seal == NULL)
        return -1;
    return refresh_keys_read(&service->refresh_keys, config, error, size);
}

/* --- the body of a worker --- */

/* Only the database knows whether it is one: enter_key asks. */
static enum err take_api_key(const char *text, size_t length, struct principal *principal)
{
    struct api_key key;

    principal->key = true;
    if (!api_key_parse(text, length, &key))
        return ERR_TOKEN_INVALID;
    principal->account = key.account;
    principal->session = key.id;
    memcpy(principal->key_hash, key.hash, sizeof principal->key_hash);
    explicit_bzero(&key, sizeof key);
    return ERR_NONE;
}

/*
 * A kid that is not known may be that of a key which is new, when the other pool was reloaded
 * first. Then the directory is read again: small files, and not more often than the world may make
 * us. True when there are other keys now.
 */
static bool look_for_keys(struct service *service)
{
    int64_t now_us = base_now_us();
    char error[ERROR_SIZE] = "";
    int found;

    if (service->keys_looked_us != 0 && now_us - service->keys_looked_us < KEYS_LOOK_US)
        return false;
    service->keys_looked_us = now_us;
    slot_count(service->slot, COUNTER_KEY_LOOKUPS);
    found = keys_renew(service->keys, service->config, error, sizeof error);
    if (found == -1)
        log_event(LEVEL_ERROR, "keys_unreadable", log_str("error", error));
    if (found == 1) {
        token_verifier_renew(service->verifier);
        log_event(LEVEL_INFO, "keys_renewed", log_int("keys", keys_count(service->keys)));
    }
    return found == 1;
}

static enum err verify(
    struct service *service, const char *token, size_t length, struct claims *claims)
{
    int64_t now = timestamp_epoch_s(timestamp_now());
    enum err err = token_verify(service->verifier, token, length, now, claims);

    if (err == ERR_TOKEN_INVALID && token_was_unknown(service->verifier) && look_for_keys(service))
        err = token_verify(service->verifier, token, length, now, claims);
    return err;
}

static enum err authenticate(
    struct app *app, const char *token, size_t length, struct principal *principal)
{
    struct service *service = app->service;
    struct claims claims;
    enum err err;

    principal->key = false;
    if (api_key_is(token, length))
        return take_api_key(token, length, principal);
    err = verify(service, token, length, &claims);
    if (err != ERR_NONE) {
        slot_count(service->slot, COUNTER_TOKENS_REFUSED);
        return err;
    }
    slot_count(service->slot,
        token_was_cached(service->verifier) ? COUNTER_TOKENS_CACHED : COUNTER_TOKENS_VERIFIED);
    principal->account = claims.account;
    principal->session = claims.session;
    return ERR_NONE;
}

static char *make_cursor(
    struct app *app, struct arena *arena, const struct text *context, const struct text *position)
{
    const struct service *service = app->service;

    return bookmark_make(service->bookmark, arena, context, position);
}

static bool open_cursor(struct app *app, struct arena *arena, const struct text *context,
    const struct text *cursor, struct text *position)
{
    const struct service *service = app->service;

    return bookmark_open(service->bookmark, arena, context, cursor, position);
}

static unsigned statement_pool(const struct config *config)
{
    return pool_is(config, "auth") ? STATEMENT_POOL_AUTH : STATEMENT_POOL_API;
}

static unsigned route_pool(const struct worker *worker)
{
    if (worker->kind == WORKER_OPS)
        return ROUTE_OPS;
    return pool_is(worker->config, "auth") ? ROUTE_AUTH : ROUTE_API;
}

/* Of the key that tokens are signed with here; NULL: none are. */
static const char *signing_kid(const struct service *service)
{
    const struct key *key = service->keys == NULL ? NULL : keys_signing(service->keys);

    return key == NULL ? NULL : key_id(key);
}

static void on_settled(void *worker)
{
    worker_ready(worker);
}

static enum worker_exit run_app(struct worker *worker, struct service *service)
{
    struct app app = {.worker = worker,
        .table = &routes,
        .pools = route_pool(worker),
        .authenticate = authenticate,
        .cursor_make = make_cursor,
        .cursor_open = open_cursor,
        .digest = digest_sha256,
        .service = service};
    struct db_options options = {.config = worker->config,
        .connections = worker->kind == WORKER_OPS ? 1 : worker->config->database.connections,
        .pools = statement_pool(worker->config),
        .signs = signing_kid(service),
        .probe = worker->kind == WORKER_OPS,
        .slot = worker->slot,
        .settled = on_settled,
        .context = worker};
    struct server *server = server_new(worker, &app);
    int result;

    if (service->keys != NULL)
        worker->slot->signing_key_s = keys_signing_published(service->keys, worker->config);
    if (signing_kid(service) == NULL)
        snprintf(app.name, sizeof app.name, "pets-api/%s ", worker->config->pool.name);
    if (server == NULL) {
        log_event(LEVEL_ERROR, "worker_failed", log_errno(errno));
        return WORKER_EXIT_FAILED;
    }
    app.db = db_new(worker->loop, &options);
    if (service->hasher != NULL)
        service->rehasher = rehasher_new(service->hasher, app.db, service->pepper, worker);
    result = loop_run(worker->loop);
    server_free(server);
    rehasher_free(service->rehasher);
    db_free(app.db);
    return result == 0 ? WORKER_EXIT_OK : WORKER_EXIT_FAILED;
}

static enum worker_exit serve(struct worker *worker)
{
    struct service service = {.scoreboard = worker->scoreboard,
        .slot = worker->slot,
        .listen_fd = worker->pool_listen_fd};
    enum worker_exit result = WORKER_EXIT_CONFIG;
    char error[ERROR_SIZE] = "";

    if (service_load(&service, worker->config, worker->kind, error, sizeof error) != 0) {
        log_event(LEVEL_ERROR, "secret_unreadable", log_str("error", error));
    } else if (fastcgi_init() != 0) {
        result = WORKER_EXIT_FAILED;
        log_event(LEVEL_ERROR, "worker_failed", log_str("error", "libfcgi cannot be initialized"));
    } else if (service.pepper != NULL &&
               (service.hasher = hasher_new(worker, service.pepper)) == NULL) {
        result = WORKER_EXIT_FAILED;
        log_event(LEVEL_ERROR, "worker_failed", log_errno(errno));
    } else {
        result = run_app(worker, &service);
    }
    service_release(&service);
    return result;
}

/* --- the command line --- */

static void stop_loop(void *loop)
{
    loop_stop(loop);
}

/* Connects and prepares every statement of the pool, as a worker would. */
static int test_database(const struct config *config)
{
    struct loop *loop = loop_new();
    struct db_options options = {.config = config,
        .connections = 1,
        .pools = statement_pool(config),
        .settled = stop_loop,
        .context = loop};
    struct db *db;
    int ready;

    if (loop == NULL) {
        fprintf(stderr, "petsd: %s\n", strerror(errno));
        return -1;
    }
    db = db_new(loop, &options);
    if (db_ready(db) == 0 && db_last_error(db)[0] == '\0')
        loop_run(loop);
    ready = db_ready(db);
    if (ready == 0)
        fprintf(stderr, "petsd: database: %s\n", db_last_error(db));
    db_free(db);
    loop_free(loop);
    return ready > 0 ? 0 : -1;
}

static int test_all(const struct config *config, bool database)
{
    struct service service = {0};
    char error[ERROR_SIZE] = "";
    /* That of a tool has no pool's secrets. */
    bool serves = pool_is(config, "api") || pool_is(config, "auth");
    int result =
        service_load(&service, config, serves ? WORKER_POOL : WORKER_OPS, error, sizeof error);

    service_release(&service);
    if (result != 0)
        fprintf(stderr, "petsd: %s\n", error);
    else if (database)
        result = test_database(config);
    if (result != 0)
        return EXIT_FAILURE;
    printf("petsd: %s is good%s\n", config->path,
        database ? ", and the database prepares every statement" : "");
    return EXIT_SUCCESS;
}

/*
 * The configuration has been read and is good, or this would not be called. Secrets are left to the
 * new workers: in a unit, systemd shows them to the pool alone.
 */
static int reload(const struct config *config, const char *text)
{
    char *end;
    long pid = strtol(text, &end, 10);
    int result;

    if (pid <= 1 || pid > INT_MAX || *end != '\0') {
        fprintf(stderr, "petsd: \"%s\" is not the id of a process\n", text);
        return 2;
    }
    /* One that is going on may have to end first. */
    result = askers_ask((pid_t)pid, 2 * config->pool.start_timeout_ms + RELOAD_MARGIN_MS);
    if (result == 1) {
        puts("petsd: reloaded");
        return EXIT_SUCCESS;
    }
    if (result == 0)
        fputs("petsd: not reloaded, and the pool serves as before; its log says why\n", stderr);
    else
        fprintf(stderr, "petsd: process %ld, which is to reload: %s\n", pid,
            errno == ETIMEDOUT ? "no answer" : strerror(errno));
    return EXIT_FAILURE;
}

/* The environment is not a source of configuration, for us or for libpq; only what systemd says is
 * kept. */
static void clean_environment(void)
{
    char name[64];

    for (char **entry = environ; *entry != NULL;) {
        size_t length = strcspn(*entry, "=");

        if (strncmp(*entry, "PG", 2) == 0 && length < sizeof name) {
            memcpy(name, *entry, length);
            name[length] = '\0';
            unsetenv(name);
            entry = environ;
        } else {
            entry++;
        }
    }
    unsetenv("FCGI_WEB_SERVER_ADDRS");
    unsetenv("SSLKEYLOGFILE");
}

static const char *statement_name(int statement)
{
    return statement >= 0 && statement < STATEMENT_COUNT ? statements[statement].name : NULL;
}

/* Who only helps out leaves the ops socket, and so the numbers, to the one that it relieves. */
static int run(struct config *config, bool relief)
{
    static const struct master_names names = {routes_name, statement_name};

    if (relief)
        config->pool.ops_listen = "";
    return master_run(config, serve, &names);
}

static void usage(FILE *out)
{
    fputs(
        "usage: petsd -c FILE [--relief]     run the pool that FILE configures, in the foreground\n"
        "       petsd -c FILE -t [-d]        test the configuration; -d: prepare every statement, "
        "too\n"
        "       petsd -c FILE -T             print every option with its value, default and range\n"
        "       petsd -c FILE --reload PID   test it, let the master PID reload, say how that "
        "went\n"
        "       petsd --routes               print the table of routes\n"
        "       petsd --fields               print the fields of each route's body and query "
        "string\n"
        "       petsd --version\n",
        out);
}

struct arguments {
    const char *file;
    const char *reload; /* the master's process id */
    bool test, database, dump, relief;
};

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"fields", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'}, {"relief", no_argument, NULL, 'R'},
        {"reload", required_argument, NULL, 'l'}, {"routes", no_argument, NULL, 'r'},
        {"version", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "c:tdTh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            arguments->file = optarg;
            break;
        case 't':
            arguments->test = true;
            break;
        case 'd':
            arguments->database = true;
            break;
        case 'T':
            arguments->dump = true;
            break;
        case 'f':
            routes_print_fields(stdout);
            return EXIT_SUCCESS;
        case 'R':
            arguments->relief = true;
            break;
        case 'l':
            arguments->reload = optarg;
            break;
        case 'r':
            routes_print(stdout);
            return EXIT_SUCCESS;
        case 'v':
            puts(PACKAGE_STRING);
            return EXIT_SUCCESS;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (arguments->file != NULL && optind == argc && (!arguments->database || arguments->test) &&
        arguments->relief + arguments->test + (arguments->reload != NULL) < 2)
        return -1;
    usage(stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    int status = parse_arguments(argc, argv, &arguments);
    const char *secret = config_secret_in_environment();
    char error[ERROR_SIZE] = "";
    struct config *config;

    if (status >= 0)
        return status;
    if (secret != NULL) {
        fprintf(stderr,
            "petsd: %s is set: secrets come from protected files, never from the environment\n",
            secret);
        return WORKER_EXIT_CONFIG;
    }
    clean_environment();
    config = config_read(arguments.file, error, sizeof error);
    if (config == NULL) {
        fprintf(stderr, "petsd: %s\n", error);
        return WORKER_EXIT_CONFIG;
    }
    if (!arguments.test && !arguments.dump && arguments.reload == NULL)
        return run(config, arguments.relief);
    log_threshold(LEVEL_ERROR);
    if (arguments.dump)
        config_dump(config, stdout);
    status = EXIT_SUCCESS;
    if (arguments.reload != NULL)
        status = reload(config, arguments.reload);
    else if (arguments.test)
        status = test_all(config, arguments.database);
    config_free(config);
    return status;
}
