import type { Memory } from '../../memory.js';
import { isPureQuestion } from '../../remember/questions.js';
import { memoryCodec, type MemoryFields, toMemory, toMemoryFields } from '../../store/memory-codec.js';
import { type DecodedRecord, decodeRecord, parseJson, RECORD_VERSION } from './stored-record.js';

/** What a memory before version 2 is taken for: nobody wrote it. */
const addedIn2 = ({ text, created_at_ms: createdAtMs }: Record<string, unknown>): Partial<MemoryFields> => ({
  information_nats: null,
  context: '',
  is_question: typeof text === 'string' && isPureQuestion(text),
  is_pinned: false,
  recall_count: 0,
  last_recalled_at_ms: null,
  valid_from_ms: Number(createdAtMs),
  superseded_by: null,
  superseded_at_ms: null,
  superseded_reason: null,
  supersession_score: null,
  supersedes: [],
});

/** A memory as both stores keep it: {@link MemoryFields} with the version of the record. */
export function toStoredMemory(memory: Memory): MemoryFields & { readonly v: number } {
  return { v: RECORD_VERSION, ...toMemoryFields(memory) };
}

/** @param stored of any version up to this one */
export function decodeStoredMemory(userId: string, id: string, stored: unknown): DecodedRecord<Memory> {
  const { record, problem } = decodeRecord(memoryCodec, stored, addedIn2);
  return record ? { record: toMemory(userId, id, record) } : { problem };
}

/** A memory as JSON. @param body `null` if there is none */
export function decodeMemoryBody(userId: string, id: string, body: string | null): DecodedRecord<Memory> {
  const stored = parseJson(body);
  return stored === undefined
    ? { problem: body === null ? 'its body is missing' : 'it is no JSON' }
    : decodeStoredMemory(userId, id, stored);
}

export const encodeMemoryBody = (memory: Memory): string => JSON.stringify(toStoredMemory(memory));
