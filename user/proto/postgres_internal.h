/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of PostgreSQL's frontend/backend protocol, versions 3.0 and 3.2 (documentation, chapter "Frontend/Backend
 * Protocol"). Included by postgres*.c only. The way of a byte: postgres.c cuts both flows into messages (each says its
 * length); postgres_request.c and postgres_startup.c read what a client asks and put it into the ring
 * (postgres_ring.c); postgres_response.c reads what a server answers and takes it out again; postgres_pair.c says which
 * request a response belongs to, after a loss as well. Names of statements and portals are in postgres_names.c, what is
 * known of their text in postgres_facts.c, shared by all connections. Of a statement's text nothing is kept, unless the
 * user wants it, sanitised; of parameters and rows nothing at all. A connection that is idle is folded up by
 * postgres_idle.c; all else works on its unfolded state.
 */
#pragma once

#include "base/hash_table.h"
#include "proto/proto.h"
#include "proto/sql.h"

#define POSTGRES_LENGTH_MAX 0x3fffffff /* PQ_LARGE_MESSAGE_LIMIT of libpq.h: 1 GiB - 1 */
#define POSTGRES_STARTUP_MAX 10000     /* MAX_STARTUP_PACKET_LENGTH of pqcomm.h */
#define POSTGRES_SCAN_MAX 65536        /* bytes of one message's text that are looked at */
#define POSTGRES_PIPELINE_MAX 8192     /* entries in the ring of one connection */
#define POSTGRES_NAMES_MAX 512         /* named statements and portals that are known of one connection */
#define POSTGRES_FACTS_MAX 8192        /* texts that are shared by all connections */
#define POSTGRES_NAME_MAX 63           /* of a database: NAMEDATALEN - 1 */
#define POSTGRES_CAPTURE_MAX 48        /* of a payload that is read: a command tag, a parameter's value */
#define POSTGRES_DETECT_MAX 512

/* "Message Formats": request codes of the messages without a type. */
enum postgres_code {
	CODE_CANCEL = 80877102,
	CODE_SSL = 80877103,
	CODE_GSS = 80877104,
	CODE_PROTOCOL_3 = 3 << 16,
	CODE_PROTOCOL_4 = 4 << 16,
};

enum postgres_phase {
	PHASE_START,   /* between messages */
	PHASE_HEADER,  /* inside of type and length */
	PHASE_PAYLOAD, /* `left` bytes more */
	PHASE_ROWS,    /* a long result is passed over: postgres_rows.c */
	PHASE_LOST,    /* the caller was told, or must be told, that the flow is out of step */
	PHASE_DEAD,    /* malformed */
};

/* Which part of a payload comes. */
enum postgres_part {
	PART_REST, /* nothing more of it is needed */
	PART_NAME, /* of a portal, or of a statement that Parse names */
	PART_STATEMENT,
	PART_TEXT,
	PART_KIND, /* S or P: of what Describe and Close are about */
	PART_PARAMETERS,
	PART_CAPTURE, /* the first POSTGRES_CAPTURE_MAX bytes */
	PART_FIELDS,  /* of an ErrorResponse */
};

struct postgres_flow {
	uint8_t phase; /* enum postgres_phase */
	uint8_t part;  /* enum postgres_part */
	uint8_t type;  /* of the message at hand; 0: a startup message */
	uint8_t header_length;
	bool tail_missing; /* the call that moved the last bytes taken was lost */
	bool asked;        /* skip_until, for this message */
	union {
		uint8_t header[8];
		uint64_t hash; /* PHASE_PAYLOAD: of the name at hand */
	};
	uint32_t left;
	uint32_t length; /* of the payload */
	uint32_t tgid;   /* who moved the first byte of the message at hand, when, at which place */
	uint32_t tid;
	uint32_t first_peer_position;
	uint32_t goroutine;
	uint64_t first_ns;
	uint64_t first_offset;
	/* One past the last byte taken; 0 when none was fed yet. Positions unwrapped. */
	uint64_t offset;
};

/* postgres_facts.c */
struct postgres_facts {
	struct hash_node node;
	struct postgres_facts *newer; /* of those that nobody holds, by age */
	struct postgres_facts *older;
	uint32_t holders;
	uint16_t number; /* below POSTGRES_FACTS_MAX */
	uint8_t collection_length;
	uint8_t summary_length;
	uint16_t text_length;
	char text[]; /* collection, summary, and the text itself where the user wants it, sanitised */
};

