/*
 * ctl.c: the conversation of petsctl with the database is that of a worker, on a loop of its own
 * that runs only as long as one query is on its way: the same statements, the same pipeline, the
 * same outcomes, and still code that reads from top to bottom.
 */
#include "ctl/ctl.h"

#include "base/log.h"
#include "db/db.h"

#include <pwd.h>

struct ctl_database {
    struct loop *loop;
    struct db *db;
};

/* --- complaints --- */

static void complain(const char *format, va_list values)
{
    fputs("petsctl: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
}

enum ctl_exit ctl_fail(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    complain(format, values);
    va_end(values);
    return CTL_FAILED;
}

enum ctl_exit ctl_misuse(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    complain(format, values);
    va_end(values);
    fputs("Try: petsctl --help\n", stderr);
    return CTL_MISUSED;
}

enum ctl_exit ctl_absent(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    complain(format, values);
    va_end(values);
    return CTL_ABSENT;
}

enum ctl_exit ctl_complain(enum err err)
{
    const char *title = err_info(err)->title;

    return err == ERR_NOT_FOUND ? ctl_absent("%s", title) : ctl_fail("database: %s", title);
}

/* --- who --- */

/* The user that logged in, or -1 when the kernel does not know. */
static uid_t login_user(void)
{
    FILE *in = fopen("/proc/self/loginuid", "re");
    char line[16] = "";
    char *end = line;
    unsigned long uid = (uid_t)-1;

    if (in == NULL)
        return (uid_t)-1;
    if (fgets(line, sizeof line, in) != NULL)
        uid = strtoul(line, &end, 10);
    fclose(in);
    return end == line || uid > UINT32_MAX ? (uid_t)-1 : (uid_t)uid;
}

const char *ctl_operator(void)
{
    uid_t login = login_user();
    const struct passwd *entry = getpwuid(login == (uid_t)-1 ? getuid() : login);

    return entry == NULL ? "unknown" : entry->pw_name;
}

/* --- configuration --- */

/* libpq listens to many variables; the configuration alone is to decide. */
static void forget_environment(void)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *kept = directory == NULL ? NULL : strdup(directory);

    clearenv();
    if (kept != NULL)
        setenv("CREDENTIALS_DIRECTORY", kept, 1);
    free(kept);
}

enum ctl_exit ctl_configure(struct ctl *ctl)
{
    const char *secret = config_secret_in_environment();
    char error[512];

    if (ctl->config != NULL)
        return CTL_DONE;
    if (secret != NULL)
        return ctl_fail("%s: secrets are taken from files, not from the environment", secret);
    forget_environment();
    ctl->config = config_read(ctl->file, error, sizeof error);
    if (ctl->config == NULL)
        return ctl_fail("%s", error);
    log_threshold(LEVEL_ERROR);
    return CTL_DONE;
}

/* --- the database --- */

/* The pool of a configuration, as a bit; 0: none that the tool can act for. */
static unsigned pool_of(const struct config *config)
{
    static const struct {
        const char *name;
        unsigned pool;
    } pools[] = {{"ops", STATEMENT_POOL_OPS}, {"auth", STATEMENT_POOL_AUTH},
        {"mail", STATEMENT_POOL_MAIL}, {"prune", STATEMENT_POOL_PRUNE}};

    for (size_t i = 0; i < countof(pools); i++)
        if (strcmp(pools[i].name, config->pool.name) == 0)
            return pools[i].pool;
    return 0;
}

/* May be called before db_new has returned: then the loop ends as soon as it runs. */
static void settled(void *context)
{
    loop_stop(context);
}

/* With a configuration of one of these pools, whose names are said in words. */
static enum ctl_exit converse(struct ctl *ctl, unsigned pools, const char *names)
{
    enum ctl_exit code = ctl_configure(ctl);
    struct db_options options = {.connections = 1, .settled = settled};
    struct loop *loop;

    if (code != CTL_DONE || ctl->database != NULL)
        return code;
    options.pools = pool_of(ctl->config);
    if ((options.pools & pools) == 0)
        return ctl_fail("%s: pool.name must be %s for this", ctl->file, names);
    loop = loop_new();
    if (loop == NULL)
        return ctl_fail("%s", strerror(errno));
    options.config = ctl->config;
    options.context = loop;
    ctl->database = arena_zalloc(ctl->arena, sizeof *ctl->database);
    ctl->database->loop = loop;
    ctl->database->db = db_new(loop, &options);
    if (loop_run(loop) == -1)
        return ctl_fail("%s", strerror(errno));
    if (db_ready(ctl->database->db) == 0)
        return ctl_fail("database: %s", db_last_error(ctl->database->db));
    return CTL_DONE;
}

enum ctl_exit ctl_connect(struct ctl *ctl)
{
    return converse(ctl, STATEMENT_POOL_OPS, "ops");
}

enum ctl_exit ctl_connect_mail(struct ctl *ctl)
{
    return converse(ctl, STATEMENT_POOL_MAIL, "mail");
}

enum ctl_exit ctl_connect_prune(struct ctl *ctl)
{
    return converse(ctl, STATEMENT_POOL_PRUNE, "prune");
}

enum ctl_exit ctl_connect_audit(struct ctl *ctl)
{
    return converse(ctl, STATEMENT_POOL_AUTH | STATEMENT_POOL_OPS, "auth or ops");
}

enum ctl_exit ctl_connect_auth(struct ctl *ctl)
{
    return converse(ctl, STATEMENT_POOL_AUTH, "auth");
}

struct query *ctl_query(struct ctl *ctl, enum statement_id statement)
{
    struct query *query = arena_zalloc(ctl->arena, sizeof *query);

    query_init(query, ctl->arena, statement);
    return query;
}

static void answered(struct query *query)
{
    loop_stop(query->owner);
}

enum err ctl_ask(struct ctl *ctl, struct query *query)
{
    query->owner = ctl->database->loop;
    query->done = answered;
    query->err = db_submit(ctl->database->db, query);
    if (query->err == ERR_NONE && loop_run(ctl->database->loop) == -1)
        query->err = ERR_INTERNAL;
    return query->err;
}

enum ctl_exit ctl_audit(struct ctl *ctl, const struct ctl_event *event)
{
    struct query *query = ctl_query(ctl, STATEMENT_OPERATOR_EVENT);

    query_string(query, event->action);
    query_string(query, event->target_type);
    query_uuid(query, event->target);
    query_string(query, event->outcome);
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    query_string(query, event->subject);
    query_string(query, event->event);
    return ctl_ask(ctl, query) == ERR_NONE
               ? CTL_DONE
               : ctl_fail("this is not in the audit trail: %s", err_info(query->err)->title);
}

enum ctl_exit ctl_audit_look(struct ctl *ctl, const char *what, const struct uuid *account)
{
    return ctl_audit(ctl, &(struct ctl_event){.action = "authz_admin",
                              .target_type = "account",
                              .target = account,
                              .outcome = "success",
                              .event = what});
}

void ctl_close(struct ctl *ctl)
{
    if (ctl->database != NULL) {
        db_free(ctl->database->db);
        loop_free(ctl->database->loop);
        ctl->database = NULL;
    }
    config_free(ctl->config);
    ctl->config = NULL;
}
