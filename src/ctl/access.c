/*
 * access.c: who is locked out gets a way back that no operator can take: a link is good once and
 * for whoever it is handed to, and neither a password nor a second factor is ever chosen here.
 */
#include "ctl/access.h"

#include <arpa/inet.h>

#include "auth/link.h"
#include "ctl/account.h"
#include "ctl/output.h"

/* --- unlock --- */

static bool is_address(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

enum ctl_exit access_unlock(struct ctl *ctl)
{
    const char *address = ctl->option[CTL_ADDRESS];
    struct account account;
    struct query *query;
    enum ctl_exit code;

    if (address != NULL && !is_address(address))
        return ctl_misuse("--address takes an IP address");
    code = account_find(ctl, ctl->arguments[0], &account);
    if (code != CTL_DONE)
        return code;
    query = ctl_query(ctl, STATEMENT_ACCOUNT_UNLOCK);
    query_uuid(query, &account.id);
    query_inet(query, address);
    query_int4(query, ctl->config->throttle.ipv4_bits);
    query_int4(query, ctl->config->throttle.ipv6_bits);
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    printf("%d counts of failed attempts forgotten\n",
        rows_int4(&query->rows, 0, 0) + (rows_bool(&query->rows, 0, 1) ? 1 : 0));
    return CTL_DONE;
}

/* --- reset-link --- */

/* For programs: all there is. */
static void print_json(
    struct ctl *ctl, const struct link *link, const char *address, int64_t expires)
{
    static const struct output_column columns[] = {
        {"token", OUTPUT_TEXT}, {"link", OUTPUT_TEXT}, {"expires_at", OUTPUT_TIMESTAMP}};
    struct output *output = output_new(ctl, columns, countof(columns));

    output_string(output, link->text);
    output_string(output, address);
    output_timestamp(output, expires);
    output_object(output);
}

/* For people: what is handed over, which is the token when nobody has said where links lead. */
static void print_link(struct ctl *ctl, const struct link *link, int64_t expires)
{
    const char *address =
        link_address(link, ctl->config->mail.link_base, LINK_PAGE_RESET, ctl->arena);
    const struct output_column columns[] = {
        {address == NULL ? "token" : "link", OUTPUT_TEXT}, {"expires_at", OUTPUT_TIMESTAMP}};
    struct output *output = output_new(ctl, columns, countof(columns));

    if (ctl->option[CTL_JSON] != NULL) {
        print_json(ctl, link, address, expires);
        return;
    }
    output_string(output, address == NULL ? link->text : address);
    output_timestamp(output, expires);
    output_object(output);
    if (address == NULL)
        fputs("petsctl: the link is mail.link_base, /" LINK_PAGE_RESET "# and this token; set that "
              "option to have it whole\n",
            stderr);
}

enum ctl_exit access_reset_link(struct ctl *ctl)
{
    struct account account;
    struct query *query;
    struct link link;
    struct uuid id;
    enum ctl_exit code = account_find(ctl, ctl->arguments[0], &account);

    if (code != CTL_DONE)
        return code;
    if (link_draw(&link) != 0)
        return ctl_fail("the kernel gives no randomness");
    uuid_v7(&id);
    query = ctl_query(ctl, STATEMENT_ACCOUNT_RESET_LINK);
    query_uuid(query, &account.id);
    query_uuid(query, &id);
    query_bytes(query, link.hash, sizeof link.hash);
    query_int4(query, ctl->config->mail.reset_lifetime_s);
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    if (query->rows.count == 0) {
        ctl_audit(ctl, &(struct ctl_event){.action = "authn_token_created",
                           .target_type = "account",
                           .target = &account.id,
                           .outcome = "failure"});
        return ctl_fail("the account is not active");
    }
    print_link(ctl, &link, rows_timestamp(&query->rows, 0, 0));
    explicit_bzero(&link, sizeof link);
    return CTL_DONE;
}

/* --- reset-mfa --- */

enum ctl_exit access_reset_mfa(struct ctl *ctl)
{
    struct account account;
    struct query *query;
    struct uuid mail;
    enum ctl_exit code = account_find(ctl, ctl->arguments[0], &account);

    if (code != CTL_DONE)
        return code;
    uuid_v7(&mail);
    query = ctl_query(ctl, STATEMENT_ACCOUNT_RESET_MFA);
    query_uuid(query, &account.id);
    query_uuid(query, ctl->config->mail.mode ? &mail : NULL);
    query_string(query, ctl_operator());
    query_string(query, ctl->option[CTL_REASON]);
    if (ctl_ask(ctl, query) != ERR_NONE)
        return ctl_complain(query->err);
    if (!rows_bool(&query->rows, 0, 0))
        fprintf(stderr, "petsctl: there is no second factor\n");
    return CTL_DONE;
}
