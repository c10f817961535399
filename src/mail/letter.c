/*
 * letter.c: templates are plain text with names in braces; what can stand there is a table.
 */
#include "mail/letter.h"

#include "auth/link.h"
#include "base/timestamp.h"
#include "templates.h"

/* What the names in braces stand for; NULL: this kind of message has no such thing. */
struct values {
    const char *product;
    const char *link;
    const char *when;
    const char *address;
    const char *until;
};

static const struct name {
    const char *text;
    size_t offset;
} names[] = {
    {"{product}", offsetof(struct values, product)},
    {"{link}", offsetof(struct values, link)},
    {"{when}", offsetof(struct values, when)},
    {"{address}", offsetof(struct values, address)},
    {"{until}", offsetof(struct values, until)},
};

static const struct mail_template *find(const char *kind)
{
    for (size_t i = 0; i < MAIL_TEMPLATES; i++)
        if (strcmp(mail_templates[i].kind, kind) == 0)
            return &mail_templates[i];
    return NULL;
}

/* The value of the name that begins here, and its length; NULL when none does. */
static const char *value_at(const char *at, const struct values *values, size_t *length)
{
    for (size_t i = 0; i < countof(names); i++) {
        *length = strlen(names[i].text);
        if (strncmp(at, names[i].text, *length) == 0)
            return *(const char *const *)((const char *)values + names[i].offset);
    }
    return NULL;
}

/* NULL when a value is missing. */
static const char *fill_in(const char *text, const struct values *values, struct arena *arena)
{
    struct buf out;

    buf_init(&out, arena, 2048);
    while (*text != '\0') {
        size_t plain = strcspn(text, "{");
        size_t length;
        const char *value;

        buf_put(&out, text, plain);
        text += plain;
        if (*text == '\0')
            break;
        value = value_at(text, values, &length);
        if (value == NULL)
            return NULL;
        buf_puts(&out, value);
        text += length;
    }
    return out.data;
}

/* "2026-01-02 03:04 UTC" */
static const char *minute_of(int64_t us_since_2000, struct arena *arena)
{
    char text[TIMESTAMP_SIZE];

    if (!timestamp_format(us_since_2000, text))
        return NULL;
    return arena_format(arena, "%.10s %.5s UTC", text, text + 11);
}

static const char *address_of(const struct letter *letter, const struct mail_template *template,
    const struct config *config, const struct server_key *key, struct arena *arena)
{
    struct link link;

    if (template->page == NULL || letter->link == NULL ||
        link_derive(key, letter->link, &link) != 0)
        return NULL;
    return link_address(&link, config->mail.link_base, template->page, arena);
}

int letter_compose(const struct letter *letter, const struct config *config,
    const struct server_key *key, struct arena *arena, struct message *message)
{
    const struct mail_template *template = find(letter->kind);
    char id[UUID_SIZE];
    struct values values;

    if (template == NULL)
        return -1;
    uuid_format(&letter->id, id);
    values = (struct values){.product = config->mail.from_name,
        .link = address_of(letter, template, config, key, arena),
        .when = minute_of(letter->created_us, arena),
        .address = letter->address == NULL ? "unknown" : letter->address,
        .until = minute_of(letter->expires_us, arena)};
    *message = (struct message){.from = config->mail.from,
        .from_name = config->mail.from_name,
        .to = letter->recipient,
        .id = arena_string(arena, id),
        .date_s = timestamp_epoch_s(letter->created_us),
        .subject = template->subject,
        .text = fill_in(template->text, &values, arena)};
    return message->text == NULL ? -1 : 0;
}
