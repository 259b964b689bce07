/* codec_choice: what is named is taken at once; what is left to the store waits for it. */
#include "py/codec_choice.h"

static int is_word(PyObject *given, const char *word)
{
    return given && PyUnicode_Check(given) && PyUnicode_CompareWithASCIIString(given, word) == 0;
}

static int is_left(PyObject *given)
{
    return is_word(given, "stored") || is_word(given, "raw");
}

void lsm_codec_choice_clear(struct lsm_codec_choice *choice)
{
    Py_CLEAR(choice->key);
    Py_CLEAR(choice->value);
}

int lsm_codec_choice_take(struct lsm_codec_choice *choice, struct lsm_module *module, PyObject *key, PyObject *value)
{
    *choice = (struct lsm_codec_choice){.find_key = is_word(key, "stored"), .find_value = is_word(value, "stored")};
    int rc = is_left(key) ? 0 : lsm_key_codec_from(module, key, &choice->key);
    if (rc == 0 && !is_left(value))
        rc = lsm_value_codec_from(module, value, &choice->value);
    if (rc == 0 && !is_left(key))
        rc = (choice->key_name = lsm_codec_name(choice->key)) ? 0 : -1;
    if (rc == 0 && !is_left(value))
        rc = (choice->value_name = lsm_codec_name(choice->value)) ? 0 : -1;
    if (rc < 0)
        lsm_codec_choice_clear(choice);
    return rc;
}

int lsm_codec_choice_find(struct lsm_codec_choice *choice, struct lsm_module *module, const lsmkv *db)
{
    if (choice->find_key) {
        PyObject *name = PyUnicode_FromString(lsmkv_key_codec(db));
        int rc = name ? lsm_key_codec_from(module, name, &choice->key) : -1;
        Py_XDECREF(name);
        if (rc < 0)
            return -1;
    }
    return choice->find_value ? lsm_value_codec_stored(module, lsmkv_value_codec(db), &choice->value) : 0;
}
