/* test_keycodec_fail_alloc: a codec is there or it is not, and nothing is left behind. */
#include "alloc_fail.h"
#include "check.h"

#include "include/lsmkv.h"

TEST(without_memory_there_is_no_codec)
{
    lsmkv_codec *codec = (lsmkv_codec *)1;
    alloc_fail_at(1, 0);
    CHECK_EQ(lsmkv_codec_new("i64", 3, &codec), LSMKV_NOMEM);
    CHECK_EQ(alloc_fail_fired(), 1);
    CHECK(codec == NULL);
    CHECK_EQ(lsmkv_codec_new("i32", 3, &codec), LSMKV_INVALID);
    CHECK(codec == NULL);
    CHECK_EQ(lsmkv_codec_new("i64", 3, &codec), 0);
    lsmkv_codec_free(codec);
    lsmkv_codec_free(NULL);
    CHECK_EQ(alloc_fail_live(), 0);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
