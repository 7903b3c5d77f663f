import type { Decision } from '../../src/memory/memory.js';
import type { SentMessage } from './message-source.js';
import type { StreamState, UserState } from './store-state.js';

export interface Sent {
  /** What was accepted, and must have had its effect once. */
  readonly accepted: readonly SentMessage[];
  /** What may have been accepted, because the answer never came: had its effect once or not at all. */
  readonly uncertain: readonly SentMessage[];
}

/** Whether what was sent is gone from the stream: nothing waits, nothing is pending, nothing was given up. */
export function checkStream({ entries, pending, deadLetters }: StreamState): string[] {
  return [
    ...(entries > 0 ? [`${entries} entries are still in the stream`] : []),
    ...(pending > 0 ? [`${pending} entries are still pending`] : []),
    ...(deadLetters > 0 ? [`${deadLetters} entries are dead letters`] : []),
  ];
}

/**
 * Whether each message had its effect exactly once. That its decision is there once says little, because decisions are
 * kept by the id of the entry. An effect that was applied twice, or half, shows in what follows from the decisions:
 * memories with all that they are found by, how often each was said again, how many messages the statistics count. A
 * message that was captured twice, under two ids, shows as two decisions of its session.
 * @returns what is not so, in words
 */
export function checkExactlyOnce(sent: Sent, users: readonly UserState[]): string[] {
  const byUser = Map.groupBy([...sent.accepted, ...sent.uncertain], ({ userId }) => userId);
  const optional = new Set(sent.uncertain.map(({ sessionId }) => sessionId));
  const missing = [...byUser.keys()].filter((userId) => !users.some((user) => user.userId === userId));
  return [
    ...missing.map((userId) => `${userId}: its state was not read`),
    ...users.flatMap((user) =>
      checkUser(user, byUser.get(user.userId) ?? [], optional).map((violation) => `${user.userId}: ${violation}`),
    ),
  ];
}

function checkUser(user: UserState, sent: readonly SentMessage[], optional: ReadonlySet<string>): string[] {
  return [
    ...checkDecisions(user, sent, optional),
    ...checkEffects(user, sent),
    ...checkTexts(user),
    ...checkRepetitions(user),
    ...(user.messagesCounted === user.decisions.length
      ? []
      : [`the statistics count ${user.messagesCounted} messages for ${user.decisions.length} decisions`]),
    ...checkIndexes(user),
    ...difference(new Set(user.decisions.map(({ id }) => id)), user.decisionTimeIds).map(
      (id) => `decision ${id} is not in both of its keys`,
    ),
  ];
}

function checkDecisions(user: UserState, sent: readonly SentMessage[], optional: ReadonlySet<string>): string[] {
  const bySession = Map.groupBy(user.decisions, ({ sessionId }) => sessionId);
  const known = new Set<string | null>(sent.map(({ sessionId }) => sessionId));
  const counts = sent.flatMap(({ sessionId }) => {
    const count = bySession.get(sessionId)?.length ?? 0;
    if (count === 1 || (count === 0 && optional.has(sessionId))) return [];
    return [`${sessionId} ${count === 0 ? 'is lost: it has no decision' : `has ${count} decisions`}`];
  });
  const foreign = [...bySession.keys()].filter((sessionId) => !known.has(sessionId));
  return [...counts, ...foreign.map((sessionId) => `${sessionId} has a decision and was never sent`)];
}

/** Whether a message is a memory, or one more of a memory, as its decision says. */
function checkEffects({ decisions, memories }: UserState, sent: readonly SentMessage[]): string[] {
  const texts = new Map<string | null, string>(sent.map(({ sessionId, text }) => [sessionId, text]));
  const decided = new Set(decisions.map(({ id }) => id));
  const effects = decisions.flatMap((decision) => {
    const { id, sessionId, duplicateOf } = decision;
    const memory = memories.get(id);
    const problems: string[] = [];
    if (isNew(decision) !== (memory !== undefined)) {
      problems.push(memory ? 'is a memory and its decision says no' : 'is no memory and its decision says yes');
    }
    if (duplicateOf !== null && memories.get(duplicateOf)?.text !== texts.get(sessionId)) {
      problems.push('was counted for another text');
    }
    if (memory !== undefined && memory.text !== texts.get(sessionId)) problems.push('has the text of another message');
    return problems.map((problem) => `${sessionId} ${problem}`);
  });
  const unexplained = [...memories.keys()].filter((id) => !decided.has(id));
  return [...effects, ...unexplained.map((id) => `${id} is remembered without a decision`)];
}

const isNew = ({ kept, duplicateOf }: Decision): boolean => kept && duplicateOf === null;

/** The messages of scenarios differ in more than case and white space, or not at all. */
function checkTexts({ memories }: UserState): string[] {
  const byText = Map.groupBy(memories.values(), ({ text }) => text);
  return [...byText.values()].flatMap((same) =>
    same.length === 1 ? [] : [`${same.map(({ id }) => id).join(' and ')} have the same text`],
  );
}

function checkRepetitions({ decisions, repetitions }: UserState): string[] {
  const expected = Map.groupBy(decisions, ({ duplicateOf }) => duplicateOf);
  const ids = new Set([...expected.keys(), ...repetitions.keys()].filter((id) => id !== null));
  return [...ids].flatMap((id) => {
    const [times, decided] = [repetitions.get(id) ?? 0, expected.get(id)?.length ?? 0];
    return times === decided ? [] : [`memory ${id} was counted ${times} times for ${decided} decisions`];
  });
}

function checkIndexes({ memories, indexes }: UserState): string[] {
  const ids = new Set(memories.keys());
  const torn = new Set(indexes.flatMap((others) => difference(ids, others)));
  return [...torn].map((id) => `memory ${id} is not in all of its keys`);
}

const difference = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] => [
  ...[...a].filter((id) => !b.has(id)),
  ...[...b].filter((id) => !a.has(id)),
];
