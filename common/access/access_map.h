// Which roles a certificate has: names in it → roles. A file of lines `NAME -> ROLE`; `#` begins a comment:
//
//     O=data-eng                      -> operator
//     URI:spiffe://example.org/admin  -> admin
//     DNS:w1.example.org              -> worker
//
// NAME is the whole O of the subject (O=…) or one whole subject alternative name (DNS:…, URI:…, IP:…, email:…),
// compared byte by byte: no patterns. The CN is no such name: it says who, not what for. A certificate has the roles
// of all lines that fit; a certificate that no line fits has none. Without a file these lines hold: O=foreset:reader
// -> reader, and the same for operator, admin, worker, coordinator.
#ifndef FORESET_ACCESS_ACCESS_MAP_H
#define FORESET_ACCESS_ACCESS_MAP_H

#include "common/access/access_role.h"
#include "common/base/error.h"
#include "common/rpc/rpc_identity.h"

#define ACCESS_MAP_BYTES_MAX (256u << 10)
#define ACCESS_MAP_LINES_MAX 4096u

struct access_map;
// path NULL: the default map. ERROR_USAGE names the file and the line; a file that others may write is refused.
enum status access_map_open(const char *path, struct access_map **ret_map, struct error *err) MUST_USE;
// The same of a text; name: for messages.
enum status access_map_parse(const char *text, const char *name, struct access_map **ret_map,
                             struct error *err) MUST_USE;
// The roles of a certificate that an authority of ours has signed; without one (tls false): none.
unsigned access_map_roles(const struct access_map *map, const struct rpc_identity *from);
void access_map_destroy(struct access_map *map); // NULL allowed

#endif
