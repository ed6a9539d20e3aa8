/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of Redis: the state of one connection and what its files ask of each other. Included by redis*.c only.
 * The way of a byte: redis.c sends it to redis_request.c (commands) or redis_reply.c (values); redis_pair.c holds the
 * commands without answer and finds the one that a reply answers; redis_answer.c says what the reply means. What is
 * left of a reply with a hole in it is redis_pass.c's. Kept of a connection's bytes: at most 24 of a word that is split
 * over chunks, until it is known or not.
 */
#pragma once

#include <stdlib.h>

#include "proto/proto.h"

#define REDIS_WORD_MAX 24                   /* the longest word that is looked at */
#define REDIS_BULK_MAX (UINT64_C(1) << 40)  /* of a string; the server's default maximum is 512 MiB */
#define REDIS_COUNT_MAX (UINT64_C(1) << 31) /* of the values of one aggregate */
#define REDIS_INLINE_MAX (64u << 10)        /* of an inline command: the server's own maximum */
#define REDIS_LINE_MAX (1u << 20)           /* of a line that is an error or a big number */
#define REDIS_OPEN_MAX (1u << 18)           /* commands of one connection without answer */
#define REDIS_DETECT_MAX 512
#define PUSH_VALUES 3     /* the first ones of a push: kind, channel, count */
#define REDIS_DEPTH_MAX 6 /* levels of nesting that are followed one by one; below, values are counted together */

/* What is special about a command. */
enum redis_kind {
	KIND_PLAIN,
	KIND_CONTAINER, /* its first argument names a subcommand */
	KIND_BLOCKING,
	KIND_MAY_BLOCK, /* with the option BLOCK */
	KIND_VALUE,     /* looks one key or field up: the reply is its value, or null */
	KIND_EACH,      /* looks each argument up: likewise, an array of them */
	KIND_COUNT,     /* looks each argument up: the reply says how many there are */
	KIND_ALL,       /* looks one key up: the reply is empty when there is none */
	KIND_SET,       /* with the option GET as KIND_VALUE */
	KIND_SELECT,
	KIND_HELLO,
	KIND_MULTI,
	KIND_EXEC,
	KIND_DISCARD,
	KIND_RESET,
	KIND_REPLY, /* CLIENT REPLY */
	KIND_SYNC,  /* the connection becomes a replication stream */
	KIND_MONITOR,
	KIND_SHUTDOWN, /* answered by the end of the connection */
	KIND_SUBSCRIBE,
	KIND_PSUBSCRIBE,
	KIND_SSUBSCRIBE,
	KIND_UNSUBSCRIBE,
	KIND_PUNSUBSCRIBE,
	KIND_SUNSUBSCRIBE,
};

struct redis_command {
	union {
		char name[40]; /* upper case, padded with zeros */
		uint64_t begin;
	};
	uint8_t length;
	uint8_t kind; /* enum redis_kind */
};

#define REDIS_COMMAND_OTHER 0

enum redis_call_flag {
	CALL_BLOCKING = 1,
	CALL_LOOKUP = 2,       /* SET with GET */
	CALL_SILENT = 4,       /* CLIENT REPLY said that no answer comes */
	CALL_PARTIAL = 8,      /* SUBSCRIBE and the like: some of its answers came */
	CALL_FIRST = 16,       /* of its batch */
	CALL_LOSS_BEHIND = 32, /* commands were lost between this one and the next */
};

/* A command without answer. */
struct redis_call {
	uint32_t position;
	uint32_t operand; /* SELECT: the number; else how many arguments there are */
	uint16_t command;
	uint8_t flags;   /* enum redis_call_flag */
	uint8_t silence; /* enum redis_silence: what CLIENT REPLY said that MULTI queued */
};

/* What commands of one call of the kernel share. */
struct redis_batch {
	uint64_t first_ns;
	uint64_t last_ns;
	uint32_t tgid;
	uint32_t tid;
	uint32_t peer_position; /* how far the replies had come when the last byte moved */
	uint32_t goroutine;
	uint32_t unseen;       /* bytes of commands that had been lost before it, as in the state */
	uint32_t count : 31;   /* commands of it that are still open */
	uint32_t anchored : 1; /* no command was lost that was sent where the replies stood when it was */
};

#define REDIS_FIRST_CALLS 4
#define REDIS_FIRST_BATCHES 1

/* Open commands, oldest first. Both rings begin inside the state and grow by doubling. */
struct redis_ring {
	struct redis_call *calls;    /* first_calls, or owned */
	struct redis_batch *batches; /* first_batches, or owned */
	uint32_t call_size;          /* powers of two */
	uint32_t call_head;
	uint32_t call_count;
	uint32_t batch_size;
	uint32_t batch_head;
	uint32_t batch_count;
	struct redis_call first_calls[REDIS_FIRST_CALLS];
	struct redis_batch first_batches[REDIS_FIRST_BATCHES];
};

