/*
 * user.c: people. A new account's password is hashed here, as the auth pool does it, and never seen
 * again. What is changed here acts on the next request of both pools, since they ask the database.
 */
#include "ctl/user.h"

#include "auth/email.h"
#include "auth/password_rules.h"
#include "ctl/account.h"
#include "ctl/output.h"
#include "ctl/terminal.h"
#include "http/utf8.h"

enum { NAME_CHARACTERS = 80, LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* --- add --- */

struct user {
    const char *email;
    const char *name;
    char local[64 + 1]; /* of the address: the name, when none is given */
    char hash[PASSWORD_HASH_SIZE];
    struct uuid id;
};

/* Whether it is a good one, by the rules for everybody. */
static enum ctl_exit check_password(struct ctl *ctl, const struct password_rules *rules,
    const struct text *password, const struct user *user)
{
    const struct password_owner owner = {
        {user->email, strlen(user->email)}, {user->name, strlen(user->name)}};
    struct violations violations = {.arena = ctl->arena};
    enum err err;

    if (utf8_length(password->bytes, password->length) == -1)
        return ctl_fail("the password is not UTF-8");
    err = password_rules_check(rules, password, PASSWORD_MIN, &owner, "", &violations);
    if (err == ERR_NONE)
        return CTL_DONE;
    if (err != ERR_VALIDATION_FAILED)
        return ctl_complain(err);
    for (size_t i = 0; i < violations.count; i++)
        ctl_fail(
            "the password is refused (%s): %s", violations.list[i].code, violations.list[i].detail);
    return CTL_FAILED;
}

/* Checks the password and replaces it by its hash. */
static enum ctl_exit hash_password(struct ctl *ctl, const struct password_rules *rules,
    const struct pepper *pepper, const struct terminal_password *password, struct user *user)
{
    const struct text text = {password->bytes, password->length};
    enum ctl_exit code = check_password(ctl, rules, &text, user);

    if (code == CTL_DONE && password_hash(pepper, text.bytes, text.length,
                                ctl->config->password.bcrypt_cost, user->hash) == -1)
        code = ctl_fail("the password cannot be hashed");
    return code;
}

static enum ctl_exit ask_password(struct ctl *ctl, const struct password_rules *rules,
    const struct pepper *pepper, struct user *user)
{
    struct terminal_password password;
    enum ctl_exit code;

    if (terminal_password(&password) == -1)
        code = ctl_fail(
            "%s", errno == EINVAL ? "the two passwords are not the same" : strerror(errno));
    else
        code = hash_password(ctl, rules, pepper, &password, user);
    explicit_bzero(&password, sizeof password);
    return code;
}

static enum ctl_exit insert(struct ctl *ctl, const struct pepper *pepper, struct user *user)
{
    struct query *query;
    enum ctl_exit code = ctl_connect(ctl);

    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_ACCOUNT_ADD);
    uuid_v7(&user->id);
    query_uuid(query, &user->id);
    query_string(query, user->email);
    query_string(query, user->name);
    query_string(query, ctl->option[CTL_ADMIN] != NULL ? "ADMIN" : "USER");
    query_string(query, user->hash);
    query_string(query, pepper_id(pepper));
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    if (query->rows.count == 1)
        return CTL_DONE;
    ctl_audit(ctl, &(struct ctl_event){
                       .action = "user_created", .target_type = "account", .outcome = "failure"});
    return ctl_fail("the e-mail address is taken");
}

static enum ctl_exit add(struct ctl *ctl, struct user *user)
{
    char error[512];
    struct pepper *pepper;
    struct password_rules *rules;
    enum ctl_exit code = ctl_configure(ctl);

    if (code != CTL_DONE)
        return code;
    pepper = pepper_read(ctl->config->password.pepper_file, error, sizeof error);
    if (pepper == NULL)
        return ctl_fail("%s", error);
    rules = password_rules_new(ctl->config, error, sizeof error);
    code = rules == NULL ? ctl_fail("%s", error) : ask_password(ctl, rules, pepper, user);
    if (code == CTL_DONE)
        code = insert(ctl, pepper, user);
    password_rules_free(rules);
    pepper_free(pepper);
    return code;
}

/* The id alone, or an object with it. */
static void print_id(struct ctl *ctl, const struct uuid *id)
{
    static const struct output_column columns[] = {{"id", OUTPUT_UUID}};
    struct output *output = output_new(ctl, columns, countof(columns));
    char text[UUID_SIZE];

    uuid_format(id, text);
    output_string(output, text);
    if (ctl->option[CTL_JSON] != NULL)
        output_object(output);
    else
        puts(text);
}

enum ctl_exit user_add(struct ctl *ctl)
{
    struct user user = {.name = ctl->option[CTL_NAME]};
    ptrdiff_t characters;
    enum ctl_exit code;

