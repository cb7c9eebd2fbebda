// Who is at the other end of a connection, as far as the transport proved it. rpc fills it; what its owner allows such
// a peer is the owner's to decide.
#ifndef FORESET_RPC_RPC_IDENTITY_H
#define FORESET_RPC_RPC_IDENTITY_H

#include <stdbool.h>

struct rpc_identity {
    bool tls;                               // the names below come from a certificate that an authority of ours signed
    bool local;                             // loopback, ipc or inproc
    char address[80];                       // of the peer, with port; for logs
    const char *common_name, *organization; // NULL: the certificate has none
    const char *const *alternative_names;   // "DNS:a", "IP:10.0.0.1", "URI:spiffe://a/b", "email:a@b"; ends with NULL
    const char *token;                      // that the peer sent when it connected; NULL: none
};

#endif