enum redis_phase {
	PHASE_START,
	PHASE_NUMBER, /* behind a type: digits up to CR LF */
	PHASE_BULK,   /* `left` bytes more, CR LF included */
	PHASE_HEADER, /* requests: '$' must come */
	PHASE_INLINE,
	PHASE_LINE,   /* replies: a value that is a line */
	PHASE_DECIDE, /* replies: which command it answers must be known now */
	PHASE_PASS,   /* replies: the rest of an aggregate, which nobody can count: redis_pass.c */
	PHASE_LOST,
	PHASE_DEAD,
};

/* One flow's framing. */
struct redis_flow {
	uint8_t phase; /* enum redis_phase */
	uint8_t type;  /* the type character at hand */
	uint8_t word_length;
	uint8_t digits;
	bool word_wanted : 1;
	bool word_long : 1; /* the word does not fit */
	bool negative : 1;
	bool streamed : 1; /* the count is '?' */
	bool cr : 1;
	bool ended : 1;
	bool held : 1;         /* the byte that is offered next was taken before */
	bool tail_missing : 1; /* nobody saw the call that moved the last bytes */
	bool fed : 1;          /* `next` is known */
	uint32_t tgid;
	uint32_t tid;
	uint32_t position;      /* of the first byte of the message at hand */
	uint32_t next;          /* one past the last byte taken */
	uint32_t peer_position; /* of the first byte */
	uint32_t goroutine;
	uint64_t first_ns;
	uint64_t number;
	uint64_t left;
	uint64_t ask_at;
	char word[REDIS_WORD_MAX];
};

/* The command being read. */
struct redis_reading {
	uint32_t args_left;
	uint32_t arg; /* index of the one at hand */
	uint32_t operand;
	uint16_t command;
	uint8_t flags; /* enum redis_call_flag */
	uint8_t kind;
	bool options_over;
	uint8_t quote;   /* inline: inside of quotes */
	uint8_t silence; /* CLIENT REPLY: what it said */
	bool in_word;
	uint32_t inline_bytes;
};

enum redis_silence {
	SILENCE_NONE,
	SILENCE_NEXT, /* CLIENT REPLY SKIP */
	SILENCE_ALL,  /* CLIENT REPLY OFF */
	SILENCE_ON,   /* of a command being read: CLIENT REPLY ON */
};

/* The reply being read. */
struct redis_replying {
	uint64_t levels[REDIS_DEPTH_MAX]; /* values left in each; REDIS_STREAMED */
	uint8_t depth;
	uint8_t attributes; /* one bit for each level that is an attribute */
	uint8_t base;       /* the level of the answers: 1 inside of EXEC's */
	uint8_t type;       /* of the answer at hand */
	uint8_t words;      /* values of a push that were seen */
	uint8_t confirms;   /* a push: the kind of command that it confirms; 0 none */
	uint8_t code;       /* index of the error's prefix */
	bool has_call;      /* the first open command is the one that is answered */
	bool undecided;     /* whose it is depends on its first words */
	bool is_push;
	bool is_message;    /* its first word is that of a message of a subscription */
	bool null;          /* the answer is null */
	bool chunks;        /* inside of a streamed string */
	char status[7];     /* begin of a simple string */
	uint32_t confirmed; /* a push: subscriptions that there are now */
	uint32_t hits;      /* of an array: values that are not null, and that are */
	uint32_t misses;
	uint64_t number; /* the answer, when it is a number; the count, of an aggregate */
};
#define REDIS_STREAMED UINT64_MAX

struct redis_state {
	struct redis_flow flow[2];
	struct redis_reading reading;
	struct redis_replying reply;
	struct redis_ring ring;
	struct redis_call *queued; /* owned; commands of MULTI, until EXEC */
	uint32_t queued_count;
	uint32_t queued_size;
	uint32_t queued_told;      /* of them, answered by the elements of EXEC's reply */
	uint32_t drift_peer;       /* lost commands were sent when the replies had come so far, or before */
	uint32_t burst_peer;       /* peer_position of the last commands that were sent when nothing was open */
	uint32_t partial_position; /* of the first answer to a command that has several */
	uint64_t partial_ns;
	uint32_t channels; /* subscriptions */
	uint32_t patterns;
	uint32_t shards;
	int32_t database;     /* -1: not known */
	uint32_t lost_peer;   /* peer_position of the last call that moved lost commands; 0 when not known */
	uint32_t unseen[2];   /* bytes that were lost: of commands modulo 2^32, of replies since accounted for */
	uint32_t accounted;   /* of those of commands */
	uint32_t alone;       /* replies that were counted as alone since; their commands may come yet */
	uint32_t alone_peer;  /* how far the commands had come at the last of them */
	uint32_t pass_peer;   /* PHASE_PASS: how far they had come when it began */
	bool adrift : 1;      /* nobody can count which command a reply answers */
	bool drift_open : 1;  /* no command was opened since commands were lost */
	bool drift_later : 1; /* drift_peer is known, and no command was sent behind it yet */
	bool inlined : 1;     /* inline commands were sent */
	bool multi_sent : 1;  /* MULTI was sent, and neither EXEC nor DISCARD since */
	bool interleaved : 1; /* commands were sent between the replies to others */
	bool in_multi : 1;
	bool subscriptions_unsure : 1;
	bool torn : 1; /* adrift, and what was lost last was inside of an aggregate: its values may follow */
	bool resp3 : 1;
	bool both_lost : 1; /* it is among unseen_connections */
	bool monitor : 1;
	bool opaque : 1;
	uint8_t silence; /* enum redis_silence */
	uint8_t bursts;  /* how often commands were sent when nothing was open; does not count far */
};

