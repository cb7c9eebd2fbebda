// Java's regular expressions as PCRE2's. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_REGEX_JAVA_H
#define FORESET_EXPR_EXPR_REGEX_JAVA_H

#include "common/base/text.h"

// Appends to ret_pattern what PCRE2 (UTF mode, no options) reads as Java 17 reads the pattern. NULL, or why not: Java
// refuses it, or it is a form that is not built here, by name.
const char *expr_regex_java(struct slice pattern, struct text *ret_pattern);

#endif
