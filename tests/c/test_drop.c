/* The reader's rule and the rewriter's rule, case by case: tests/data/drop. Facts:
 *
 *   now 100                          the time
 *   source k=1 m=2@50 z=del          records of a source in key order, newest source first; @50 expires at 50
 *   below k m                        keys that a run below the output may hold; nothing: the bottom
 *
 * Answers: what a reader is shown and what a rewrite of these sources writes. */
#include "script.h"
#include "store/drop.h"

struct newest {
    int given;
    struct lk_record record;
    uint8_t value;
};

static void parse_source(char *words, struct newest keys[128])
{
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        struct newest *key = &keys[word[0] & 127];
        char *at = strchr(word, '@');
        if (key->given++)
            continue;
        key->value = (uint8_t)word[2];
        key->record.flags = strcmp(word + 2, "del") == 0 ? LK_DELETE : LK_PUT;
        if (at) {
            key->record.flags |= LK_RECORD_EXPIRY;
            key->record.expiry = strtoull(at + 1, NULL, 10);
        }
    }
}

static void say(char *answer, int key, const struct newest *newest, int as_delete)
{
    char word[64];
    if (as_delete || lk_record_kind(&newest->record) == LK_DELETE)
        snprintf(word, sizeof word, " %c=del", key);
    else if (newest->record.expiry)
        snprintf(word, sizeof word, " %c=%c@%llu", key, newest->value, (unsigned long long)newest->record.expiry);
    else
        snprintf(word, sizeof word, " %c=%c", key, newest->value);
    strcat(answer, word);
}

static void drop_case(const char *facts, char answer[SCRIPT_TEXT])
{
    struct newest keys[128] = {{0}};
    char text[SCRIPT_TEXT], *rest = NULL, written[SCRIPT_TEXT] = "written", shown[SCRIPT_TEXT] = "shown  ";
    const char *below = "";
    uint64_t now = 0;

    strcpy(text, facts);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "now ", 4) == 0)
            now = strtoull(line + 4, NULL, 10);
        else if (strncmp(line, "source", 6) == 0)
            parse_source(line + 6, keys);
        else if (CHECK(strncmp(line, "below", 5) == 0))
            below = line + 5;
    }
    for (int key = 'a'; key <= 'z'; key++) {
        if (!keys[key].given)
            continue;
        if (lk_record_visible(&keys[key].record, now))
            say(shown, key, &keys[key], 0);
        enum lk_fate fate = lk_drop_fate(&keys[key].record, now, strchr(below, key) != NULL);
        if (fate != LK_FATE_DROP)
            say(written, key, &keys[key], fate == LK_FATE_DELETE);
    }
    if (strcmp(shown, "shown  ") == 0)
        strcpy(shown, "shown");
    snprintf(answer, SCRIPT_TEXT, "%.2000s\n%.2000s\n", shown, written);
}

TEST(the_scripts)
{
    script_run("drop", drop_case);
}

/* What is shown is written as it is, whatever lies below; what is dropped could show nothing. */
TEST(all_combinations_agree)
{
    for (int kind = LK_PUT; kind <= LK_DELETE; kind++)
        for (uint64_t expiry = 0; expiry < 4; expiry++)
            for (uint64_t now = 0; now < 5; now++)
                for (int below = 0; below < 2; below++) {
                    struct lk_record record = {.flags = (uint8_t)kind, .expiry = kind == LK_PUT ? expiry : 0};
                    enum lk_fate fate = lk_drop_fate(&record, now, below);
                    if (lk_record_visible(&record, now))
                        CHECK_EQ(fate, LK_FATE_WRITE);
                    else if (!below)
                        CHECK_EQ(fate, LK_FATE_DROP);
                    else
                        CHECK_EQ(fate, kind == LK_DELETE ? LK_FATE_WRITE : LK_FATE_DELETE);
                }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