_Static_assert(sizeof(struct redis_state) <= 512, "one for each of 65,536 connections");

/* What is handed down while one chunk is taken. */
struct redis_feed {
	struct redis_state *state;
	const struct proto_sink *sink;
	const struct proto_chunk *chunk;
	struct redis_flow *flow;
	enum proto_flow which;
	size_t at; /* bytes of the chunk taken */
};

/* redis_command.c */
extern const struct redis_command redis_commands[];
extern const size_t redis_command_count;
/* REDIS_COMMAND_OTHER for a word that is no command. Any case. */
uint16_t redis_command_find(const char *word, size_t length);
uint16_t redis_subcommand_find(uint16_t container, const char *word, size_t length);
/* Same letters, whatever their case; `upper` is in upper case. */
bool redis_word_is(const char *word, size_t length, const char *upper);
/* An error's prefix as an index: of one that is not known, that of "_OTHER". */
uint8_t redis_code_find(const char *word, size_t length);
struct text redis_code_text(uint8_t code);

/* redis_detect.c */
enum proto_detect redis_detect(const uint8_t *bytes, size_t length);

/* redis_frame.c: framing that both flows share. */
enum redis_number {
	NUMBER_MORE,
	NUMBER_DONE,
	NUMBER_BAD,
};

/* Type, up to seven digits and CR LF, all of them at hand: `at` moves behind them. */
static inline bool redis_header(const uint8_t **at, const uint8_t *end, uint8_t type, uint32_t *ret_number)
{
	const uint8_t *byte = *at, *last = end - byte > 10 ? byte + 8 : end - 2;
	uint32_t number = 0;

	if (end - byte < 4 || *byte != type || (uint8_t)(byte[1] - '0') > 9)
		return false;
	for (byte++; byte < last && (uint8_t)(*byte - '0') <= 9; byte++)
		number = number * 10 + (uint32_t)(*byte - '0');
	if (byte[0] != '\r' || byte[1] != '\n')
		return false;
	*at = byte + 2;
	*ret_number = number;
	return true;
}

void redis_begin_message(struct redis_feed *feed);
void redis_begin_number(struct redis_flow *flow, uint8_t type);
/* Digits, '-' before them, or '?' alone, up to CR LF: flow->number, negative, streamed. */
enum redis_number redis_take_number(struct redis_feed *feed);
/* A string of `length` bytes and CR LF follows; `wanted`: as a word, if it is short enough. */
void redis_begin_bulk(struct redis_feed *feed, uint64_t length, bool wanted);
/* DONE when the string is over; *ret_word is it, when it was wanted and fits, else empty. BAD without CR LF. */
enum redis_number redis_take_bulk(struct redis_feed *feed, struct text *ret_word);
void redis_word_begin(struct redis_flow *flow);
void redis_word_add(struct redis_flow *flow, const uint8_t *bytes, size_t length);

/* redis_request.c, redis_reply.c: take bytes by phase; OK may leave bytes. */
enum proto_status redis_take_request(struct redis_feed *feed);
enum proto_status redis_take_reply(struct redis_feed *feed);
/* redis_value.c */
/* A value, or the begin of an aggregate: null or not, a number or 0, the text of a line or of a wanted word. */
void redis_note_value(struct redis_feed *feed, uint8_t type, bool null, uint64_t number, struct text word);
/* A value is over, and with it maybe those around it. */
enum proto_status redis_finish_value(struct redis_feed *feed);
enum proto_status redis_finish_reply(struct redis_feed *feed);
/* flow->number is its count. */
enum proto_status redis_open_aggregate(struct redis_feed *feed);
enum proto_status redis_end_streamed(struct redis_feed *feed, struct text word);

