// What the writing and the reading half of batch_wire share.
#ifndef FORESET_COLUMNAR_BATCH_WIRE_PRIVATE_H
#define FORESET_COLUMNAR_BATCH_WIRE_PRIVATE_H

#define WIRE_VALIDITY   1u
#define WIRE_DICTIONARY 2u
#define WIRE_SAME       4u
#define WIRE_TYPE_MAX   4096u // characters of the origin's type

#endif
