/* table_output: the buffer, the flush, the checksums. One thread. */
#include "store/table_output.h"

#include "os/large.h"
#include "util/alloc.h"
#include "util/checksum.h"

enum { LEAVE = 4 * 1024 * 1024 }; /* so much at once leaves memory */

int lk_table_output_init(struct lk_table_output *output, struct lk_env *env, struct lk_file *file, const char *name,
                         uint64_t identity)
{
    *output = (struct lk_table_output){.env = env, .file = file, .name = name, .identity = identity};
    output->buffer = lk_large_new(env, LK_OUTPUT_BUFFER);
    return output->buffer ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out: no buffer to write %s", name);
}

void lk_table_output_deinit(struct lk_table_output *output)
{
    if (output->buffer)
        lk_large_free(output->env, output->buffer, LK_OUTPUT_BUFFER);
    lk_free(output->checks);
    *output = (struct lk_table_output){0};
}

static int make_room_for_checks(struct lk_table_output *output, uint32_t more)
{
    if (more <= output->check_cap - output->check_count)
        return 0;
    uint32_t cap = output->check_cap + output->check_cap / 2 + LK_OUTPUT_BUFFER / LK_GRANULE;
    uint32_t *checks = lk_realloc(output->checks, (size_t)cap * sizeof *checks);
    if (checks == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room for the checksums of %s", output->name);
    output->checks = checks;
    output->check_cap = cap;
    return 0;
}

/* What was written since is on its way to the disk then, and what was asked for before leaves, as far as it has got there. */
static void leave(struct lk_table_output *output)
{
    uint64_t from = output->flushed > 3 * LEAVE ? output->flushed - 3 * LEAVE : 0;
    output->env->ops->forget(output->file, from, output->flushed - from);
}

int lk_table_output_flush(struct lk_table_output *output)
{
    uint32_t granules = (uint32_t)(output->len / LK_GRANULE);
    int rc = make_room_for_checks(output, granules);

    for (uint32_t i = 0; rc == 0 && i < granules; i++) {
        uint32_t seed = lk_checksum_seed(output->identity, output->flushed / LK_GRANULE + i);
        const uint8_t *granule = output->buffer + (size_t)i * LK_GRANULE;
        output->checks[output->check_count++] = lk_checksum(seed, granule, LK_GRANULE);
    }
    if (rc == 0)
        rc = lk_io_write(output->env, output->file, output->name, output->flushed, output->buffer, output->len);
    if (rc == 0) {
        uint64_t before = output->flushed;
        output->flushed += output->len;
        output->len = 0;
        if (output->leaves && output->flushed / LEAVE > before / LEAVE)
            leave(output);
    }
    return rc;
}

int lk_table_output_put(struct lk_table_output *output, const void *at, uint64_t bytes)
{
    const uint8_t *from = at;
    int rc = 0;

    while (rc == 0 && bytes) {
        size_t room = LK_OUTPUT_BUFFER - output->len, piece = bytes < room ? (size_t)bytes : room;
        memcpy(output->buffer + output->len, from, piece);
        output->len += piece;
        from += piece;
        bytes -= piece;
        if (output->len == LK_OUTPUT_BUFFER)
            rc = lk_table_output_flush(output);
    }
    return rc;
}

int lk_table_output_pad(struct lk_table_output *output, uint64_t alignment)
{
    static const uint8_t zeros[LK_GRANULE];
    uint64_t over = lk_table_output_offset(output) & (alignment - 1);
    return over ? lk_table_output_put(output, zeros, alignment - over) : 0;
}
