// What those see of an answer who have shown no token: its form, numbers, states and names. Every other text becomes
// PUBLIC_JSON_HIDDEN, unless a member's name is in the list of those that hold names and states. So a member that is
// added later is hidden until somebody adds it there.
#ifndef FORESET_API_PUBLIC_JSON_H
#define FORESET_API_PUBLIC_JSON_H

#include "common/base/text.h"

#define PUBLIC_JSON_HIDDEN "(hidden)"

// Appends the document with its texts hidden. What is no JSON gives null.
void public_json(const char *json, struct text *ret_json);
// A member whose text is shown; NULL: no more. docs/SECURITY.md has the same list.
const char *public_json_member(size_t index);

#endif
