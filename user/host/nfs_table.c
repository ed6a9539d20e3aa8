/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the order of fs/nfs/nfs2xdr.c, nfs3xdr.c and nfs4xdr.c (client) and of the operations' numbers of RFC 7530,
 * section 16 (server). The names are node_exporter's, which left out some of the server's.
 */
#include "host/nfs.h"

/* clang-format off */
static const char *const client_2[] = {
	"Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove",
	"Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
};

static const char *const client_3[] = {
	"Null", "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir",
	"SymLink", "MkNod", "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat", "FsInfo",
	"PathConf", "Commit",
};

static const char *const client_4[] = {
	"Null", "Read", "Write", "Commit", "Open", "OpenConfirm", "OpenNoattr", "OpenDowngrade", "Close",
	"Setattr", "FsInfo", "Renew", "SetClientID", "SetClientIDConfirm", "Lock", "Lockt", "Locku", "Access",
	"Getattr", "Lookup", "LookupRoot", "Remove", "Rename", "Link", "Symlink", "Create", "Pathconf", "StatFs",
	"ReadLink", "ReadDir", "ServerCaps", "DelegReturn", "GetACL", "SetACL", "FsLocations", "ReleaseLockowner",
	"Secinfo", "FsidPresent", "ExchangeID", "CreateSession", "DestroySession", "Sequence", "GetLeaseTime",
	"ReclaimComplete", "GetDeviceInfo", "LayoutGet", "LayoutCommit", "LayoutReturn", "SecinfoNoName",
	"TestStateID", "FreeStateID", "GetDeviceList", "BindConnToSession", "DestroyClientID", "Seek", "Allocate",
	"DeAllocate", "LayoutStats", "Clone",
};

static const char *const server_2[] = {
	NULL, "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove",
	"Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
};

static const char *const server_3[] = {
	NULL, "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir", "SymLink",
	"MkNod", "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat", "FsInfo", "PathConf",
	"Commit",
};

static const char *const server_4[] = {
	NULL, NULL, NULL, "Access", "Close", "Commit", "Create", "DelegPurge", "DelegReturn", "GetAttr", "GetFH",
	"Link", "Lock", "Lockt", "Locku", "Lookup", "LookupRoot", "Nverify", "Open", "OpenAttr", "OpenConfirm",
	"OpenDgrd", "PutFH", NULL, NULL, "Read", "ReadDir", "ReadLink", "Remove", "Rename", "Renew", "RestoreFH",
	"SaveFH", "SecInfo", "SetAttr", "SetClientID", "SetClientIDConfirm", "Verify", "Write", "RelLockOwner",
};

static const char *const server_delegations[] = { "WdelegGetattr" };

#define NAMES(names) names, sizeof(names) / sizeof(names[0])

const struct nfs_procedures nfs_client_procedures[] = {
	{ "proc2", "2", true, 18, NAMES(client_2) },
	{ "proc3", "3", true, 22, NAMES(client_3) },
	{ "proc4", "4", true, 0, NAMES(client_4) },
	{ 0 },
};

const struct nfs_procedures nfs_server_procedures[] = {
	{ "proc2", "2", true, 18, NAMES(server_2) },
	{ "proc3", "3", true, 22, NAMES(server_3) },
	{ "proc4ops", "4", true, 39, NAMES(server_4) },
	{ "wdeleg_getattr", "4", false, 0, NAMES(server_delegations) },
	{ 0 },
};
/* clang-format on */
