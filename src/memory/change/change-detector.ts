import type { Memory } from '../memory.js';
import type { Candidate } from '../memory-store.port.js';
import { isPureQuestion } from '../questions.js';
import { textDigest } from '../text-digest.js';
import { scoreChange } from './change-model.js';
import { CHANGE_MODELS } from './change-weights.js';
import { comparableText, differenceOf } from './text-difference.js';

/** The message that may change what an earlier one said. */
export interface NewMessage {
  readonly text: string;
  readonly role: Memory['role'];
  readonly createdAtMs: number;
}

/** That a message changes what a memory says. */
export interface DetectedChange {
  /** Of the memory. */
  readonly id: string;
  /** How sure that is, 0 to 1. */
  readonly score: number;
}

// Each is laid over the message word by word, a millisecond for long texts.
const MOST_COMPARED = 8;
// As recall weighs the words that two texts share against what they mean.
const BM25_SHARE = 1 / 24;

/**
 * The memory that `message` makes out of date most surely, if one surely enough: by what differs between the two texts, and
 * by their vectors. Nothing is generated or asked for; docs/decisions/0012-facts-that-change.md has what was measured.
 * @param candidates what a search for the message found; the eight that are most like it are compared
 */
export function detectChange(message: NewMessage, candidates: readonly Candidate[]): DetectedChange | undefined {
  if (isPureQuestion(message.text)) return undefined;
  const digest = textDigest(message);
  const after = comparableText(message.text);
  const changes = candidates
    .filter(({ memory }) => canChange(memory, message) && textDigest(memory) !== digest)
    .toSorted((a, b) => likenessOf(b) - likenessOf(a))
    .slice(0, MOST_COMPARED)
    .map(({ memory, cosine }) => ({
      id: memory.id,
      ...scoreChange(differenceOf(comparableText(memory.text), after), cosine, CHANGE_MODELS),
    }))
    .filter(({ isChange }) => isChange)
    .toSorted((a, b) => b.probability - a.probability);
  const [surest] = changes;
  return surest && { id: surest.id, score: surest.probability };
}

/** Of two speakers neither takes back what the other said, and what is out of date is so already. */
const canChange = (memory: Memory, { role, createdAtMs }: NewMessage): boolean =>
  memory.role === role && !memory.isQuestion && memory.supersededBy === null && memory.validFromMs <= createdAtMs;

const likenessOf = ({ cosine, bm25 }: Candidate): number => (cosine ?? 0) + (bm25 ?? 0) * BM25_SHARE;
