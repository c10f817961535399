/*
 * smtp.c: the fence of libcurl, which speaks SMTP. What the relay says is not kept, since it likes
 * to repeat the recipient; its code of three digits is enough. Whether a refusal is about this
 * message or about all of them depends on what had been said to it: after RCPT it is about this
 * one.
 */
#include "mail/smtp.h"
#include "base/base.h"
#include "auth/email.h"
#include "base/secret.h"

#include <curl/curl.h>

struct smtp {
    const struct config *config;
    CURL *curl;
    char *password; /* NULL: none */
    char said[CURL_ERROR_SIZE];
    const char *bytes; /* of the message, that are still to be sent */
    size_t left;
    bool named; /* the recipient has been named */
};

static size_t give(char *out, size_t size, size_t count, void *context)
{
    struct smtp *smtp = context;
    size_t length = MIN(size * count, smtp->left);

    memcpy(out, smtp->bytes, length);
    smtp->bytes += length;
    smtp->left -= length;
    return length;
}

/* Sees each command that is sent. */
static int listen_in(CURL *curl, curl_infotype type, char *bytes, size_t length, void *context)
{
    struct smtp *smtp = context;

    (void)curl;
    if (type == CURLINFO_HEADER_OUT && length >= 5 && memcmp(bytes, "RCPT ", 5) == 0)
        smtp->named = true;
    return 0;
}

/* What holds for every message. False when libcurl cannot promise one of it. */
static bool configure(struct smtp *smtp)
{
    const struct config *config = smtp->config;
    CURL *curl = smtp->curl;
    const char *authorities = config->mail.relay_ca_file;
    bool good = true;

    good &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_URL, config->mail.relay) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    if (authorities[0] != '\0') {
        good &= curl_easy_setopt(curl, CURLOPT_CAINFO, authorities) == CURLE_OK;
        good &= curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
    }
    if (smtp->password != NULL) {
        good &= curl_easy_setopt(curl, CURLOPT_USERNAME, config->mail.relay_user) == CURLE_OK;
        good &= curl_easy_setopt(curl, CURLOPT_PASSWORD, smtp->password) == CURLE_OK;
    }
    good &= curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)config->mail.timeout_s) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, smtp->said) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_READFUNCTION, give) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_READDATA, smtp) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, listen_in) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_DEBUGDATA, smtp) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L) == CURLE_OK;
    return good;
}

struct smtp *smtp_new(const struct config *config, char *error, size_t size)
{
    const char *file = config->mail.relay_password_file;
    struct smtp *smtp = calloc(1, sizeof *smtp);

    if (smtp == NULL)
        base_out_of_memory();
    smtp->config = config;
    if (file[0] != '\0' && (smtp->password = secret_read_line(file, error, size)) == NULL)
        goto err1;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto err2;
    smtp->curl = curl_easy_init();
    if (smtp->curl == NULL)
        goto err3;
    if (configure(smtp))
        return smtp;
    curl_easy_cleanup(smtp->curl);
err3:
    curl_global_cleanup();
err2:
    snprintf(error, size, "libcurl cannot do what is needed for mail.relay");
    if (smtp->password != NULL)
        secret_free(smtp->password, strlen(smtp->password));
err1:
    free(smtp);
    return NULL;
}

void smtp_free(struct smtp *smtp)
{
    if (smtp == NULL)
        return;
    curl_easy_cleanup(smtp->curl);
    curl_global_cleanup();
    if (smtp->password != NULL)
        secret_free(smtp->password, strlen(smtp->password));
    free(smtp);
}

static enum delivery judge(struct smtp *smtp, CURLcode result, char *error, size_t size)
{
    long code = 0;

    if (result == CURLE_OK)
        return DELIVERY_TAKEN;
    curl_easy_getinfo(smtp->curl, CURLINFO_RESPONSE_CODE, &code);
    snprintf(
        error, size, "relay: %s", smtp->said[0] != '\0' ? smtp->said : curl_easy_strerror(result));
    if (!smtp->named)
        return DELIVERY_AWAY;
    if (code / 100 == 5)
        return DELIVERY_REFUSED;
    return code / 100 == 4 ? DELIVERY_LATER : DELIVERY_AWAY;
}

enum delivery smtp_deliver(
    struct smtp *smtp, const char *to, const char *bytes, size_t length, char *error, size_t size)
{
    char from[EMAIL_MAX + 3], recipient[EMAIL_MAX + 3];
    struct curl_slist *recipients;
    CURLcode result;

    snprintf(from, sizeof from, "<%s>", smtp->config->mail.from);
    snprintf(recipient, sizeof recipient, "<%s>", to);
    recipients = curl_slist_append(NULL, recipient);
    if (recipients == NULL)
        base_out_of_memory();
    smtp->bytes = bytes;
    smtp->left = length;
    smtp->named = false;
    smtp->said[0] = '\0';
    result = curl_easy_setopt(smtp->curl, CURLOPT_MAIL_FROM, from);
    if (result == CURLE_OK)
        result = curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, recipients);
    if (result == CURLE_OK)
        result = curl_easy_perform(smtp->curl);
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, NULL);
    curl_slist_free_all(recipients);
    return judge(smtp, result, error, size);
}