/* What is known of a statement. */
struct postgres_statement {
	struct postgres_facts *facts; /* held; NULL: no names are known */
	sql_operation operation;
	bool empty;    /* its text has no statement */
	bool bound;    /* a portal whose Bind was seen */
	bool executed; /* ... and of which rows were asked for before */
};

enum postgres_kind {
	ENTRY_STATEMENT, /* one statement of a Query */
	ENTRY_UNIT,      /* messages about one statement, up to its Execute */
	ENTRY_FUNCTION,  /* FunctionCall */
	ENTRY_SYNC,      /* what ReadyForQuery answers */
	ENTRY_ENCRYPT,   /* SSLRequest, GSSENCRequest: one byte answers */
};

enum postgres_flag {
	ENTRY_GROUP = 1,       /* the first entry after what asks for ReadyForQuery */
	ENTRY_NEXT = 2,        /* not the first statement of its Query: begins when the one before it ends */
	ENTRY_BY_SYNC = 4,     /* of a Sync message */
	ENTRY_STARTUP = 8,     /* of a StartupMessage */
	ENTRY_RESPONDING = 16, /* a byte of its response was seen */
	ENTRY_COPIES = 32,     /* CopyInResponse was seen */
	ENTRY_COPIED = 64,     /* CopyDone or CopyFail was seen */
	ENTRY_BULK = 128,      /* a long result: the ends of calls were asked for */
};

/* What a unit has asked for, and what was answered. */
enum postgres_step {
	STEP_PARSE = 1,
	STEP_BIND = 2,
	STEP_DESCRIBE = 4,
	STEP_EXECUTE = 8,
};

struct postgres_entry {
	struct postgres_statement statement;
	uint64_t request_first_ns;
	uint64_t request_last_ns;
	uint64_t response_first_ns;
	uint64_t offset; /* of the first byte, unwrapped */
	uint32_t goroutine;
	uint32_t peer_position;
	uint32_t response_position;
	uint32_t tgid;
	uint32_t tid;
	uint8_t kind;
	uint8_t flags;
	uint8_t asked;
	uint8_t answered;
	uint32_t rows; /* POSTGRES_ROWS_UNKNOWN once some were passed over */
};

#define POSTGRES_ROWS_UNKNOWN UINT32_MAX

#define POSTGRES_FIRST_ENTRIES 2 /* of a ring: most clients wait for each answer */

/* postgres_names.c */
struct postgres_names {
	uint64_t *words; /* owned */
	uint16_t count;
	uint16_t size;
	uint16_t hand; /* the last one that went for another */
};

/* Memory that a message under way needs; not there between messages. */
struct postgres_scratch {
	struct sql_scan scan;
	struct sql_writing writing;          /* into keep */
	char *keep;                          /* owned; NULL unless the text of statements is wanted */
	uint32_t scanned;                    /* bytes of text looked at */
	struct postgres_statement statement; /* of Parse */
	uint32_t statements;
	/* StartupMessage: a parameter's name or value, and what is kept. */
	char key[16];
	char value[POSTGRES_NAME_MAX + 1];
	char user[POSTGRES_NAME_MAX + 1];
	char database[POSTGRES_NAME_MAX + 1];
	uint8_t text_length;
	bool in_value;
};

struct postgres_state {
	struct postgres_flow flow[2];      /* by enum proto_flow */
	struct postgres_shared *shared;    /* borrowed; NULL: no facts are kept */
	struct postgres_scratch *scratch;  /* owned */
	struct postgres_facts *name_space; /* held; the database */
	struct postgres_rows *rows;        /* owned; there in PHASE_ROWS of the responses only */
	/* The ring. */
	struct postgres_entry *ring; /* first, or owned */
	uint16_t ring_size;          /* a power of two */
	uint16_t ring_head;
	uint16_t open;
	uint16_t ready;   /* of whole messages: responses may belong to them */
	uint16_t settled; /* while adrift: that many of the first entries have the next responses */
	bool unit_open;   /* the last entry is a unit that may grow */
	bool group_begun; /* the next entry belongs to the group of the one before it */
	/* Both flows. */
	bool begun;
	bool started;     /* the StartupMessage was seen */
	bool adrift;      /* which request a response answers is not certain: postgres_pair.c */
	bool pipelined;   /* a group was sent before the one before it was answered */
	bool at_group;    /* the next response is the first of a group */
	bool group_known; /* the next request begins a group, for certain */
	bool skipping;    /* the server passes over everything up to the next Sync */
	bool opaque;
	bool encrypted;
	bool has_entry;  /* the response at hand belongs to the first entry */
	uint8_t strings; /* enum sql_strings: as the server's parameter says */
	uint8_t status;  /* of the last ReadyForQuery: I, T or E; 0 not known */
	uint8_t capture_length;
	uint8_t field; /* ErrorResponse: the field at hand */
	uint8_t field_length;
	char code[5];            /* SQLSTATE */
	uint64_t name_hash;      /* of the first name of the request at hand */
	uint64_t unit_statement; /* hash of the name of the open unit's statement */
	uint64_t group_ns;       /* when the group that is being answered began */
	uint64_t ready_ns;       /* of the last ReadyForQuery, and where it ended; 0 none */
	uint64_t ready_offset;
	uint64_t transaction_ns; /* when the open transaction began; 0 none, or not known */
	uint64_t transaction_idle_ns;
	struct postgres_statement unnamed;
	struct postgres_statement portal; /* the unnamed one */
	struct postgres_names names;
	uint8_t capture[POSTGRES_CAPTURE_MAX];
	struct postgres_entry first[POSTGRES_FIRST_ENTRIES];
};

