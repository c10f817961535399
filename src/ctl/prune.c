/*
 * prune.c: one statement a kind of row, each run until it finds less than a batch, so that none
 * holds locks for long, or undoes much when it fails. Each batch is a transaction of its own, takes
 * no row that somebody has in hand, and waits for nobody; so any number of these may run beside the
 * service and beside each other, and a row that was missed is found the next time.
 */
#include "ctl/prune.h"

#include "ctl/output.h"

#define KEPT(option) offsetof(struct config, option)

/* In the order in which they are printed. */
static const struct kind {
    const char *name;
    enum statement_id statement;
    size_t kept; /* the option that says how many days; 0: none does */
    bool signs;  /* it records who has done it */
} kinds[] = {
    {"messages", STATEMENT_PRUNE_MAIL, KEPT(retention.mail_days), true},
    {"registrations", STATEMENT_PRUNE_REGISTRATIONS, 0, true},
    {"reset_links", STATEMENT_PRUNE_RESET_LINKS, 0, true},
    {"login_challenges", STATEMENT_PRUNE_LOGIN_CHALLENGES, 0, true},
    {"second_factors", STATEMENT_PRUNE_SECOND_FACTORS, 0, true},
    {"sessions", STATEMENT_PRUNE_SESSIONS, KEPT(retention.session_days), true},
    {"api_keys", STATEMENT_PRUNE_API_KEYS, KEPT(retention.api_key_days), true},
    {"known_networks", STATEMENT_PRUNE_KNOWN_NETWORKS, KEPT(throttle.known_days), true},
    {"throttle_buckets", STATEMENT_PRUNE_THROTTLE, 0, false},
    {"idempotency_keys", STATEMENT_IDEMPOTENCY_PRUNE, 0, false},
    {"deleted_pets", STATEMENT_PET_PRUNE, 0, false},
    {"transfers", STATEMENT_TRANSFER_PRUNE, 0, false},
};
enum { KINDS = countof(kinds) };

struct job {
    struct ctl *ctl;
    struct arena *arena; /* of the batch in hand */
    struct uuid after;   /* how far the walk through the buckets has come */
    int64_t gone[KINDS];
};

static void bind(struct job *job, const struct kind *kind, struct query *query)
{
    const struct config *config = job->ctl->config;

    query_init(query, job->arena, kind->statement);
    if (kind->kept != 0)
        query_int4(query, *(const int *)((const char *)config + kind->kept));
    if (kind->statement == STATEMENT_PRUNE_THROTTLE)
        query_uuid(query, &job->after);
    query_int4(query, config->retention.batch_rows);
    if (kind->signs) {
        query_string(query, ctl_operator());
        query_string(query, job->ctl->option[CTL_REASON]);
    }
}

/* Whether there may be more of it. */
static bool more(struct job *job, const struct kind *kind, const struct rows *rows, int32_t gone)
{
    if (kind->statement != STATEMENT_PRUNE_THROTTLE)
        return gone == job->ctl->config->retention.batch_rows;
    if (rows_null(rows, 0, 1))
        return false;
    job->after = *rows_uuid(rows, 0, 1);
    return true;
}

static enum err prune_kind(struct job *job, size_t i)
{
    struct query query;
    bool again;

    do {
        int32_t gone;

        arena_reset(job->arena);
        bind(job, &kinds[i], &query);
        if (ctl_ask(job->ctl, &query) != ERR_NONE)
            return query.err;
        gone = rows_int4(&query.rows, 0, 0);
        job->gone[i] += gone;
        again = more(job, &kinds[i], &query.rows, gone);
    } while (again);
    return ERR_NONE;
}

static void report(const struct job *job)
{
    struct output_column columns[KINDS];
    struct output *output;

    for (size_t i = 0; i < KINDS; i++)
        columns[i] = (struct output_column){kinds[i].name, OUTPUT_INT8};
    output = output_new(job->ctl, columns, KINDS);
    for (size_t i = 0; i < KINDS; i++)
        output_int(output, job->gone[i]);
    output_object(output);
}

enum ctl_exit prune_run(struct ctl *ctl)
{
    struct job job = {.ctl = ctl};
    enum err err = ERR_NONE;
    size_t i = 0;
    enum ctl_exit code = ctl_connect_prune(ctl);

    if (code != CTL_DONE)
        return code;
    job.arena = arena_new(4096);
    while (i < KINDS && (err = prune_kind(&job, i)) == ERR_NONE)
        i++;
    arena_free(job.arena);
    report(&job);
    return err == ERR_NONE ? CTL_DONE
                           : ctl_fail("database: %s: %s", kinds[i].name, err_info(err)->title);
}
