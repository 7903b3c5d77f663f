import type { Decision, Memory } from '../../src/memory/memory.js';
import { checkExactlyOnce, checkStream } from './exactly-once.js';
import type { SentMessage } from './message-source.js';
import type { TierState, UserState } from './store-state.js';

const USER = 'ada';
const sentAs = (sessionId: string): SentMessage => ({ userId: USER, sessionId, text: `what ${sessionId} says` });
const [KEPT, WAITING, REPEATED] = ['kept', 'waiting', 'repeated'].map(sentAs) as [
  SentMessage,
  SentMessage,
  SentMessage,
];
const SENT = { accepted: [KEPT, WAITING, REPEATED], uncertain: [] };

const decided = (sessionId: string, changes: Partial<Decision>): Decision => ({
  id: `id-${sessionId}`,
  userId: USER,
  sessionId,
  decidedAtMs: 1,
  model: 'stub',
  perplexity: 12,
  informationNats: 30,
  contextual: false,
  plainPerplexity: 12,
  novelty: 0.6,
  nearestId: null,
  surprise: 0.5,
  threshold: 0.7,
  mode: 'fixed',
  kept: false,
  reason: 'surprise 0.50 is below 0.70',
  ...changes,
});

const remembered = (sessionId: string, changes: Partial<Memory> = {}): Memory => ({
  id: `id-${sessionId}`,
  text: `what ${sessionId} says`,
  userId: USER,
  sessionId,
  role: 'user',
  createdAtMs: 1,
  perplexity: 12,
  avgLogprob: -2.5,
  novelty: 0.6,
  surprise: 0.5,
  model: 'stub',
  source: 'worker',
  metadata: {},
  count: 1,
  lastSeenAtMs: 1,
  ...changes,
});

const tierOf = (...memories: Memory[]): TierState => {
  const ids = memories.map(({ id }) => id);
  return { memories: new Map(memories.map((memory) => [memory.id, memory])), indexes: [new Set(ids), new Set(ids)] };
};

const DECISIONS = [
  decided('kept', { kept: true, novelty: 1 }),
  decided('waiting', {}),
  decided('repeated', { novelty: 0, nearestId: 'id-kept' }),
];

/** One message kept, one waiting, one that says again what the first said: as it must be. */
const stateWith = (changes: Partial<UserState>): UserState => {
  const { decisions = DECISIONS } = changes;
  return {
    userId: USER,
    decisions,
    decisionTimeIds: new Set(decisions.map(({ id }) => id)),
    memory: tierOf(remembered('kept')),
    shadow: tierOf(remembered('waiting')),
    repetitions: new Map([['id-kept', 1]]),
    messagesCounted: decisions.length,
    ...changes,
  };
};
const violationsOf = (changes: Partial<UserState>, sent: Parameters<typeof checkExactlyOnce>[0] = SENT) =>
  checkExactlyOnce(sent, [stateWith(changes)]).join('\n');

describe(checkExactlyOnce.name, () => {
  it('finds nothing where each message had its effect once', () => {
    expect(violationsOf({})).toBe('');
  });

  it('accepts a promotion: a later chat recalled what waited', () => {
    const memory = tierOf(remembered('kept'), remembered('waiting', { source: 'promoted' }));
    expect(violationsOf({ memory, shadow: tierOf() })).toBe('');
  });

  it('accepts what was perhaps sent, with its effect and without', () => {
    const { accepted } = SENT;
    expect(violationsOf({}, { accepted, uncertain: [sentAs('perhaps')] })).toBe('');
    expect(violationsOf({}, { accepted: accepted.slice(1), uncertain: accepted.slice(0, 1) })).toBe('');
  });

  it.each<[string, Partial<UserState>, RegExp]>([
    ['a lost message', { decisions: DECISIONS.toSpliced(1, 1), shadow: tierOf() }, /waiting is lost/],
    [
      'a message that was captured twice, under two ids',
      { decisions: [...DECISIONS, decided('waiting', { id: 'another', novelty: 0, nearestId: 'id-kept' })] },
      /waiting has 2 decisions/,
    ],
    ['a message counted twice by the statistics', { messagesCounted: 4 }, /count 4 messages for 3 decisions/],
    ['a memory strengthened twice for one message', { repetitions: new Map([['id-kept', 2]]) }, /strengthened 2 times/],
    ['a memory not strengthened', { repetitions: new Map() }, /strengthened 0 times for 1/],
    ['a kept message without its memory', { memory: tierOf() }, /kept is nowhere where its decision says memory/],
    [
      'a message that is a memory and waits as well',
      { shadow: tierOf(remembered('waiting'), remembered('kept')) },
      /kept is memory and shadow/,
    ],
    [
      'a repetition that became a memory of its own',
      { memory: tierOf(remembered('kept'), remembered('repeated')) },
      /repeated is memory where its decision says nowhere/,
    ],
    [
      'a memory without a decision',
      { memory: tierOf(remembered('kept'), remembered('stray')) },
      /id-stray is remembered without a decision/,
    ],
    [
      'a memory with the text of another message',
      { memory: tierOf(remembered('kept', { text: 'what somebody else says' })) },
      /kept has the text of another message/,
    ],
    [
      'a memory without its vector',
      { memory: { ...tierOf(remembered('kept')), indexes: [new Set()] } },
      /memory id-kept is not in all of its keys/,
    ],
    ['a decision without its time', { decisionTimeIds: new Set() }, /decision id-kept is not in both/],
    [
      'a decision of a message that nobody sent',
      { decisions: [...DECISIONS, decided('ghost', {})] },
      /ghost .* never sent/,
    ],
  ])('finds %s', (_, changes, violation) => {
    expect(violationsOf(changes)).toMatch(violation);
  });

  it('finds a user whose state was not read', () => {
    expect(checkExactlyOnce(SENT, [])).toEqual(['ada: its state was not read']);
  });
});

describe(checkStream.name, () => {
  it('finds nothing in a stream that was worked off', () => {
    expect(checkStream({ entries: 0, pending: 0, deadLetters: 0 })).toEqual([]);
  });

  it.each([
    ['what waits', { entries: 2, pending: 0, deadLetters: 0 }, '2 entries are still in the stream'],
    ['what is pending', { entries: 0, pending: 3, deadLetters: 0 }, '3 entries are still pending'],
    ['what was given up', { entries: 0, pending: 0, deadLetters: 1 }, '1 entries are dead letters'],
  ])('finds %s', (_, state, violation) => {
    expect(checkStream(state)).toEqual([violation]);
  });
});
