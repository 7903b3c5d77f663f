import type { Memory } from '../../memory.js';
import type { IndexedMemory } from '../../store/memory-store.port.js';
import { bytesOf, retentionOf } from '../../store/retention.js';
import { type Column, COLUMNS } from './sqlite-memory-statements.js';
import { contextIn, packWords } from './sqlite-packed-words.js';
import { countTerms } from './search/sqlite-term-index.js';
import { decodeStoredMemory, toStoredMemory } from '../shared/stored-memory.js';
import { type DecodedRecord, parseJson } from '../shared/stored-record.js';

export type Row = Record<string, unknown>;

type Value = string | number | null | Uint8Array;

/**
 * What the columns of a memory hold.
 * @param generation the newest embedding space that it has a vector in
 * @param termsVersion the number of the version that made its terms
 */
export function toColumns(
  { memory, terms, digest }: Omit<IndexedMemory, 'vector'>,
  { generation, termsVersion }: { readonly generation: number; readonly termsVersion: number },
): Record<Column, Value> {
  const stored = toStoredMemory(memory);
  const values: Record<Column, Value> = {
    ...{ ...stored, supersedes: null },
    id: memory.id,
    user_id: memory.userId,
    metadata: JSON.stringify(stored.metadata),
    is_question: Number(stored.is_question),
    is_pinned: Number(stored.is_pinned),
    generation,
    bytes: bytesOf(memory),
    retention: retentionOf(memory),
    digest: digestBytes(digest),
    terms_version: termsVersion,
    term_count: terms.length,
    words: packWords(memory.text, memory.context, countTerms(terms)),
  };
  return Object.fromEntries(COLUMNS.map((name) => [name, values[name]])) as Record<Column, Value>;
}

export const digestBytes = (digest: string): Uint8Array => Buffer.from(digest, 'base64url');

/** Its context is unpacked when somebody asks for it: a search reads many memories and shows few. */
export function decodeRow(row: Row): DecodedRecord<Memory> {
  const { user_id: userId, id, metadata, is_question: isQuestion, is_pinned: isPinned, supersedes, ...columns } = row;
  const { text, words, context } = columns;
  const { record, problem } = decodeStoredMemory(String(userId), String(id), {
    ...columns,
    context: '',
    metadata: parseJson(String(metadata)),
    is_question: isQuestion === 1,
    is_pinned: isPinned === 1,
    supersedes: parseJson(String(supersedes)),
  });
  if (!record) return { problem };
  let unpacked: string | undefined;
  return {
    record: {
      ...record,
      get context() {
        return (unpacked ??= contextIn({ text, words, context }));
      },
    },
  };
}