/* What is handed down while one chunk is taken. */
struct postgres_feed {
	struct postgres_state *state;
	const struct proto_sink *sink;
	const struct proto_chunk *chunk;
	struct postgres_flow *flow;
	enum proto_flow which;
	size_t at; /* bytes of the chunk taken */
};

/* --- postgres_detect.c */
enum proto_detect postgres_detect(const uint8_t *bytes, size_t length);

static inline uint32_t postgres_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* --- postgres_facts.c */
void *postgres_shared_new(uint64_t seed);
void postgres_shared_free(void *shared);
size_t postgres_shared_memory(const void *shared);
/* Held once more; NULL when there is no room. */
struct postgres_facts *postgres_facts_get(struct postgres_shared *shared, const struct sql_facts *facts);
static inline struct postgres_facts *postgres_facts_hold(struct postgres_facts *facts)
{
	if (facts)
		facts->holders++;
	return facts;
}

struct postgres_facts *postgres_facts_numbered(const struct postgres_shared *shared, size_t number);
/* A state, spare or new, with whatever is in it; NULL without memory. What is given back is kept, up to a maximum. */
struct postgres_state *postgres_spare_take(struct postgres_shared *shared);
void postgres_spare_give(struct postgres_shared *shared, struct postgres_state *state);
/* Likewise; messages that are split over calls are few, so one is kept. */
struct postgres_scratch *postgres_scratch_take(struct postgres_shared *shared);
void postgres_scratch_give(struct postgres_shared *shared, struct postgres_scratch *scratch);
/* Takes NULL. */
void postgres_facts_drop(struct postgres_shared *shared, struct postgres_facts *facts);

/* --- postgres_names.c: `key` is a hash of kind and name. */
uint64_t postgres_name_begin(char kind);
uint64_t postgres_name_add(uint64_t hash, const uint8_t *bytes, size_t length);
/* False when not known. Its facts are not held by what is returned. */
bool postgres_name_find(struct postgres_state *state, uint64_t key, struct postgres_statement *ret_statement);
/* Takes its own hold of the facts. Without room another one goes, without memory it is not kept. */
void postgres_name_set(struct postgres_state *state, uint64_t key, const struct postgres_statement *statement);
void postgres_name_remove(struct postgres_state *state, uint64_t key);
void postgres_names_done(struct postgres_names *names, struct postgres_shared *shared);
size_t postgres_names_memory(const struct postgres_names *names);
/* In 25 bits: its facts by their number, which this does not hold. */
uint32_t postgres_statement_pack(const struct postgres_statement *statement);
struct postgres_statement postgres_statement_unpack(const struct postgres_shared *shared, uint64_t word);
/* Replaces what a place holds. */
void postgres_statement_set(struct postgres_state *state, struct postgres_statement *place,
			    const struct postgres_statement *statement);

/* --- postgres_ring.c */
void postgres_ring_init(struct postgres_state *state);
void postgres_ring_done(struct postgres_state *state);
size_t postgres_ring_memory(const struct postgres_state *state);
/* `index` < state->open. */
static inline struct postgres_entry *postgres_entry_at(struct postgres_state *state, size_t index)
{
	return &state->ring[(state->ring_head + index) & (state->ring_size - 1u)];
}

/* A new one behind the others, of the message at hand. -ENOMEM, -ENOBUFS. */
MUST_CHECK int postgres_ring_push(struct postgres_feed *feed, enum postgres_kind kind,
				  struct postgres_entry **ret_entry);
