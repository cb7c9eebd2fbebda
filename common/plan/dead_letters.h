// The columns of a dead letter table (SQL.md, Bad rows): made by the coordinator, filled by workers.
#ifndef FORESET_PLAN_DEAD_LETTERS_H
#define FORESET_PLAN_DEAD_LETTERS_H

#define DEAD_LETTERS_SCHEMA                                                                                            \
    "struct<epoch:bigint,failed_at:timestamp,topic:string,partition:int,offset:bigint,timestamp:timestamp,"            \
    "key:binary,value:binary,headers:array<struct<key:string,value:binary>>,row:string,class:string,message:string>"

#endif
