/*
 * mail_message.c: messages as they go over the wire: what they look like to the byte, that they can
 * be read back, and that nothing put into one can become another header or another message. And the
 * links in them.
 */
#include "auth/email.h"
#include "auth/link.h"
#include "base/config.h"
#include "mail/letter.h"
#include "mail/message.h"
#include "templates.h"

#include <check.h>

static struct arena *arena;
static struct message message;
static struct buf out;

static void set_up(void)
{
    arena = arena_new(4096);
    buf_init(&out, arena, 256);
    message = (struct message){.from = "pets@example.org",
        .from_name = "Pets",
        .to = "ann@example.org",
        .id = "019b0000-0000-7000-8000-000000000001",
        .date_s = 1767323045,
        .subject = "A subject",
        .text = "Hello.\n"};
}

static void tear_down(void)
{
    arena_free(arena);
}

/* Every line ends with CR LF, has at most 76 characters, and is printable ASCII. */
static bool lines_good(const char *text, size_t length)
{
    size_t start = 0;

    for (size_t i = 0; i < length; i++) {
        bool end = text[i] == '\r' && text[i + 1] == '\n';

        if (!end && (text[i] < 0x20 || text[i] > 0x7e || i - start >= 76))
            return false;
        if (end)
            start = ++i + 1;
    }
    return start == length && strlen(text) == length;
}

static void check_lines(const char *text, size_t length)
{
    ck_assert_msg(lines_good(text, length), "%s", text);
}

/* The text of the message, decoded. */
static const char *body_of(const struct buf *whole)
{
    const char *at = strstr(whole->data, "\r\n\r\n") + 4;
    struct buf text;

    buf_init(&text, arena, 256);
    for (; *at != '\0'; at++) {
        char hex[3] = {at[0], at[1], '\0'};

        if (*at == '\r')
            continue;
        if (*at != '=') {
            buf_putc(&text, *at);
            continue;
        }
        memcpy(hex, at + 1, 2);
        if (hex[0] != '\r')
            buf_putc(&text, (char)strtol(hex, NULL, 16));
        at += 2;
    }
    return text.data;
}

