/*
 * config_check.c: what no single option can promise. The layers of time limits must be in order, or
 * the outer one strikes first and the log tells the wrong story; and a pool must have exactly the
 * secrets of its part: whoever verifies tokens must not be able to make them. Secrets in the
 * environment are refused altogether: they show in /proc, in crash dumps and in every child.
 */
#include "base/config_check.h"
#include "base/base.h"

#define AT(member) offsetof(struct config, member)

struct check {
    const struct config *config;
    size_t *fault;
    char *problem;
    size_t size;
};

static bool broken(struct check *check, size_t option, size_t other, const char *format, ...)
    PRINTF_LIKE(4, 5);
static bool broken(struct check *check, size_t option, size_t other, const char *format, ...)
{
    va_list values;

    check->fault[0] = option;
    check->fault[1] = other;
    va_start(values, format);
    vsnprintf(check->problem, check->size, format, values);
    va_end(values);
    return false;
}

static bool serves(const struct config *config, const char *pool)
{
    return strcmp(config->pool.name, pool) == 0;
}

static bool check_sockets(struct check *check)
{
    const char *listen = check->config->pool.listen;

    if (listen[0] == '\0')
        return broken(check, AT(pool.listen), AT(pool.listen),
            "pool.listen: is missing; allowed: an absolute path, ADDRESS:PORT, systemd or fd:0");
    if (strcmp(listen, check->config->pool.ops_listen) == 0 && strcmp(listen, "systemd") != 0)
        return broken(check, AT(pool.ops_listen), AT(pool.listen),
            "pool.ops_listen: is the same socket as pool.listen");
    return true;
}

static bool check_timeouts(struct check *check)
{
    const struct config *c = check->config;
    const struct {
        const char *lesser;
        size_t lesser_at;
        int less;
        const char *greater;
        size_t greater_at;
        int great;
    } rules[] = {
        {"database.statement_timeout_ms", AT(database.statement_timeout_ms),
            c->database.statement_timeout_ms, "pool.request_timeout_ms",
            AT(pool.request_timeout_ms), c->pool.request_timeout_ms},
        {"pool.request_timeout_ms", AT(pool.request_timeout_ms), c->pool.request_timeout_ms,
            "pool.kill_timeout_ms", AT(pool.kill_timeout_ms), c->pool.kill_timeout_ms},
        {"pool.queue_max_wait_ms", AT(pool.queue_max_wait_ms), c->pool.queue_max_wait_ms,
            "pool.request_timeout_ms", AT(pool.request_timeout_ms), c->pool.request_timeout_ms},
        {"pool.io_timeout_ms", AT(pool.io_timeout_ms), c->pool.io_timeout_ms,
            "pool.kill_timeout_ms", AT(pool.kill_timeout_ms), c->pool.kill_timeout_ms},
    };

    for (size_t i = 0; i < countof(rules); i++)
        if (rules[i].less >= rules[i].great)
            return broken(check, rules[i].lesser_at, rules[i].greater_at,
                "%s: %d ms is not less than %s: %d ms", rules[i].lesser, rules[i].less,
                rules[i].greater, rules[i].great);
    return true;
}

/* A Unix socket has an absolute path; whatever else is among the hosts is reached by TCP. */
static bool reached_by_tcp(const char *hosts)
{
    for (const char *at = hosts; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (*at != '/' && *at != '@')
            return true;
    }
    return false;
}

static bool check_database(struct check *check)
{
    const struct config *c = check->config;

    if (reached_by_tcp(c->database.host) && strcmp(c->database.sslmode, "verify-full") != 0)
        return broken(check, AT(database.sslmode), AT(database.host),
            "database.sslmode: \"%s\" does not prove who answers at %s; allowed by TCP: "
            "verify-full",
            c->database.sslmode, c->database.host);
    return true;
}

static bool check_lifetimes(struct check *check)
{
    const struct config *c = check->config;

    if (c->token.lifetime_s > c->session.idle_s)
        return broken(check, AT(token.lifetime_s), AT(session.idle_s),
            "token.lifetime_s: %d s is more than session.idle_s: %d s", c->token.lifetime_s,
            c->session.idle_s);
    if (c->session.idle_s > c->session.absolute_s)
        return broken(check, AT(session.idle_s), AT(session.absolute_s),
            "session.idle_s: %d s is more than session.absolute_s: %d s", c->session.idle_s,
            c->session.absolute_s);
    return true;
}

/* The Key URI format has a colon between issuer and account. */
static bool check_issuer(struct check *check)
{
    const struct config *c = check->config;

    if (strchr(c->mfa.issuer, ':') != NULL)
        return broken(check, AT(mfa.issuer), AT(mfa.issuer),
            "mfa.issuer: \"%s\" has a colon, which authenticator apps do not allow", c->mfa.issuer);
    return true;
}

