/* large: from the heap, or straight from the system. */
#include "os/large.h"

#include "util/alloc.h"

void *lk_large_new(struct lk_env *env, uint64_t bytes)
{
    void *at = NULL;
    if (bytes < LK_LARGE)
        return lk_alloc((size_t)bytes);
    return env->ops->reserve(env, bytes, &at) == 0 ? at : NULL;
}

void lk_large_free(struct lk_env *env, void *at, uint64_t bytes)
{
    if (bytes < LK_LARGE)
        lk_free(at);
    else if (at)
        env->ops->unreserve(env, at, bytes);
}
