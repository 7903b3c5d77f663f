import { snakeCased } from '../../../shared/index.js';
import type { Decision } from '../../memory.js';
import { decisionCodec, toDecisionFields } from '../../store/decision-codec.js';
import { type DecodedRecord, decodeRecord, parseJson, RECORD_VERSION } from './stored-record.js';

const ADDED_IN_2 = { duplicate_of: null, supersedes: null, supersession_score: null };

/** A decision as both stores keep it: JSON in snake case. User and id are in the key of the record. */
export function encodeDecision(decision: Decision): string {
  return JSON.stringify({ v: RECORD_VERSION, ...toDecisionFields(decision) });
}

/** @param body of any version up to this one; `null` if there is none */
export function decodeDecision(userId: string, id: string, body: string | null): DecodedRecord<Decision> {
  const value = parseJson(body);
  if (value === undefined) return { problem: body === null ? 'its body is missing' : 'it is no JSON' };
  const { record, problem } = decodeRecord(
    decisionCodec,
    isOfSqlite010(value) ? snakeCased(value) : value,
    () => ADDED_IN_2,
  );
  return record ? { record: { id, userId, ...record } } : { problem };
}

/** Release 0.1.0 wrote decisions to SQLite as it had them in memory, in camel case and without a version. */
function isOfSqlite010(value: unknown): value is Decision {
  return typeof value === 'object' && value !== null && !('v' in value) && 'decidedAtMs' in value;
}
