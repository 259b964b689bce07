/* codec_choice: the two codecs of a store or a namespace, from what a call names to what the store keeps.
 *
 *   key="str", value=codecs.json     these; the store must agree
 *   "stored"                         what the store says, once it is open
 *   "raw"                            bytes as they lie there, whatever the store says */
#ifndef LSM_PY_CODEC_CHOICE_H
#define LSM_PY_CODEC_CHOICE_H

#include "py/codec.h"

struct lsm_codec_choice {
    struct lsm_codec *key, *value;          /* owned; NULL: bytes, or not known yet */
    const char *key_name, *value_name;      /* borrowed from these; NULL: left to the store */
    int find_key, find_value;               /* "stored": lsm_codec_choice_find will */
};

/* Arguments key= and value=, NULL where not given. 0, or -1 with an exception and nothing to clear. */
int lsm_codec_choice_take(struct lsm_codec_choice *choice, struct lsm_module *module, PyObject *key, PyObject *value);
/* Now that `db` is open. 0 or -1. */
int lsm_codec_choice_find(struct lsm_codec_choice *choice, struct lsm_module *module, const lsmkv *db);
void lsm_codec_choice_clear(struct lsm_codec_choice *choice);

#endif
