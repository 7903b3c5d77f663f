import { z } from 'zod';
import type { Decision, Memory } from '../memory.js';
import type { DecisionRow, MemoryRow } from './redis-memory-replies.js';

/** JSON under snake-case names, for other programs and for people to read; the user and the id are in the key. */
const storedMemory = z.object({
  text: z.string(),
  session_id: z.string().nullable(),
  role: z.enum(['user', 'assistant']),
  created_at_ms: z.number(),
  perplexity: z.number().nullable(),
  avg_logprob: z.number().nullable(),
  novelty: z.number().nullable(),
  surprise: z.number().nullable(),
  model: z.string().nullable(),
  source: z.enum(['worker', 'manual', 'promoted']),
  // Passed on as it is: a schema for records leaves out a key named __proto__.
  metadata: z.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null),
  count: z.number(),
  last_seen_at_ms: z.number(),
});

type StoredMemory = z.output<typeof storedMemory>;

export function encodeMemory(memory: Memory): string {
  return JSON.stringify({
    text: memory.text,
    session_id: memory.sessionId,
    role: memory.role,
    created_at_ms: memory.createdAtMs,
    perplexity: memory.perplexity,
    avg_logprob: memory.avgLogprob,
    novelty: memory.novelty,
    surprise: memory.surprise,
    model: memory.model,
    source: memory.source,
    metadata: memory.metadata,
    count: memory.count,
    last_seen_at_ms: memory.lastSeenAtMs,
  } satisfies StoredMemory);
}

/** @param row id and body, and what has been added to its count and seen of it since, where that is anything */
export function decodeMemory(userId: string, [id, body, repetitions, lastSeenAtMs]: MemoryRow): Memory {
  const stored = storedMemory.parse(JSON.parse(body));
  return {
    id,
    text: stored.text,
    userId,
    sessionId: stored.session_id,
    role: stored.role,
    createdAtMs: stored.created_at_ms,
    perplexity: stored.perplexity,
    avgLogprob: stored.avg_logprob,
    novelty: stored.novelty,
    surprise: stored.surprise,
    model: stored.model,
    source: stored.source,
    metadata: stored.metadata,
    count: stored.count + (repetitions ?? 0),
    lastSeenAtMs: Math.max(stored.last_seen_at_ms, lastSeenAtMs ?? -Infinity),
  };
}

/** The body as the memories have it, once the shadow buffer has let go of it. */
export function asPromoted(body: string): string {
  return JSON.stringify({ ...storedMemory.parse(JSON.parse(body)), source: 'promoted' } satisfies StoredMemory);
}

/** The text of a stored body. */
export function textOf(body: string): string {
  return storedMemory.parse(JSON.parse(body)).text;
}

const storedDecision = z.object({
  session_id: z.string().nullable(),
  decided_at_ms: z.number(),
  model: z.string().nullable(),
  perplexity: z.number().nullable(),
  information_nats: z.number().nullable(),
  contextual: z.boolean(),
  plain_perplexity: z.number().nullable(),
  novelty: z.number(),
  nearest_id: z.string().nullable(),
  surprise: z.number(),
  threshold: z.number(),
  mode: z.enum(['fixed', 'adaptive']),
  kept: z.boolean(),
  reason: z.string(),
});

export function encodeDecision(decision: Decision): string {
  return JSON.stringify({
    session_id: decision.sessionId,
    decided_at_ms: decision.decidedAtMs,
    model: decision.model,
    perplexity: decision.perplexity,
    information_nats: decision.informationNats,
    contextual: decision.contextual,
    plain_perplexity: decision.plainPerplexity,
    novelty: decision.novelty,
    nearest_id: decision.nearestId,
    surprise: decision.surprise,
    threshold: decision.threshold,
    mode: decision.mode,
    kept: decision.kept,
    reason: decision.reason,
  } satisfies z.output<typeof storedDecision>);
}

export function decodeDecision(userId: string, [id, body]: DecisionRow): Decision {
  const stored = storedDecision.parse(JSON.parse(body));
  return {
    id,
    userId,
    sessionId: stored.session_id,
    decidedAtMs: stored.decided_at_ms,
    model: stored.model,
    perplexity: stored.perplexity,
    informationNats: stored.information_nats,
    contextual: stored.contextual,
    plainPerplexity: stored.plain_perplexity,
    novelty: stored.novelty,
    nearestId: stored.nearest_id,
    surprise: stored.surprise,
    threshold: stored.threshold,
    mode: stored.mode,
    kept: stored.kept,
    reason: stored.reason,
  };
}

/** Little-endian 32-bit floats, as `FP32` has them. */
export function encodeVector(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}
