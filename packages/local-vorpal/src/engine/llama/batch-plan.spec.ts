import { type PendingEvaluation, planBatch, SCORED_CHUNK_TOKENS } from './batch-plan.js';

const tokens = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const scored = (count: number): PendingEvaluation => ({
  tokens: tokens(count),
  logits: tokens(count).map(() => true as const),
  evaluationPriority: 1,
});
const prefill = (count: number): PendingEvaluation => ({
  tokens: tokens(count),
  logits: [...tokens(count - 1).map(() => undefined), true],
  evaluationPriority: 5,
});

const amounts = (items: PendingEvaluation[], size: number): [number, number][] =>
  planBatch(items, size).map(({ item, processAmount }) => [items.indexOf(item), processAmount]);

describe(planBatch.name, () => {
  it('takes everything that fits', () => {
    expect(amounts([scored(20), scored(63), prefill(1)], 512)).toEqual([
      [2, 1],
      [0, 20],
      [1, 63],
    ]);
  });

  it('cuts an unscored prompt to the room there is', () => {
    expect(amounts([prefill(400), prefill(400)], 512)).toEqual([
      [0, 400],
      [1, 112],
    ]);
  });

  it('never splits a scored chunk', () => {
    expect(amounts([prefill(500), scored(20), scored(12)], 512)).toEqual([
      [0, 500],
      [2, 12],
    ]);
  });

  it.each([scored(SCORED_CHUNK_TOKENS - 1), prefill(SCORED_CHUNK_TOKENS - 1)])(
    'lets what is one token shorter than a full scored chunk wait, so that no row is left alone',
    (shorter) => {
      expect(amounts([scored(SCORED_CHUNK_TOKENS), shorter], 512)).toEqual([[0, SCORED_CHUNK_TOKENS]]);
      expect(amounts([shorter], 512)).toEqual([[0, SCORED_CHUNK_TOKENS - 1]]);
    },
  );

  it('plans something whenever something is pending', () => {
    expect(amounts([scored(100)], 50)).toEqual([[0, 50]]);
  });
});