static bool check_secrets(struct check *check)
{
    const struct config *c = check->config;
    const struct {
        const char *name, *value;
        size_t at;
        bool may, must;
    } rules[] = {
        {"token.issuer", c->token.issuer, AT(token.issuer), true, true},
        {"token.public_keys_dir", c->token.public_keys_dir, AT(token.public_keys_dir), true, true},
        {"http.cursor_key_file", c->http.cursor_key_file, AT(http.cursor_key_file), true, true},
        {"token.signing_key_file", c->token.signing_key_file, AT(token.signing_key_file),
            serves(c, "auth"), serves(c, "auth")},
        {"session.refresh_key_file", c->session.refresh_key_file, AT(session.refresh_key_file),
            serves(c, "auth"), serves(c, "auth")},
        {"session.previous_refresh_key_file", c->session.previous_refresh_key_file,
            AT(session.previous_refresh_key_file), serves(c, "auth"), false},
        {"mfa.key_file", c->mfa.key_file, AT(mfa.key_file), serves(c, "auth"), serves(c, "auth")},
        {"mfa.previous_key_file", c->mfa.previous_key_file, AT(mfa.previous_key_file),
            serves(c, "auth"), false},
        {"password.pepper_file", c->password.pepper_file, AT(password.pepper_file),
            serves(c, "auth"), serves(c, "auth")},
        {"password.previous_pepper_file", c->password.previous_pepper_file,
            AT(password.previous_pepper_file), serves(c, "auth"), false},
        {"mail.link_key_file", c->mail.link_key_file, AT(mail.link_key_file), serves(c, "auth"),
            serves(c, "auth") && c->mail.mode},
        {"mail.relay_password_file", c->mail.relay_password_file, AT(mail.relay_password_file),
            false, false},
    };

    for (size_t i = 0; i < countof(rules); i++) {
        if (rules[i].value[0] != '\0' && !rules[i].may)
            return broken(check, rules[i].at, rules[i].at,
                "%s: the %s pool must not have this secret", rules[i].name, c->pool.name);
        if (rules[i].value[0] == '\0' && rules[i].must)
            return broken(check, rules[i].at, rules[i].at, "%s: is missing", rules[i].name);
    }
    return true;
}

/* HOST[:PORT] or [ADDRESS][:PORT], and nothing else: no user, path or query. */
static bool is_host(const char *text)
{
    size_t host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
    const char *port = text + MIN(host, strlen(text));

    if (host == 0 || strspn(text, "[]:.-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789") != strlen(text))
        return false;
    return port[0] == '\0' || (port[0] == ':' && port[1] != '\0' && strlen(port) <= 6 &&
                                  strspn(port + 1, "0123456789") == strlen(port + 1));
}

/* Over TLS or not at all: a password or a link over a plain connection is everybody's. */
static bool check_relay(struct check *check)
{
    const struct config *c = check->config;
    const char *relay = c->mail.relay;
    size_t scheme = strncmp(relay, "smtp://", 7) == 0    ? 7
                    : strncmp(relay, "smtps://", 8) == 0 ? 8
                                                         : 0;

    if (relay[0] != '\0' && (scheme == 0 || !is_host(relay + scheme)))
        return broken(check, AT(mail.relay), AT(mail.relay),
            "mail.relay: \"%s\" is not smtp://HOST:PORT or smtps://HOST:PORT", relay);
    if ((c->mail.relay_user[0] == '\0') != (c->mail.relay_password_file[0] == '\0'))
        return broken(check, AT(mail.relay_user), AT(mail.relay_password_file),
            "mail.relay_user and mail.relay_password_file: one needs the other");
    return true;
}

/* Where links lead, if anybody has said so. */
static bool check_links(struct check *check)
{
    const char *base = check->config->mail.link_base;

    if (base[0] != '\0' && (strncmp(base, "https://", 8) != 0 || base[8] == '\0' ||
                               strpbrk(base, " #<>\"") != NULL || base[strlen(base) - 1] == '/'))
        return broken(check, AT(mail.link_base), AT(mail.link_base),
            "mail.link_base: \"%s\" is not an https address without a slash at its end", base);
    return true;
}

/* What petsctl mail send needs. */
static bool check_sender(struct check *check)
{
    const struct config *c = check->config;

    if (c->mail.from[0] == '\0')
        return broken(check, AT(mail.from), AT(mail.from), "mail.from: is missing");
    if (c->mail.link_key_file[0] == '\0')
        return broken(check, AT(mail.link_key_file), AT(mail.link_key_file),
            "mail.link_key_file: is missing");
    if (c->mail.link_base[0] == '\0')
        return broken(check, AT(mail.link_base), AT(mail.link_base), "mail.link_base: is missing");
    return check_relay(check);
}

bool config_check(const struct config *config, size_t fault[2], char *problem, size_t size)
{
    struct check check = {config, fault, problem, size};

    if (config->pool.name[0] == '\0')
        return broken(&check, AT(pool.name), AT(pool.name),
            "pool.name: is missing; allowed: one of api, auth, ops, mail, prune, watch");
    if (!check_database(&check) || !check_links(&check))
        return false;
    if (serves(config, "ops") || serves(config, "prune") || serves(config, "watch"))
        return true;
    if (serves(config, "mail"))
        return check_sender(&check);
    return check_sockets(&check) && check_timeouts(&check) && check_lifetimes(&check) &&
           check_issuer(&check) && check_secrets(&check);
}

/* Whether a variable is named like a secret of ours: PETS_..., ending in one of these words. */
static bool looks_secret(const char *name, size_t length)
{
    static const char *const words[] = {"PASSWORD", "SECRET", "PEPPER", "KEY", "TOKEN"};

    if (length < 5 || strncmp(name, "PETS_", 5) != 0)
        return false;
    for (size_t i = 0; i < countof(words); i++) {
        size_t word = strlen(words[i]);

        if (length >= 5 + word && strncmp(name + length - word, words[i], word) == 0)
            return true;
    }
    return false;
}

/* libpq would take a password from these, whatever the configuration says. */
static bool is_libpq_secret(const char *name, size_t length)
{
    return length == 10 &&
           (strncmp(name, "PGPASSWORD", length) == 0 || strncmp(name, "PGPASSFILE", length) == 0);
}

const char *config_secret_in_environment(void)
{
    static char found[64];

    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        size_t length = strcspn(*variable, "=");

        if (is_libpq_secret(*variable, length) || looks_secret(*variable, length)) {
            snprintf(found, sizeof found, "%.*s", (int)MIN(length, sizeof found - 1), *variable);
            return found;
        }
    }
    return NULL;
}
