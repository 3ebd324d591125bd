/*
 * fuzz_text - ids, versions, paths of streams, URLs and answers to probes: what is read back from what was written is
 * the same.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_heap.h"
#include "wire/headers.h"
#include "wire/probe_answer.h"
#include "wire/url.h"

static void versions(const char *text)
{
    const struct fy_version ours = {3, 5, 0}, least = {3, 0, 0};
    struct fy_version version = {0, 0, 0};

    if (fy_version_parse_header(text, &version) != FERRY_OK)
        return;
    FUZZ_CHECK(fy_version_parse(text, &version) == FERRY_OK);
    FUZZ_CHECK(fy_version_compare(version, version) == 0);
    (void)fy_version_check(ours, least, version, version);
    (void)fy_version_supports_stream(ours, version);
    (void)fy_version_parse_header(NULL, &version);
    FUZZ_CHECK(version.major == 2);
}

static void ids(const char *text)
{
    enum ferry_stream stream;
    uint64_t id, again;

    if (fy_id_parse(text, &id) == FERRY_OK)
        FUZZ_CHECK(fy_id_parse(fy_id_format(id).text, &again) == FERRY_OK && again == id);
    if (fy_stream_path_parse(text, &stream, &id) == FERRY_OK) {
        FUZZ_CHECK(strstr(text, fy_stream_path_element(stream)) != NULL);
        (void)fy_stream_name(stream);
    }
}

static void urls(const char *text)
{
    const char *one[] = {text, NULL};
    struct fy_url url;
    char **split, **again;

    if (fy_url_parse(text, &url) == FERRY_OK)
        FUZZ_CHECK(strlen(url.host) > 0);
    if (fy_urls_copy_in_order(one, &split) == FERRY_OK)
        free(split);
    if (fy_urls_split(text, &split) != FERRY_OK)
        return;
    (void)fy_urls_have_https(split);
    if (fy_urls_copy((const char *const *)split, &again) == FERRY_OK) {
        for (size_t i = 0; split[i]; i++)
            FUZZ_CHECK(strcmp(split[i], again[i]) == 0);
        free(again);
    }
    free(split);
}

static void probes(const struct fuzz_input *input)
{
    struct fy_probe_answer answer, again;
    char text[FY_PROBE_ANSWER_SIZE];

    if (fy_probe_answer_parse((const char *)input->data, input->len, &answer) != FERRY_OK)
        return;
    if (!answer.has_now || answer.now_ns < 0)
        return;
    FUZZ_CHECK(fy_probe_answer_parse(text, fy_probe_answer_format((uint64_t)answer.now_ns, text), &again) == FERRY_OK);
    FUZZ_CHECK(again.ok && again.has_now && again.now_ns == answer.now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    const char *text;

    if (!fuzz_begin(&input, data, size))
        return 0;
    text = fuzz_text(&input);
    versions(text);
    ids(text);
    urls(text);
    probes(&input);
    fuzz_end(&input);
    return 0;
}
