/*
 * mail.c: take a message, hand it over, say what became of it, until nothing is due. A message is
 * delivered once, unless the sender dies, or loses the database, between the last two steps: then
 * it comes again when its lease is over. When nobody is there to take mail the pass ends, so that
 * an outage of an hour does not cost every message an attempt. Nothing is printed or logged that
 * would tell who gets mail.
 */
#include "ctl/mail.h"

#include "auth/link.h"
#include "base/log.h"
#include "ctl/output.h"
#include "mail/letter.h"
#include "mail/mailer.h"

enum { LEASE_MORE_S = 60, ERROR_SIZE = 256 };

/* Columns of mail_claim. */
enum {
    COLUMN_ID,
    COLUMN_KIND,
    COLUMN_RECIPIENT,
    COLUMN_LINK,
    COLUMN_ADDRESS,
    COLUMN_CREATED,
    COLUMN_EXPIRES,
    COLUMN_ATTEMPT
};

struct pass {
    struct ctl *ctl;
    struct mailer *mailer;
    struct server_key key;
    struct arena *arena; /* of the message in hand */
    int sent, delayed, failed, expired;
    bool away; /* nobody takes mail, or the database is gone: enough for now */
};

/* The message in hand. */
struct taken {
    struct letter letter;
    int32_t attempt;
    char error[ERROR_SIZE];
};

static const char *text_of(const struct pass *pass, const struct rows *rows, int column)
{
    size_t length;
    const char *text = rows_text(rows, 0, column, &length);

    return arena_copy(pass->arena, text, length);
}

static enum err ask(struct pass *pass, struct query *query)
{
    enum err err = ctl_ask(pass->ctl, query);

    if (err != ERR_NONE)
        pass->away = true;
    return err;
}

/* What has outlived its use. */
static void expire(struct pass *pass)
{
    struct query query;

    query_init(&query, pass->arena, STATEMENT_MAIL_EXPIRE);
    if (ask(pass, &query) != ERR_NONE)
        return;
    pass->expired = query.rows.count;
    for (int row = 0; row < query.rows.count; row++) {
        char id[UUID_SIZE];

        uuid_format(rows_uuid(&query.rows, row, 0), id);
        log_event(LEVEL_WARNING, "mail_expired", log_str("message_id", id));
    }
}

/* False when nothing is due. */
static bool take(struct pass *pass, struct taken *taken)
{
    struct letter *letter = &taken->letter;
    struct query query;
    const struct rows *rows = &query.rows;

    query_init(&query, pass->arena, STATEMENT_MAIL_CLAIM);
    query_int4(&query, pass->ctl->config->mail.timeout_s + LEASE_MORE_S);
    if (ask(pass, &query) != ERR_NONE || rows->count != 1)
        return false;
    letter->id = *rows_uuid(rows, 0, COLUMN_ID);
    letter->kind = text_of(pass, rows, COLUMN_KIND);
    letter->recipient = text_of(pass, rows, COLUMN_RECIPIENT);
    letter->link = rows_null(rows, 0, COLUMN_LINK) ? NULL : rows_uuid(rows, 0, COLUMN_LINK);
    letter->address =
        rows_null(rows, 0, COLUMN_ADDRESS) ? NULL : text_of(pass, rows, COLUMN_ADDRESS);
    letter->created_us = rows_timestamp(rows, 0, COLUMN_CREATED);
    letter->expires_us =
        rows_null(rows, 0, COLUMN_EXPIRES) ? INT64_MAX : rows_timestamp(rows, 0, COLUMN_EXPIRES);
    taken->attempt = rows_int4(rows, 0, COLUMN_ATTEMPT);
    return true;
}

static enum delivery deliver(struct pass *pass, struct taken *taken)
{
    struct message message;
    struct buf bytes;

    buf_init(&bytes, pass->arena, 4096);
    if (letter_compose(&taken->letter, pass->ctl->config, &pass->key, pass->arena, &message) != 0 ||
        message_write(&message, &bytes) != 0) {
        snprintf(taken->error, sizeof taken->error, "it cannot be written");
        return DELIVERY_REFUSED;
    }
    return mailer_deliver(
        pass->mailer, message.to, bytes.data, bytes.length, taken->error, sizeof taken->error);
}

