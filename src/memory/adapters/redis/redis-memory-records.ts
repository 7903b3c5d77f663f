import { z } from 'zod';
import type { ScriptArgument } from '../../../infra/redis/index.js';
import { TERMS_VERSION } from '../../search/lexical-text.js';
import type { Memory, Supersession } from '../../memory.js';
import type { IndexedMemory, PutOptions } from '../../store/memory-store.port.js';
import { bytesOf, retentionOf } from '../../store/retention.js';
import { countedIdDigest } from '../shared/counted-ids.js';
import type { MemoryRow } from './redis-memory-replies.js';
import { decodeMemoryBody, encodeMemoryBody } from '../shared/stored-memory.js';
import { type DecodedRecord, parseJson } from '../shared/stored-record.js';

/** A memory from its body and the fields that changed since. */
export function decodeMemoryRow(userId: string, row: MemoryRow): DecodedRecord<Memory> {
  const { record, problem } = decodeMemoryBody(userId, row.id, row.body);
  if (!record) return { problem };
  const supersededBy = row.superseded === null ? null : parseSupersession(row.superseded);
  const { data: supersedes } = z.array(z.string()).safeParse(parseJson(row.supersedes ?? '[]'));
  const changes = {
    count: record.count + Number(row.repetitions ?? 0),
    lastSeenAtMs: Math.max(record.lastSeenAtMs, Number(row.lastSeen ?? 0)),
    recallCount: Number(row.recalls ?? 0),
    lastRecalledAtMs: row.lastRecalled === null ? null : Number(row.lastRecalled),
    validFromMs: row.validFrom === null ? record.validFromMs : Number(row.validFrom),
  };
  if (Object.values(changes).some(Number.isNaN) || supersededBy === undefined || supersedes === undefined) {
    return { problem: 'what has changed of it since it was written cannot be read' };
  }
  return { record: { ...record, ...changes, isPinned: row.pinned !== null, supersededBy, supersedes } };
}

/** How a memory is superseded, without the id of its successor: `time score reason`. */
export function encodeSupersession({ atMs, score, reason }: Omit<Supersession, 'id'>): string {
  return `${atMs} ${score ?? '-'} ${reason}`;
}

const supersession = z.object({
  atMs: z.coerce.number(),
  score: z.union([z.literal('-').transform(() => null), z.coerce.number()]),
  reason: z.enum(['changed', 'edited', 'said_again']),
  id: z.string(),
});

function parseSupersession(stored: string): Supersession | undefined {
  const { groups } = /^(?<atMs>\S+) (?<score>\S+) (?<reason>\S+) (?<id>.*)$/s.exec(stored) ?? {};
  return supersession.safeParse(groups).data;
}

/**
 * The arguments that describe a memory to a script, in the order of `ADD`.
 * @param memory without a vector if the store has its vector already
 */
export function memoryArguments(
  { memory, terms, digest, vector }: Omit<IndexedMemory, 'vector'> & Partial<Pick<IndexedMemory, 'vector'>>,
  { isRepeatable = false }: Pick<PutOptions, 'isRepeatable'> = {},
): ScriptArgument[] {
  const { supersededBy } = memory;
  return [
    ...[memory.id, encodeMemoryBody(memory), vector === undefined ? '' : encodeVector(vector), digest],
    ...[memory.createdAtMs, encodeTerms(terms), TERMS_VERSION, terms.length, bytesOf(memory), retentionOf(memory)],
    ...[memory.isPinned ? 1 : 0, memory.count, memory.lastSeenAtMs, memory.recallCount || ''],
    memory.lastRecalledAtMs ?? '',
    supersededBy === null ? '' : `${encodeSupersession(supersededBy)} ${supersededBy.id}`,
    memory.supersedes.length === 0 ? '' : JSON.stringify(memory.supersedes),
    isRepeatable ? countedIdDigest(memory.id).toString('base64url') : '',
  ];
}

/** Distinct terms separated by spaces; a term that occurs more than once has a tab and its count. */
function encodeTerms(terms: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return [...counts].map(([term, count]) => (count === 1 ? term : `${term}\t${count}`)).join(' ');
}

export interface IndexedWords {
  /** How many terms the memory has, also those that are not in the index. */
  readonly length: number;
  /** How often it has those that are. */
  readonly counts: Pick<ReadonlyMap<string, number>, 'get'>;
}

/**
 * The words in {@link MemoryRow.index}; none if there is no index. A query looks for a few words in very many memories,
 * so it searches the text of the index without splitting it.
 */
export function parseIndexedWords(index: string | null): IndexedWords {
  const { length = 0, words = '' } = /^\S+ \S+ (?<length>\d+) \S+ \S+ (?<words>.*)$/.exec(index ?? '')?.groups ?? {};
  const padded = ` ${words} `;
  return {
    length: Number(length),
    counts: {
      get(term) {
        if (padded.includes(` ${term} `)) return 1;
        const start = padded.indexOf(` ${term}\t`);
        return start === -1 ? undefined : Number.parseInt(padded.slice(start + term.length + 2), 10);
      },
    },
  };
}

/** Little-endian 32-bit floats, as `FP32` has them. */
export function encodeVector(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}
