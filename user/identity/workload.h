/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of what a person deployed, from the name that Kubernetes gave one pod of it. Pure. Without asking the API
 * server the pod's name is all there is, and its endings are drawn by fixed rules (apimachinery, util/rand: the
 * alphabet has neither vowels nor 0, 1, 3).
 */
#pragma once

#include "identity/slice.h"

/*
 *   web-7d4b9c6f5d-x2x9k   web     a ReplicaSet's pod: its hash, then five letters
 *   backup-28461230-x2x9k  backup  a CronJob's: minutes since the epoch
 *   agent-x2x9k            agent   a DaemonSet's or a Job's
 *   db-0                   db      a StatefulSet's
 *   etcd-node1             etcd-node1
 */
struct slice workload_of_pod(struct slice pod);
/* True for the containers that a mesh or a platform puts beside a pod's own: they keep their own names. */
bool workload_is_sidecar(struct slice container);