static void log_outcome(const struct taken *taken, bool given_up)
{
    char id[UUID_SIZE];

    uuid_format(&taken->letter.id, id);
    log_event(given_up ? LEVEL_ERROR : LEVEL_WARNING, given_up ? "mail_failed" : "mail_delayed",
        log_str("message_id", id), log_str("kind", taken->letter.kind),
        log_int("attempt", taken->attempt), log_str("error", taken->error));
}

static void note_sent(struct pass *pass, const struct taken *taken)
{
    struct query query;

    query_init(&query, pass->arena, STATEMENT_MAIL_SENT);
    query_uuid(&query, &taken->letter.id);
    query_int4(&query, taken->attempt);
    pass->sent++;
    if (ask(pass, &query) != ERR_NONE)
        log_event(LEVEL_ERROR, "mail_not_noted", log_str("error", err_info(query.err)->title));
}

static void note_failed(struct pass *pass, const struct taken *taken, bool final)
{
    const struct config *config = pass->ctl->config;
    struct query query;
    bool given_up;

    query_init(&query, pass->arena, STATEMENT_MAIL_FAILED);
    query_uuid(&query, &taken->letter.id);
    query_int4(&query, taken->attempt);
    query_string(&query, taken->error);
    query_int4(&query, config->mail.retry_s);
    query_int4(&query, final ? 0 : config->mail.attempts_max);
    given_up =
        ask(pass, &query) == ERR_NONE && query.rows.count == 1 && rows_bool(&query.rows, 0, 0);
    *(given_up ? &pass->failed : &pass->delayed) += 1;
    log_outcome(taken, given_up);
}

static void handle(struct pass *pass, struct taken *taken)
{
    enum delivery delivery = deliver(pass, taken);

    if (delivery == DELIVERY_TAKEN)
        note_sent(pass, taken);
    else
        note_failed(pass, taken, delivery == DELIVERY_REFUSED);
    if (delivery == DELIVERY_AWAY)
        pass->away = true;
}

static void run(struct pass *pass)
{
    struct taken taken;

    pass->arena = arena_new(16384);
    expire(pass);
    while (!pass->away && take(pass, &taken)) {
        handle(pass, &taken);
        arena_reset(pass->arena);
    }
    arena_free(pass->arena);
}

static enum ctl_exit report(const struct pass *pass)
{
    static const struct output_column columns[] = {{"sent", OUTPUT_INT4}, {"delayed", OUTPUT_INT4},
        {"failed", OUTPUT_INT4}, {"expired", OUTPUT_INT4}};
    struct output *output = output_new(pass->ctl, columns, countof(columns));

    output_int(output, pass->sent);
    output_int(output, pass->delayed);
    output_int(output, pass->failed);
    output_int(output, pass->expired);
    if (pass->ctl->option[CTL_JSON] != NULL)
        output_object(output);
    else if (pass->sent + pass->delayed + pass->failed + pass->expired > 0)
        printf("sent %d, delayed %d, failed %d, expired %d\n", pass->sent, pass->delayed,
            pass->failed, pass->expired);
    return pass->away || pass->delayed > 0 || pass->failed > 0 ? CTL_FAILED : CTL_DONE;
}

/* The tool keeps quiet; what becomes of messages is told to the log of the service. */
static enum ctl_exit open_log(const struct config *config)
{
    if (log_open(config->log.file) == -1)
        return ctl_fail("%s: %s", config->log.file, strerror(errno));
    log_pool("mail");
    log_threshold((enum log_level)MAX(config->log.level, LEVEL_WARNING));
    return CTL_DONE;
}

enum ctl_exit mail_send(struct ctl *ctl)
{
    struct pass pass = {.ctl = ctl};
    char error[512];
    enum ctl_exit code = ctl_connect_mail(ctl);

    if (code == CTL_DONE)
        code = open_log(ctl->config);
    if (code != CTL_DONE)
        return code;
    if (server_key_read(
            ctl->config->mail.link_key_file, LINK_PURPOSE, &pass.key, error, sizeof error) != 0 ||
        (pass.mailer = mailer_new(ctl->config, error, sizeof error)) == NULL) {
        code = ctl_fail("%s", error);
    } else {
        run(&pass);
        code = report(&pass);
    }
    mailer_free(pass.mailer);
    explicit_bzero(&pass.key, sizeof pass.key);
    return code;
}