START_TEST(to_the_byte)
{
    ck_assert_int_eq(message_write(&message, &out), 0);
    ck_assert_str_eq(out.data, "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n"
                               "From: \"Pets\"\r\n <pets@example.org>\r\n"
                               "To: <ann@example.org>\r\n"
                               "Subject: A subject\r\n"
                               "Message-ID:\r\n"
                               " <019b0000-0000-7000-8000-000000000001@example.org>\r\n"
                               "Auto-Submitted: auto-generated\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                               "Hello.\r\n");
}
END_TEST

START_TEST(names)
{
    /* RFC 2047's own way of writing Latin characters, and a long name in two words. */
    static const char *const rows[][2] = {{"", "From: <pets@"},
        {"Pets \"R\" us\\", "From: \"Pets \\\"R\\\" us\\\\\"\r\n <pets@"},
        {"Caf\xc3\xa9", "From: =?UTF-8?B?Q2Fmw6k=?=\r\n <pets@"},
        {"\xf0\x9f\x90\x95", "From: =?UTF-8?B?8J+QlQ==?=\r\n <pets@"},
        {"abcdefghijklmnopqrstuvwxyzabcdefghijklmno\xc3\xa9",
            "From: =?UTF-8?B?YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2xt?=\r\n "
            "=?UTF-8?B?bm/DqQ==?=\r\n <pets@"}};

    for (size_t i = 0; i < countof(rows); i++) {
        out.length = 0;
        message.from_name = rows[i][0];
        ck_assert_int_eq(message_write(&message, &out), 0);
        ck_assert_msg(strstr(out.data, rows[i][1]) != NULL, "%s: %s", rows[i][0], out.data);
        check_lines(out.data, out.length);
    }
    message.from_name = "";
    message.subject = "=?UTF-8?B?Zm9v?=";
    out.length = 0;
    ck_assert_int_eq(message_write(&message, &out), 0);
    ck_assert_ptr_nonnull(strstr(out.data, "Subject: =?UTF-8?B?PT9VVEYtOD9CP1ptOXY/PQ==?=\r\n"));
}
END_TEST

START_TEST(injection)
{
    static const char *const bad[] = {"a@example.org\r\nBcc: b@example.org", "a@example.org\n",
        "a@example.org>", "a@example.org> <b@example.org", "a@example.org,b@example.org", "",
        "\"a b\"@example.org", "a@example.org ", "a@[192.0.2.1]", "a"};
    static const char *const lines[] = {"a\r\nBcc: b@example.org", "a\nb", "a\rb", "a\x01", "\x7f"};

    for (size_t i = 0; i < countof(bad); i++) {
        out.length = 0;
        message.to = bad[i];
        ck_assert_msg(message_write(&message, &out) == -1, "to %s", bad[i]);
        message.to = "ann@example.org";
        message.from = bad[i];
        ck_assert_msg(message_write(&message, &out) == -1, "from %s", bad[i]);
        ck_assert_uint_eq(out.length, 0);
    }
    for (size_t i = 0; i < countof(lines); i++) {
        out.length = 0;
        message.subject = lines[i];
        ck_assert_msg(message_write(&message, &out) == -1, "subject %zu", i);
        message.subject = "Good";
        message.from_name = lines[i];
        ck_assert_msg(message_write(&message, &out) == -1, "name %zu", i);
        message.from_name = "Good";
        message.id = lines[i];
        ck_assert_msg(message_write(&message, &out) == -1, "id %zu", i);
        ck_assert_uint_eq(out.length, 0);
    }
}
END_TEST

START_TEST(texts)
{
    static const char *const rows[] = {"", "\n", ".\n", "..\n", "From here\n", "a = b\n",
        "blank at the end \n", "tab at the end\t\n", " leading\n", "no end",
        "x\n.\nQUIT\nMAIL FROM:<x@example.org>\n", "caf\xc3\xa9 \xf0\x9f\x90\x95\n",
        "a line that is so long that it has to be broken up into several of them, since nothing "
        "longer than 76 characters may stand on one line of quoted-printable text = at all\n",
        "x\ry\n", "\x01\x02\n"};

    for (size_t i = 0; i < countof(rows); i++) {
        size_t length = strlen(rows[i]);
        const char *end = length > 0 && rows[i][length - 1] != '\n' ? "\n" : "";

        out.length = 0;
        message.text = rows[i];
        ck_assert_int_eq(message_write(&message, &out), 0);
        check_lines(out.data, out.length);
        ck_assert_str_eq(body_of(&out), arena_format(arena, "%s%s", rows[i], end));
        ck_assert_ptr_null(strstr(out.data, "\r\n.\r\n"));
        ck_assert_ptr_null(strstr(out.data, "\r\nFrom "));
    }
}
END_TEST

/* Any length, with characters of two bytes at every place. */
START_TEST(every_length)
{
    for (int length = 0; length < 400; length++) {
        struct buf text;

        buf_init(&text, arena, 1024);
        for (int i = 0; i < length; i++)
            buf_puts(&text, (i + length) % 7 == 0 ? "\xc3\xa9" : i % 11 == 0 ? " " : "=");
        buf_putc(&text, '\n');
        out.length = 0;
        message.text = text.data;
        message.subject = length == 0 ? "x" : arena_copy(arena, text.data, text.length - 1);
        ck_assert_int_eq(message_write(&message, &out), 0);
        check_lines(out.data, out.length);
        ck_assert_str_eq(body_of(&out), text.data);
    }
}
END_TEST

/* --- letters --- */

static struct server_key key = {.bytes = "0123456789abcdef0123456789abcde"};
static struct config config = {.mail = {.from = "pets@example.org",
                                   .from_name = "Pets",
                                   .link_base = "https://pets.example/account"}};
static const struct uuid link_id = {{1, 2, 3}};

START_TEST(every_kind)
{
    for (size_t i = 0; i < MAIL_TEMPLATES; i++) {
        const struct mail_template *template = &mail_templates[i];
        struct letter letter = {.kind = template->kind,
            .recipient = "ann@example.org",
            .link = &link_id,
            .address = "192.0.2.7",
            .created_us = 0,
            .expires_us = INT64_C(1800000000)};
        struct link link;

        out.length = 0;
        ck_assert_int_eq(link_derive(&key, &link_id, &link), 0);
        ck_assert_int_eq(letter_compose(&letter, &config, &key, arena, &message), 0);
        ck_assert_int_eq(message_write(&message, &out), 0);
        check_lines(out.data, out.length);
        ck_assert_ptr_null(strpbrk(body_of(&out), "{}"));
        ck_assert_ptr_nonnull(strstr(body_of(&out), "Pets"));
        ck_assert_msg((strstr(body_of(&out), link.text) != NULL) == (template->page != NULL), "%s",
            template->kind);
        if (template->page != NULL) {
            ck_assert_ptr_nonnull(strstr(body_of(&out), "before 2000-01-01 00:30 UTC"));
            ck_assert_ptr_nonnull(strstr(body_of(&out),
                arena_format(arena, "\nhttps://pets.example/account/%s#pl_", template->page)));
            letter.link = NULL;
            ck_assert_int_eq(letter_compose(&letter, &config, &key, arena, &message), -1);
        }
    }
}
END_TEST

START_TEST(what_is_not_known)
{
    struct letter letter = {.kind = "chain_letter", .recipient = "ann@example.org"};

    ck_assert_int_eq(letter_compose(&letter, &config, &key, arena, &message), -1);
    letter.kind = "new_sign_in";
    ck_assert_int_eq(letter_compose(&letter, &config, &key, arena, &message), 0);
    ck_assert_ptr_nonnull(strstr(message.text, "from the address unknown"));
}
END_TEST

/* --- links --- */

START_TEST(links)
{
    static const struct uuid other_id = {{1, 2, 4}};
    static const struct server_key other_key = {.bytes = "0123456789abcdef0123456789abcdf"};
    struct link one, again, other, drawn[2], parsed;

    ck_assert_int_eq(link_derive(&key, &link_id, &one), 0);
    ck_assert_int_eq(link_derive(&key, &link_id, &again), 0);
    ck_assert_str_eq(one.text, again.text);
    ck_assert_mem_eq(one.hash, again.hash, LINK_HASH_SIZE);
    ck_assert_uint_eq(strlen(one.text), LINK_LENGTH);
    ck_assert_int_eq(strncmp(one.text, "pl_", 3), 0);
    ck_assert_int_eq(link_derive(&key, &other_id, &other), 0);
    ck_assert_str_ne(one.text, other.text);
    ck_assert_int_eq(link_derive(&other_key, &link_id, &other), 0);
    ck_assert_str_ne(one.text, other.text);
    ck_assert_int_eq(link_draw(&drawn[0]) | link_draw(&drawn[1]), 0);
    ck_assert_str_ne(drawn[0].text, drawn[1].text);
    ck_assert(link_parse(one.text, LINK_LENGTH, &parsed));
    ck_assert_mem_eq(one.hash, parsed.hash, LINK_HASH_SIZE);
    ck_assert(!link_parse(one.text, LINK_LENGTH - 1, &parsed));
    ck_assert(!link_parse("", 0, &parsed));
    for (size_t i = 0; i < LINK_LENGTH; i++) {
        again = one;
        again.text[i] = '.';
        ck_assert(!link_parse(again.text, LINK_LENGTH, &parsed));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mail_message");
    TCase *tests = tcase_create("message");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, to_the_byte);
    tcase_add_test(tests, names);
    tcase_add_test(tests, injection);
    tcase_add_test(tests, texts);
    tcase_add_test(tests, every_length);
    tcase_add_test(tests, every_kind);
    tcase_add_test(tests, what_is_not_known);
    tcase_add_test(tests, links);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