/* redis_ring.c */
void redis_ring_init(struct redis_ring *ring);
void redis_ring_free(struct redis_ring *ring);
size_t redis_ring_memory(const struct redis_ring *ring);
/* -ENOMEM, -ENOBUFS at REDIS_OPEN_MAX: nothing was kept. */
MUST_CHECK int redis_ring_push(struct redis_ring *ring, const struct redis_call *call, const struct redis_batch *batch);
static inline struct redis_call *redis_first_call(struct redis_ring *ring)
{
	return &ring->calls[ring->call_head];
}
static inline struct redis_batch *redis_first_batch(struct redis_ring *ring)
{
	return &ring->batches[ring->batch_head];
}
void redis_ring_pop(struct redis_ring *ring);

/* redis_pair.c */
/* A command is whole. -ENOMEM, -ENOBUFS. */
MUST_CHECK int redis_open(struct redis_feed *feed);
/* Finds the command of the reply at hand: reply.has_call says whether there is one; else it is counted. False: wait. */
bool redis_pair(struct redis_feed *feed);
void redis_pair_lost(struct redis_state *state, const struct proto_sink *sink, enum proto_flow which);
/* Bytes that were passed over; where they were sent, or 0. */
void redis_pair_passed(struct redis_state *state, enum proto_flow which, uint32_t length, uint32_t peer_position);
/* What was lost and not accounted for is told: there is room for so many commands in it that left no trace. */
void redis_pair_account(struct redis_state *state, const struct proto_sink *sink, uint32_t unseen_commands);
/* Removes the first command: told, or counted as lost. */
void redis_close_first(struct redis_state *state, const struct proto_sink *sink);
void redis_give_up_first(struct redis_state *state, const struct proto_sink *sink);
/* This client was seen to wait for all replies before it sends, and never seen not to. */
bool redis_waits_for_replies(const struct redis_state *state);
/* The batch whose first command a reply that begins there surely answers; NULL: none. */
const struct redis_batch *redis_sent_at(const struct redis_state *state, uint32_t position);
/* An open command moved before the reply at hand. */
bool redis_may_answer(const struct redis_feed *feed);
/* May a command still come that moved before the reply at hand? */
bool redis_may_wait(const struct redis_feed *feed);

/* redis_pass.c */
/* The reply at hand cannot go on behind a gap: may its values be passed over? Then they are, from here on. */
bool redis_pass_begin(struct redis_feed *feed);
/* What begins here is of an aggregate whose command was given up: it is passed over, too. */
bool redis_pass_torn(struct redis_feed *feed);
/* PHASE_PASS: LOST when it cannot be told where the reply ended. */
enum proto_status redis_take_pass(struct redis_feed *feed);

/* redis_answer.c */
static inline const struct redis_command *redis_command_of(const struct redis_call *call)
{
	return &redis_commands[call->command];
}

/* The first open command is answered: told, queued by MULTI, or answered in part. OPAQUE: a replication stream. */
enum proto_status redis_answered(struct redis_feed *feed);
/* One value of EXEC's array. False: another value belongs to the same command. */
bool redis_element_answered(struct redis_feed *feed);
/* The array of EXEC begins: are its values the answers to what MULTI queued? */
bool redis_answers_queue(const struct redis_state *state, uint64_t count);
/* A command alone on its connection: what its exchange will say. Those of a pipeline are told at their end alone. */
void redis_tell_begin(struct redis_state *state, const struct proto_sink *sink);
/* A queued command silences those behind it: the server leaves elements of the array out, and nobody can read on. */
bool redis_queue_mutes(struct redis_state *state);
/* The connection ends. */
void redis_tell_aborted(struct redis_state *state, const struct proto_sink *sink, enum exchange_error error,
			uint64_t end_ns, bool responding);
/* Commands in front that get no answer, because CLIENT REPLY said so, are over. */
void redis_tell_silent(struct redis_state *state, const struct proto_sink *sink);
/* Likewise, before EXEC was answered. */
void redis_tell_queue_aborted(struct redis_state *state, const struct proto_sink *sink, enum exchange_error error,
			      uint64_t end_ns);
void redis_drop_queued(struct redis_state *state, const struct proto_sink *sink, bool lost);

/* redis_push.c: what is not asked for, and subscriptions, whose answers look like it. */
/* A value of the reply, at its first level. */
void redis_push_value(struct redis_state *state, uint64_t number, struct text word);
/* Does whose a reply is depend on its first words? */
bool redis_push_possible(const struct redis_state *state, uint8_t type);
/* The first words are there. False: wait. */
bool redis_push_decide(struct redis_feed *feed);
/* A reply that confirms a subscription, or ends one, is over. */
void redis_push_confirmed(struct redis_state *state);
/* Has the command all of its answers? Counts one. */
bool redis_subscription_answered(const struct redis_state *state, struct redis_call *call);
static inline bool redis_kind_subscribes(uint8_t kind)
{
	return kind >= KIND_SUBSCRIBE;
}
