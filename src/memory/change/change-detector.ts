import type { Memory } from '../memory.js';
import type { Candidate } from '../store/memory-store.port.js';
import { isPureQuestion } from '../remember/questions.js';
import { textDigest } from '../remember/text-digest.js';
import { scoreChange } from './change-classifier.js';
import { CHANGE_MODELS } from './change-classifier-weights.js';
import { type ComparableText, comparableText, differenceOf, type TextDifference } from './text-difference.js';

/** The message that may change what an earlier one said. */
export interface NewMessage {
  readonly text: string;
  readonly role: Memory['role'];
  readonly createdAtMs: number;
}

/** That a message changes what a memory says, or a memory what the message says. */
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
 * The memory that `message` most probably makes out of date, if the probability is high enough. The features are the
 * differences between the two texts, and their vectors; no model is asked. docs/decisions/0012-facts-that-change.md has
 * the measurements.
 * @param candidates what a search for the message found; the eight that are most like it are compared
 */
export function detectChange(message: NewMessage, candidates: readonly Candidate[]): DetectedChange | undefined {
  const earlier = candidates.filter(
    // What is out of date is so already.
    ({ memory }) => memory.supersededBy === null && memory.validFromMs <= message.createdAtMs,
  );
  const [surest] = changesAmong(earlier, message, (memory, own) => differenceOf(memory, own));
  return surest && { id: surest.memory.id, score: surest.probability };
}

/**
 * The first of the later memories that makes `message` out of date, although `message` arrives after it, as in an
 * import.
 * @param candidates as in {@link detectChange}
 */
export function detectSuccessor(message: NewMessage, candidates: readonly Candidate[]): DetectedChange | undefined {
  const later = candidates.filter(({ memory }) => memory.validFromMs > message.createdAtMs);
  const changes = changesAmong(later, message, (memory, own) => differenceOf(own, memory));
  const [first] = changes.toSorted((a, b) => a.memory.validFromMs - b.memory.validFromMs);
  return first && { id: first.memory.id, score: first.probability };
}

/** Those that are sure enough, surest first. */
function changesAmong(
  candidates: readonly Candidate[],
  message: NewMessage,
  difference: (memory: ComparableText, own: ComparableText) => TextDifference,
) {
  if (candidates.length === 0 || isPureQuestion(message.text)) return [];
  const digest = textDigest(message);
  const own = comparableText(message.text);
  return candidates
    .filter(({ memory }) => isComparable(memory, message) && textDigest(memory) !== digest)
    .toSorted((a, b) => likenessOf(b) - likenessOf(a))
    .slice(0, MOST_COMPARED)
    .map(({ memory, cosine }) => ({
      memory,
      ...scoreChange(difference(comparableText(memory.text), own), cosine, CHANGE_MODELS),
    }))
    .filter(({ isChange }) => isChange)
    .toSorted((a, b) => b.probability - a.probability);
}

/** Of two speakers neither takes back what the other said. */
const isComparable = ({ role, isQuestion }: Memory, message: NewMessage): boolean =>
  role === message.role && !isQuestion;

const likenessOf = ({ cosine, bm25 }: Candidate): number => (cosine ?? 0) + (bm25 ?? 0) * BM25_SHARE;
