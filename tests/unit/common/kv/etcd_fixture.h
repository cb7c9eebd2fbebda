// A real etcd for tests: one to three members on loopback, own ports and data, ended with the test. Found by
// FORESET_ETCD, else on PATH; without it a test is skipped, and fails where CI is set.
#ifndef FORESET_TESTS_ETCD_FIXTURE_H
#define FORESET_TESTS_ETCD_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/kv/kv_etcd.h"

#define ETCD_MEMBERS_MAX 3

struct etcd_fixture {
    char dir[64];
    int count;
    int client_port[ETCD_MEMBERS_MAX], peer_port[ETCD_MEMBERS_MAX];
    pid_t pid[ETCD_MEMBERS_MAX];
    bool tls;       // dir/ca.pem, server.pem, server.key, client.pem, client.key; clients must show a certificate
    int generation; // of the data: another one is another cluster
    char endpoints[256];
};
// False: no etcd here, the test is skipped.
bool etcd_fixture_found(void);
void etcd_fixture_start(struct etcd_fixture *etcd, int members, bool tls);
void etcd_fixture_stop(struct etcd_fixture *etcd); // and removes its files
void etcd_fixture_member_start(struct etcd_fixture *etcd, int member);
void etcd_fixture_member_kill(struct etcd_fixture *etcd, int member);
void etcd_fixture_member_pause(struct etcd_fixture *etcd, int member); // SIGSTOP; back when it stands still
// All data gone, the cluster is made anew under the same addresses.
void etcd_fixture_wipe(struct etcd_fixture *etcd);
struct kv_etcd_config etcd_fixture_config(const struct etcd_fixture *etcd); // all members, TLS as it is
struct kv *etcd_fixture_open(const struct etcd_fixture *etcd, int64_t deadline_us);
void etcd_fixture_wait(struct kv *kv); // until it answers
// Of the member that leads; asked by HTTP.
int etcd_fixture_leader(const struct etcd_fixture *etcd);
// POSTs to a member's gateway with token (NULL: none); *ret_answer 4096 bytes. Fails the test unless it answers 200.
void etcd_fixture_post(const struct etcd_fixture *etcd, int member, const char *path, const char *body,
                       const char *token, char ret_answer[4096]);

#endif
