import type { Decision } from '../../src/memory/memory.js';
import type { SentMessage } from './message-source.js';
import { DUPLICATE_NOVELTY, type StreamState, type TierState, type UserState } from './store-state.js';

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
 * Whether each message had its effect exactly once. That its decision is there once says little, because decisions are kept
 * by the id of the entry. An effect that was applied twice, or half, shows in what follows from the decisions: memories and
 * shadow entries and their vectors, how often memories were strengthened, how many messages the statistics count. A message
 * that was captured twice, under two ids, shows as two decisions of its session.
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
    ...checkStrengthened(user),
    ...(user.messagesCounted === user.decisions.length
      ? []
      : [`the statistics count ${user.messagesCounted} messages for ${user.decisions.length} decisions`]),
    ...checkTier('memory', user.memory),
    ...checkTier('shadow entry', user.shadow),
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

/** Whether a message is a memory, a shadow entry, or part of a memory, as its decision says, and only one of them. */
function checkEffects({ decisions, memory, shadow }: UserState, sent: readonly SentMessage[]): string[] {
  const texts = new Map<string | null, string>(sent.map(({ sessionId, text }) => [sessionId, text]));
  const decided = new Set(decisions.map(({ id }) => id));
  const effects = decisions.flatMap((decision) => {
    const { id, sessionId } = decision;
    const [kept, waiting] = [memory.memories.get(id), shadow.memories.get(id)];
    const found = [
      ...(kept ? [kept.source === 'promoted' ? 'promoted' : 'memory'] : []),
      ...(waiting ? ['shadow'] : []),
    ];
    const allowed = effectsOf(decision);
    const problems = allowed.includes(found.join('+'))
      ? []
      : [`is ${found.join(' and ') || 'nowhere'} where its decision says ${allowed.join(' or ') || 'nowhere'}`];
    const text = (kept ?? waiting)?.text;
    if (text !== undefined && text !== texts.get(sessionId)) problems.push('has the text of another message');
    return problems.map((problem) => `${sessionId} ${problem}`);
  });
  const unexplained = [...memory.memories.keys(), ...shadow.memories.keys()].filter((id) => !decided.has(id));
  return [...effects, ...unexplained.map((id) => `${id} is remembered without a decision`)];
}

function effectsOf(decision: Decision): string[] {
  if (decision.kept) return ['memory'];
  if (isDuplicate(decision)) return [''];
  // What is recalled from the shadow buffer by a later chat is promoted.
  return ['shadow', 'promoted'];
}

const isDuplicate = ({ kept, novelty }: Decision): boolean => !kept && novelty <= DUPLICATE_NOVELTY;

function checkStrengthened({ decisions, repetitions }: UserState): string[] {
  const expected = Map.groupBy(decisions.filter(isDuplicate), ({ nearestId }) => nearestId ?? '');
  return [...new Set([...expected.keys(), ...repetitions.keys()])].flatMap((id) => {
    const [times, decided] = [repetitions.get(id) ?? 0, expected.get(id)?.length ?? 0];
    return times === decided ? [] : [`memory ${id} was strengthened ${times} times for ${decided} decisions`];
  });
}

function checkTier(what: string, { memories, indexes }: TierState): string[] {
  const bodies = new Set(memories.keys());
  const torn = new Set(indexes.flatMap((ids) => difference(bodies, ids)));
  return [...torn].map((id) => `${what} ${id} is not in all of its keys`);
}

const difference = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] => [
  ...[...a].filter((id) => !b.has(id)),
  ...[...b].filter((id) => !a.has(id)),
];
