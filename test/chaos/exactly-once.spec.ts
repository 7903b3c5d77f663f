import type { Decision, Memory } from '../../src/memory/memory.js';
import { checkExactlyOnce, checkStream } from './exactly-once.js';
import type { SentMessage } from './message-source.js';
import type { UserState } from './store-state.js';

const USER = 'ada';
const sentAs = (sessionId: string): SentMessage => ({ userId: USER, sessionId, text: `what ${sessionId} says` });
const [KEPT, OTHER] = [sentAs('kept'), sentAs('other')];
const REPEATED = { ...sentAs('repeated'), text: KEPT.text };
const SENT = { accepted: [KEPT, OTHER, REPEATED], uncertain: [] };

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
  threshold: 0,
  mode: 'all',
  kept: true,
  duplicateOf: null,
  supersedes: null,
  supersessionScore: null,
  reason: 'Every message is kept (surprise 0.50).',
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
  informationNats: 30,
  novelty: 0.6,
  surprise: 0.5,
  model: 'stub',
  source: 'worker',
  metadata: {},
  context: '',
  isQuestion: false,
  isPinned: false,
  count: 1,
  lastSeenAtMs: 1,
  recallCount: 0,
  lastRecalledAtMs: null,
  validFromMs: 1,
  supersededBy: null,
  supersedes: [],
  ...changes,
});

const memoriesOf = (...memories: Memory[]): Pick<UserState, 'memories' | 'indexes'> => {
  const ids = memories.map(({ id }) => id);
  return { memories: new Map(memories.map((memory) => [memory.id, memory])), indexes: [new Set(ids), new Set(ids)] };
};

const DECISIONS = [
  decided('kept', {}),
  decided('other', {}),
  decided('repeated', { novelty: 0, duplicateOf: 'id-kept' }),
];

/** Two messages kept, and one that says again what the first said: as it must be. */
const stateWith = (changes: Partial<UserState>): UserState => {
  const { decisions = DECISIONS } = changes;
  return {
    userId: USER,
    decisions,
    decisionTimeIds: new Set(decisions.map(({ id }) => id)),
    ...memoriesOf(remembered('kept'), remembered('other')),
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

  it('accepts what a gate did not keep', () => {
    const decisions = DECISIONS.toSpliced(1, 1, decided('other', { kept: false, mode: 'fixed', threshold: 0.7 }));
    expect(violationsOf({ decisions, ...memoriesOf(remembered('kept')) })).toBe('');
  });

  it('accepts what was perhaps sent, with its effect and without', () => {
    const { accepted } = SENT;
    expect(violationsOf({}, { accepted, uncertain: [sentAs('perhaps')] })).toBe('');
    expect(violationsOf({}, { accepted: accepted.slice(1), uncertain: accepted.slice(0, 1) })).toBe('');
  });

  it.each<[string, Partial<UserState>, RegExp]>([
    ['a lost message', { decisions: DECISIONS.toSpliced(1, 1), ...memoriesOf(remembered('kept')) }, /other is lost/],
    [
      'a message that was captured twice, under two ids',
      { decisions: [...DECISIONS, decided('other', { id: 'another', novelty: 0, duplicateOf: 'id-other' })] },
      /other has 2 decisions/,
    ],
    ['a message counted twice by the statistics', { messagesCounted: 4 }, /count 4 messages for 3 decisions/],
    ['a memory counted twice for one message', { repetitions: new Map([['id-kept', 2]]) }, /counted 2 times for 1/],
    ['a memory not counted', { repetitions: new Map() }, /counted 0 times for 1/],
    [
      'a message counted for another text',
      {
        decisions: DECISIONS.toSpliced(2, 1, decided('repeated', { duplicateOf: 'id-other' })),
        repetitions: new Map([['id-other', 1]]),
      },
      /repeated was counted for another text/,
    ],
    [
      'a kept message without its memory',
      memoriesOf(remembered('other')),
      /kept is no memory and its decision says yes/,
    ],
    [
      'a repetition that became a memory of its own',
      memoriesOf(remembered('kept'), remembered('other'), remembered('repeated', { text: KEPT.text })),
      /repeated is a memory and its decision says no/,
    ],
    [
      'two memories of one text',
      {
        decisions: DECISIONS.toSpliced(2, 1, decided('repeated', {})),
        repetitions: new Map(),
        ...memoriesOf(remembered('kept'), remembered('other'), remembered('repeated', { text: KEPT.text })),
      },
      /id-kept and id-repeated have the same text/,
    ],
    [
      'a memory without a decision',
      memoriesOf(remembered('kept'), remembered('other'), remembered('stray')),
      /id-stray is remembered without a decision/,
    ],
    [
      'a memory with the text of another message',
      memoriesOf(remembered('kept', { text: 'what somebody else says' }), remembered('other')),
      /kept has the text of another message/,
    ],
    ['a memory without its vector', { indexes: [new Set(['id-other'])] }, /memory id-kept is not in all of its keys/],
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