    if ((ctl->option[CTL_EMAIL] != NULL) == (ctl->count == 1))
        return ctl_misuse("user add takes one e-mail address");
    user.email = ctl->count == 1 ? ctl->arguments[0] : ctl->option[CTL_EMAIL];
    if (!email_valid(user.email, strlen(user.email)))
        return ctl_misuse("this is not an e-mail address");
    if (user.name == NULL) {
        snprintf(user.local, sizeof user.local, "%.*s", (int)strcspn(user.email, "@"), user.email);
        user.name = user.local;
    }
    characters = utf8_length(user.name, strlen(user.name));
    if (characters < 1 || characters > NAME_CHARACTERS ||
        !utf8_printable(user.name, strlen(user.name), false))
        return ctl_misuse("the name must have 1 to %d printable characters", NAME_CHARACTERS);
    code = add(ctl, &user);
    if (code == CTL_DONE)
        print_id(ctl, &user.id);
    return code;
}

/* --- list, show --- */

/* Those of account_list and account_find. */
static const struct output_column columns[] = {
    {"id", OUTPUT_UUID},
    {"email", OUTPUT_TEXT},
    {"display_name", OUTPUT_TEXT},
    {"role", OUTPUT_TEXT},
    {"state", OUTPUT_TEXT},
    {"created_at", OUTPUT_TIMESTAMP},
    {"updated_at", OUTPUT_TIMESTAMP},
    {"version", OUTPUT_INT4},
};

/* The value of --limit; -1 when it is not a good one. */
static int32_t parse_limit(const struct ctl *ctl)
{
    const char *text = ctl->option[CTL_LIMIT];
    char *end;
    long limit;

    if (text == NULL)
        return LIST_DEFAULT;
    limit = strtol(text, &end, 10);
    return text[0] < '0' || text[0] > '9' || *end != '\0' || limit < 1 || limit > LIST_MAX
               ? -1
               : (int32_t)limit;
}

enum ctl_exit user_list(struct ctl *ctl)
{
    const char *before = ctl->option[CTL_BEFORE];
    int32_t limit = parse_limit(ctl);
    struct output *output;
    struct query *query;
    struct uuid id;
    enum ctl_exit code;

    if (limit == -1)
        return ctl_misuse("--limit takes a number from 1 to %d", LIST_MAX);
    if (before != NULL && !uuid_parse(before, strlen(before), &id))
        return ctl_misuse("--before takes the id of an account");
    code = ctl_connect(ctl);
    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_ACCOUNT_LIST);
    query_uuid(query, before == NULL ? NULL : &id);
    query_int4(query, limit);
    query_string(query, ctl->option[CTL_ROLE]);
    query_string(query, ctl->option[CTL_STATE]);
    query_string(query, ctl->count == 0 ? NULL : ctl->arguments[0]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    code = ctl_audit_look(ctl, "user_list", NULL);
    if (code != CTL_DONE)
        return code;
    output = output_new(ctl, columns, countof(columns));
    output_rows(output, &query->rows);
    output_list(output);
    return CTL_DONE;
}

enum ctl_exit user_show(struct ctl *ctl)
{
    struct output *output = output_new(ctl, columns, countof(columns));
    struct account account;
    enum ctl_exit code = account_find(ctl, ctl->arguments[0], &account);

    if (code == CTL_DONE)
        code = ctl_audit_look(ctl, "user_read", &account.id);
    if (code != CTL_DONE)
        return code;
    output_rows(output, &account.found->rows);
    output_object(output);
    return CTL_DONE;
}

/* --- role, state, sessions --- */

/* The transaction of what is refused leaves no trace, so it is recorded on its own. */
static enum ctl_exit refused(
    struct ctl *ctl, const struct account *account, const char *action, enum err err)
{
    ctl_audit(ctl, &(struct ctl_event){.action = action,
                       .target_type = "account",
                       .target = &account->id,
                       .outcome = "failure"});
    return ctl_complain(err);
}

/* `action` is what the statement records, when it may. */
static enum ctl_exit change(
    struct ctl *ctl, const char *role, const char *state, const char *action)
{
    struct account account;
    struct query *query;
    enum ctl_exit code = account_find(ctl, ctl->arguments[0], &account);

    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_ACCOUNT_CHANGE);
    query_uuid(query, &account.id);
    query_string(query, role);
    query_string(query, state);
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return refused(ctl, &account, action, query->err);
    if (query->rows.count == 0)
        return ctl_absent("the account is gone");
    if (!rows_bool(&query->rows, 0, 0))
        fprintf(stderr, "petsctl: it was so already\n");
    return CTL_DONE;
}

enum ctl_exit user_role(struct ctl *ctl)
{
    return change(ctl, ctl->arguments[1], NULL, "authz_change");
}

enum ctl_exit user_disable(struct ctl *ctl)
{
    return change(ctl, NULL, "disabled", "user_disabled");
}

enum ctl_exit user_enable(struct ctl *ctl)
{
    return change(ctl, NULL, "active", "user_enabled");
}

enum ctl_exit user_revoke(struct ctl *ctl)
{
    struct account account;
    struct query *query;
    enum ctl_exit code = account_find(ctl, ctl->arguments[0], &account);

    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_ACCOUNT_REVOKE);
    query_uuid(query, &account.id);
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    printf("%d sessions and %d API keys ended\n", rows_int4(&query->rows, 0, 0),
        rows_int4(&query->rows, 0, 1));
    return CTL_DONE;
}
