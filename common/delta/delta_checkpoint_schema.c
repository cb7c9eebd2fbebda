// The row of a log checkpoint as types.
#include "common/delta/delta_checkpoint_schema.h"

#define MAP "map<string,string>"
#define DV                                                                                                             \
    "deletionVector:struct<storageType:string,pathOrInlineDv:string,offset:int,sizeInBytes:int,cardinality:bigint,"    \
    "maxRowIndex:bigint>"
#define ROW_IDS "baseRowId:bigint,defaultRowCommitVersion:bigint"
#define TXN     "txn:struct<appId:string,version:bigint,lastUpdated:bigint>,"
#define FILES                                                                                                          \
    "add:struct<path:string,partitionValues:" MAP ",size:bigint,modificationTime:bigint,dataChange:boolean,tags:" MAP  \
    "," DV "," ROW_IDS ",clusteringProvider:string,stats:string>,"                                                     \
    "remove:struct<path:string,deletionTimestamp:bigint,dataChange:boolean,extendedFileMetadata:boolean,"              \
    "partitionValues:" MAP ",size:bigint," DV "," ROW_IDS ">,"
#define NO_FILES "add:struct<foreset_none:string>,remove:struct<foreset_none:string>,"
#define STATE                                                                                                          \
    "metaData:struct<id:string,name:string,description:string,format:struct<provider:string,options:" MAP ">,"         \
    "schemaString:string,partitionColumns:array<string>,configuration:" MAP ",createdTime:bigint>,"                    \
    "protocol:struct<minReaderVersion:int,minWriterVersion:int,readerFeatures:array<string>,"                          \
    "writerFeatures:array<string>>,"                                                                                   \
    "domainMetadata:struct<domain:string,configuration:string,removed:boolean>"
#define SIDECAR ",sidecar:struct<path:string,sizeInBytes:bigint,modificationTime:bigint>"

static const struct type *checkpoint_type(const char *text)
{
    const struct type *type = NULL;
    struct error err;
    enum status status = type_parse(text, &type, &err);
    ASSERT(status == STATUS_OK);
    return type;
}

const struct type *delta_checkpoint_schema_written(void)
{
    return checkpoint_type("struct<" TXN FILES STATE ">");
}

const struct type *delta_checkpoint_schema_read(bool files)
{
    return files ? checkpoint_type("struct<" TXN FILES STATE SIDECAR ">")
                 : checkpoint_type("struct<" TXN NO_FILES STATE SIDECAR ">");
}
