/* beyond: who is larger, and what a flush left behind. */
#include "engine/beyond.h"

#include "engine/install.h"

static void leave(const struct lk_run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct lk_table *table = run->tables[i];
        if (table->leaves)
            table->env->ops->forget(table->file, 0, table->pages_end);
        table->leaves = 0;
    }
}

/* Tables that a merge under way has passed count still, one for each of its inputs. */
int lk_beyond_memory(struct lk_db *db)
{
    struct lk_version *version = lk_install_present(db);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < version->run_count; i++)
        bytes += lk_run_bytes(version->runs[i]) + lk_run_value_bytes(version->runs[i]);
    for (uint32_t i = 0; bytes > db->memory_limit && i < version->run_count; i++)
        leave(version->runs[i]);
    lk_version_unref(version);
    return bytes > db->memory_limit;
}
