import type { Memory } from '../memory.js';
import type { Candidate } from '../store/memory-store.port.js';
import { detectChange } from './change-detector.js';

const NOON = Date.UTC(2026, 4, 1, 12);

const memoryOf = (text: string, more: Partial<Memory> = {}): Memory => ({
  id: text,
  text,
  userId: 'ada',
  sessionId: null,
  role: 'user',
  createdAtMs: NOON - 60_000,
  perplexity: null,
  avgLogprob: null,
  informationNats: null,
  novelty: null,
  surprise: null,
  model: null,
  source: 'worker',
  metadata: {},
  context: '',
  isQuestion: false,
  isPinned: false,
  count: 1,
  lastSeenAtMs: NOON - 60_000,
  recallCount: 0,
  lastRecalledAtMs: null,
  validFromMs: NOON - 60_000,
  supersededBy: null,
  supersedes: [],
  ...more,
});

const candidateOf = (text: string, more: Partial<Memory> = {}, cosine: number | null = 0.8): Candidate => ({
  memory: memoryOf(text, more),
  cosine,
  bm25: 3,
  matchedTerms: [],
});

describe(detectChange.name, () => {
  const detect = (text: string, ...candidates: Candidate[]) =>
    detectChange({ text, role: 'user', createdAtMs: NOON }, candidates)?.id;

  it.each([
    ['The night bus to Riga leaves at 22:15.', 'The night bus to Riga leaves at 23:40.'],
    ['You reach the vet at 030 5550117.', 'You reach the vet at 030 5550162 now.'],
    ['I am allergic to kiwi.', 'I am not allergic to kiwi.'],
    ['I live in Cardiff.', 'I moved, I live in Leicester now.'],
    ['Ich wohne in Jena.', 'Ich wohne jetzt in Weimar.'],
    ['Ich mag Spinat.', 'Ich mag keinen Spinat mehr.'],
    ['Je travaille à la poste.', 'Je ne travaille plus à la poste.'],
    ['Я живу в Туле.', 'Теперь я живу в Пскове.'],
    ['我住在南京。', '我现在住在苏州。'],
    ['Rozumím francouzsky.', 'Nerozumím francouzsky.'],
  ])('finds that "%s" changed by "%s"', (before, after) => {
    expect(detect(after, candidateOf(before))).toBe(before);
  });

  it.each([
    ['the same in other words', 'I am a postman.', 'I work as a postman.'],
    ['the same with another beginning', 'My tent is green.', 'As I said, my tent is green.'],
    ['another pet', 'I have a dog called Rollo.', 'I have a goat called Trudi.'],
    ['another journey', 'My flight to Cork leaves at 6:10.', 'My flight to Malta leaves at 17:25.'],
    ['another sister', 'My sister Vera lives in Bonn.', 'My sister Ilka lives in Ulm.'],
    ['something more', 'I speak Danish.', 'I also speak Dutch.'],
    ['something that happened, too', 'I was in Peru in 2011.', 'I was in Laos in 2016.'],
    ['that something else is not so', 'Am Montag war viel los.', 'Am Montag war nicht viel Verkehr.'],
    ['somebody else', 'My father is a tailor.', 'My aunt is a tailor.'],
    [
      'thanks for something else',
      'Thanks, your help means a lot to me!',
      'Thanks, you mean a lot to me, I will not give up!',
    ],
    [
      'talk about the same subject',
      'I have been baking since I was a child, and it has always been a way for me to relax after school or work.',
      'I want to open a bakery now, because I would love to share with others how good it feels when bread has risen.',
    ],
    ['something else that changed', 'My oven has four hobs.', 'I moved, I live in Leicester now.'],
  ])('marks nothing for %s', (_, before, after) => {
    expect(detect(after, candidateOf(before))).toBeUndefined();
  });

  it('does without the vectors where they say nothing', () => {
    const before = 'The pottery course is on Monday at 18:00.';
    expect(detect('The pottery course is on Tuesday at 19:30.', candidateOf(before, {}, null))).toBe(before);
  });

  describe('of several candidates', () => {
    const older = 'The night bus to Riga leaves at 22:15.';
    const newer = 'The night bus to Riga leaves at 23:40.';

    it('names the one that is changed', () => {
      expect(detect(newer, candidateOf('The night bus to Vilnius leaves at 21:00.'), candidateOf(older))).toBe(older);
    });

    it.each<[string, Partial<Memory>]>([
      ['that somebody else said', { role: 'assistant' }],
      ['that only ask', { isQuestion: true }],
      ['that were out of date already', { supersededBy: { id: 'x', atMs: 1, reason: 'changed', score: 1 } }],
      ['that are later', { validFromMs: NOON + 1 }],
    ])('passes over those %s', (_, more) => {
      expect(detect(newer, candidateOf(older))).toBe(older);
      expect(detect(newer, candidateOf(older, more))).toBeUndefined();
    });
  });

  it('takes no question for a change', () => {
    expect(
      detect('Does the night bus to Riga leave at 23:40?', candidateOf('The night bus to Riga leaves at 22:15.')),
    ).toBe(undefined);
  });
});
