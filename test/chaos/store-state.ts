import type { Redis } from 'ioredis';
import { z } from 'zod';
import { replyCodeOf } from '../../src/infra/redis/errors/redis-errors.js';
import { memoryKeys, streamKeys, type UserMemoryKeys } from '../../src/infra/redis/redis-keys.js';
import { decodeDecision } from '../../src/memory/adapters/shared/stored-decision.js';
import { decodeMemoryBody } from '../../src/memory/adapters/shared/stored-memory.js';
import type { DecodedRecord } from '../../src/memory/adapters/shared/stored-record.js';
import type { Decision, Memory } from '../../src/memory/memory.js';
import { distributionOf, messagesBehind } from '../../src/memory/remember/surprise.js';
import { streamSettings } from '../../src/stream/stream.settings.js';
import { memorySettings } from '../../src/memory/memory.settings.js';

// What a brain uses that is told nothing else, as those of the scenarios are.
const RULE = memorySettings({});
const STREAM = streamSettings({});
const STREAM_KEYS = streamKeys(STREAM);
// Far more than a worker of the scenarios can hold.
const MOST_PENDING = 10_000;
// More than a set can hold of them: VRANDMEMBER then gives each member once.
const ALL = 1_000_000;

const texts = z.array(z.string());
const hash = z.record(z.string(), z.string());
const userReplies = z.tuple([hash, texts, hash, texts, hash, texts, texts, texts, texts, texts, texts, texts]);

export interface UserState {
  readonly userId: string;
  readonly decisions: readonly Decision[];
  /** The ids in the key that has the times of decisions. */
  readonly decisionTimeIds: ReadonlySet<string>;
  readonly memories: ReadonlyMap<string, Memory>;
  /** The ids in each of the other keys of memories: they must all be the same. */
  readonly indexes: readonly ReadonlySet<string>[];
  /** Id of a memory → how often its text was said again. */
  readonly repetitions: ReadonlyMap<string, number>;
  /** How many messages the running statistics are made of. */
  readonly messagesCounted: number;
}

export interface StreamState {
  /** Entries in the stream: an acknowledged one is removed. */
  readonly entries: number;
  /** Those of them that a consumer has. */
  readonly pending: number;
  readonly deadLetters: number;
}

export async function readStreamState(redis: Redis): Promise<StreamState> {
  const [entries, deadLetters, pending] = await Promise.all([
    redis.xlen(STREAM_KEYS.entries),
    redis.xlen(STREAM_KEYS.deadLetters),
    redis.xpending(STREAM_KEYS.entries, STREAM.group),
  ]);
  return { entries, deadLetters, pending: Number(pending[0]) };
}

/** The stream ids of the entries that a consumer holds. */
export async function pendingOf(redis: Redis, consumer: string): Promise<Set<string>> {
  try {
    const reply = await redis.xpending(STREAM_KEYS.entries, STREAM.group, '-', '+', MOST_PENDING, consumer);
    return new Set((reply as [string, ...unknown[]][]).map(([id]) => id));
  } catch (error) {
    // Nobody has read yet.
    if (replyCodeOf(error) === 'NOGROUP') return new Set();
    throw error;
  }
}

/** Appends entries as they stand, past what recognises a resend. @param fields of each: name, value, name, value … */
export async function appendRaw(redis: Redis, entries: readonly (readonly string[])[]): Promise<void> {
  const pipeline = redis.pipeline();
  for (const fields of entries) pipeline.xadd(STREAM_KEYS.entries, '*', ...fields);
  const replies = (await pipeline.exec()) ?? [];
  for (const [error] of replies) if (error) throw error;
}

/** All that Redis has of these users, straight from its keys: over HTTP the statistics do not show. */
export async function readUsers(redis: Redis, userIds: readonly string[]): Promise<UserState[]> {
  const keys = memoryKeys();
  const generation = Number(await redis.hget(keys.spaces, 'generation'));
  return Promise.all(userIds.map((userId) => readUser(redis, userId, keys.ofUser(userId), generation)));
}

/** In one transaction: what is written behind the last answer would otherwise be seen half. */
async function readUser(redis: Redis, userId: string, keys: UserMemoryKeys, generation: number): Promise<UserState> {
  const replies = await redis
    .multi()
    .hgetall(keys.decisions)
    .zrange(keys.decisionTimes, 0, '-1')
    .hgetall(keys.repetitions)
    .hvals(keys.statistics)
    .hgetall(keys.items)
    .zrange(keys.ids, 0, '-1')
    .call('VRANDMEMBER', keys.vectors(generation), String(ALL))
    .hkeys(keys.index)
    .hvals(keys.numbers)
    .hvals(keys.texts)
    .zrange(keys.retention, 0, '-1')
    .zrange(keys.pinned, 0, '-1')
    .exec();
  const [decisions, decisionTimes, repetitions, sums, bodies, ...indexes] = userReplies.parse(
    (replies ?? []).map(([error, reply]) => error ?? reply),
  );
  const [ids, vectors, index, numbers, digests, retention, pinned] = indexes;
  const memories = Object.entries(bodies).map(([id, body]) => readable(decodeMemoryBody(userId, id, body)));
  return {
    userId,
    decisions: Object.entries(decisions).map(([id, body]) => readable(decodeDecision(userId, id, body))),
    decisionTimeIds: new Set(decisionTimes),
    memories: new Map(memories.map((memory) => [memory.id, memory])),
    indexes: [ids, vectors, index, numbers, digests, [...retention, ...pinned]].map((all) => new Set(all)),
    repetitions: new Map(Object.entries(repetitions).map(([id, count]) => [id, Number(count)])),
    messagesCounted: sums.reduce((count, text) => count + messagesIn(text), 0),
  };
}

function messagesIn(sums: string): number {
  const { messages } = distributionOf(sums.split(' ').map(Number));
  return Math.round(messagesBehind(messages, RULE.halfLifeMessages));
}

function readable<T>({ record, problem }: DecodedRecord<T>): T {
  if (record === undefined) throw new Error(problem);
  return record;
}
