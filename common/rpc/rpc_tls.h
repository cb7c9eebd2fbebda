// Keys and certificates, for rpc's own files. What nng 1.5 over mbedTLS 2.28 checks, and what not:
//   both sides   the other's certificate chain leads to an authority of ca_file, is in its time, has usable key and
//                signature algorithms; a side without a certificate is refused; TLS 1.2 or newer (mbedTLS 2.28: 1.2)
//   dialling     besides, the name: server_name, else the host of the URL, is among the certificate's DNS names (with
//                wildcards), or is its common name if it has no list of alternative names. An address of numbers is
//                compared as such a name: `DNS:10.0.0.5` or, without alternative names, `CN=10.0.0.5`; `IP:10.0.0.5` is
//                not looked at
//   listening    not the name: any certificate of the authority may dial. nng does not tell whose it is
//   neither      whether the certificate was withdrawn, but by a CRL that stands in ca_file behind the authorities
// Files are read once, when an endpoint is opened: new certificates need a restart.
#ifndef FORESET_RPC_RPC_TLS_H
#define FORESET_RPC_RPC_TLS_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/rpc/rpc.h"
#include "common/rpc/rpc_url.h"

struct rpc_tls_files {
    char *ca, *certificate, *key; // PEM; NULL: no TLS
    char *crl;
    char *server_name;
};

// Reads the files and tries them; tls NULL: none. STATUS_INVALID, ERROR_USAGE with the file's name.
enum status rpc_tls_load(const struct rpc_tls *tls, struct rpc_tls_files *ret_files, struct error *err) MUST_USE;
void rpc_tls_unload(struct rpc_tls_files *files);
// NULL for URLs other than tls+tcp://. files must have been loaded for those: STATUS_INVALID. nng_tls_config_free.
enum status rpc_tls_configure(const struct rpc_tls_files *files, const char *url, const struct rpc_url *parsed,
                              bool listen, nng_tls_config **ret_config, struct error *err) MUST_USE;

#endif
