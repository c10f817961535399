/*
 * user.c: people. A new account's password is hashed here, as the auth pool does it, and never seen
 * again.
 */
#include "ctl/user.h"

#include "auth/email.h"
#include "auth/password_rules.h"
#include "ctl/output.h"
#include "ctl/terminal.h"
#include "http/utf8.h"

enum { NAME_CHARACTERS = 80 };

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
    if (ctl_ask(ctl, query) == ERR_EMAIL_TAKEN)
        return ctl_fail("the e-mail address %s is taken", user->email);
    return query->err == ERR_NONE ? CTL_DONE : ctl_complain(query->err);
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