void postgres_drop_first(struct postgres_state *state);
void postgres_drop_last(struct postgres_state *state);
/* Counts the first one as given up, if it would have been an exchange, and removes it. */
void postgres_give_up_first(struct postgres_state *state, const struct proto_sink *sink);

/* What an exchange adds to its entry. */
struct postgres_outcome {
	sql_operation operation;    /* when the entry's is not known */
	const char *operation_text; /* in place of all of that; may be NULL */
	enum exchange_error error;
	const char *code; /* SQLSTATE; NULL: none */
	uint64_t rows;
	bool rows_known;
	uint64_t end_ns;
};

/* Makes an exchange of an entry. It stays. */
void postgres_tell(struct postgres_state *state, const struct proto_sink *sink, const struct postgres_entry *entry,
		   const struct postgres_outcome *outcome);
/* The first entry is the only one, and whole: what its exchange will say. Those of a pipeline are told at their end
 * alone. */
void postgres_tell_begin(struct postgres_state *state, const struct proto_sink *sink);
/* An entry that is an exchange when it ends: not what only prepares, an empty statement, or a Sync. */
bool postgres_entry_counts(const struct postgres_entry *entry);

/* --- postgres.c: the operations of the contract, on an unfolded state; _done leaves names and facts. */
enum proto_status postgres_feed(struct postgres_state *state, const struct proto_sink *sink, enum proto_flow which,
				const struct proto_chunk *chunk, size_t *consumed);
void postgres_close(struct postgres_state *state, const struct proto_sink *sink, enum connection_end_reason reason,
		    uint64_t time_ns);
void postgres_lost(struct postgres_state *state, const struct proto_sink *sink, enum proto_flow which);
void postgres_done(struct postgres_state *state);
size_t postgres_memory(const struct postgres_state *state);
/* Copies bytes of a payload's begin to state->capture. */
void postgres_capture(struct postgres_state *state, const uint8_t *bytes, size_t length);
/* The scratch memory, made if need be; NULL: there is none. */
struct postgres_scratch *postgres_scratch_get(struct postgres_state *state);

/* --- postgres_request.c, postgres_startup.c: a message's header is whole; bytes of its payload; it is whole. */
enum proto_status postgres_request_begin(struct postgres_feed *feed);
void postgres_request_take(struct postgres_feed *feed, const uint8_t *bytes, size_t length);
enum proto_status postgres_request_done(struct postgres_feed *feed);
enum proto_status postgres_startup_begin(struct postgres_feed *feed);
void postgres_startup_take(struct postgres_feed *feed, const uint8_t *bytes, size_t length);
enum proto_status postgres_startup_done(struct postgres_feed *feed);
/* The open unit is complete: what comes begins another one. */
void postgres_unit_close(struct postgres_state *state);

/* --- postgres_response.c */
enum proto_status postgres_response_begin(struct postgres_feed *feed);
void postgres_response_take(struct postgres_feed *feed, const uint8_t *bytes, size_t length);
enum proto_status postgres_response_done(struct postgres_feed *feed);

/* --- postgres_rows.c */
/* A chunk of the responses was taken: is it time to ask for the ends of calls alone? */
void postgres_rows_watch(struct postgres_feed *feed);
/* The responses cannot go on behind a gap: may rows be passed over? Then they are, from here on. */
bool postgres_rows_begin(struct postgres_feed *feed);
void postgres_rows_end(struct postgres_state *state);
/* A request comes while rows are passed over: it waits, or (`no_wait`) the result's end is lost. */
bool postgres_rows_block(struct postgres_state *state, bool no_wait);
/* PHASE_ROWS: takes the rest of the chunk. The messages that end the result are in `ret_end` (borrowed until
 * postgres_rows_end), whose length is 0 as long as it goes on. */
enum proto_status postgres_rows_take(struct postgres_feed *feed, struct proto_chunk *ret_end);
size_t postgres_rows_memory(const struct postgres_state *state);

/* --- postgres_pair.c */
/* A message of this type begins with the next byte of the responses: state->has_entry says whether the first entry is
 * what it answers. False: wait. */
bool postgres_pair(struct postgres_feed *feed, uint8_t type);
/* No request was sent before this response that was not fed yet. */
bool postgres_none_on_the_way(const struct postgres_feed *feed);
/* ReadyForQuery was taken. */
void postgres_pair_ready(struct postgres_feed *feed);
/* A group's first entry was put into the ring. */
void postgres_pair_group(struct postgres_state *state, const struct postgres_entry *entry);
void postgres_pair_lost(struct postgres_state *state, const struct proto_sink *sink, enum proto_flow which);
