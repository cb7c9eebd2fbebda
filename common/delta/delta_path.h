// Names in a Delta log (Delta protocol, Add File and Remove File): add.path is a URI, encoded once and decoded once.
#ifndef FORESET_DELTA_DELTA_PATH_H
#define FORESET_DELTA_DELTA_PATH_H

#include "common/base/text.h"

#define DELTA_PATH_NAME_SIZE 64
// "_delta_log/00000000000000000007.json", "….checkpoint.parquet"
void delta_path_commit(int64_t version, char ret_key[DELTA_PATH_NAME_SIZE]);
void delta_path_checkpoint(int64_t version, char ret_key[DELTA_PATH_NAME_SIZE]);

// Object key -> add.path.
void delta_path_encode(const char *key, struct text *text);
// add.path -> object key below the table's root, decoded once; "." and empty parts are dropped. root: the store's url;
// an absolute path below it is taken. STATUS_UNSUPPORTED for other absolute paths and other stores (shallow clones),
// STATUS_CORRUPT for a broken escape or a path that leaves the root.
enum status delta_path_decode(const char *path, const char *root, struct text *text, struct error *err) MUST_USE;
// The folder of a partition, "p=a%2Fb/q=1/": the protocol asks for none, but Polars takes values from folders only, so
// data files of partitioned tables lie in one. columns and values as in partitionValues; NULL: null.
void delta_path_partition(const char *const *columns, const char *const *values, uint32_t count, struct text *text);
// A partition value or column name as Hive escapes it in a directory name.
void delta_path_escape(const char *value, struct text *text);

#endif
