import { z } from 'zod';
import type { Decision } from '../../memory.js';
import { type DecodedRecord, decodeRecord, parseJson, RECORD_VERSION } from './stored-record.js';

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
  mode: z.enum(['all', 'fixed', 'adaptive']),
  kept: z.boolean(),
  duplicate_of: z.string().nullable(),
  supersedes: z.string().nullable(),
  supersession_score: z.number().nullable(),
  reason: z.string(),
});

const ADDED_IN_2 = { duplicate_of: null, supersedes: null, supersession_score: null };

type StoredDecision = z.output<typeof storedDecision>;

/** A decision as both stores keep it: JSON under snake-case names; user and id are part of where it is kept. */
export function encodeDecision(decision: Decision): string {
  return JSON.stringify({ v: RECORD_VERSION, ...toStored(decision) });
}

/** @param body of any version up to this one; `null` where there is none */
export function decodeDecision(userId: string, id: string, body: string | null): DecodedRecord<Decision> {
  const value = parseJson(body);
  if (value === undefined) return { problem: body === null ? 'its body is missing' : 'it is no JSON' };
  const { record, problem } = decodeRecord(
    storedDecision,
    isOfSqlite010(value) ? toStored(value) : value,
    () => ADDED_IN_2,
  );
  return record ? { record: fromStored(userId, id, record) } : { problem };
}

/** Release 0.1.0 wrote decisions to SQLite as it had them in memory, in camel case and without a version. */
function isOfSqlite010(value: unknown): value is Decision {
  return typeof value === 'object' && value !== null && !('v' in value) && 'decidedAtMs' in value;
}

function toStored(decision: Decision): StoredDecision {
  return {
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
    duplicate_of: decision.duplicateOf,
    supersedes: decision.supersedes,
    supersession_score: decision.supersessionScore,
    reason: decision.reason,
  };
}

function fromStored(userId: string, id: string, stored: StoredDecision): Decision {
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
    duplicateOf: stored.duplicate_of,
    supersedes: stored.supersedes,
    supersessionScore: stored.supersession_score,
    reason: stored.reason,
  };
}
