/* Opens a store, writes a pair, reads it back: cc ten_lines.c $(pkg-config --cflags --libs lsmkv) */
#include <lsmkv.h>
#include <stdio.h>

int main(int count, char **words)
{
    struct lsmkv_options options;
    lsmkv_options_init(&options);
    options.flags = LSMKV_OPEN_CREATE;
    lsmkv *db;
    void *colour = NULL;
    size_t bytes = 0;
    if (lsmkv_open(count > 1 ? words[1] : "fruit.db", &options, &db) != 0 ||
        lsmkv_put(db, "apple", 5, "red", 3, -1, NULL) != 0 || lsmkv_get(db, NULL, "apple", 5, &colour, &bytes) != 0)
        return fprintf(stderr, "%s\n", lsmkv_last_error()->text), 1;
    printf("apple is %.*s\n", (int)bytes, (char *)colour);
    lsmkv_free(colour);
    int rc = lsmkv_close(db);
    lsmkv_release(db);
    return rc != 0;
}
