import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomFrom, readConversations, readTime, recallAt } from './locomo.js';

describe(readConversations.name, () => {
  it('reads turns with their times and roles, and questions with evidence that exists', () => {
    const folder = mkdtempSync(join(tmpdir(), 'locomo-'));
    const file = join(folder, 'data.json');
    const turn = { id: 'D1:1', session: 1, at: '1:56 pm on 8 May, 2023', speaker: 'Ada', text: 'Hello.' };
    const questions = [
      { question: 'Both?', answer: 'x', category: 1, evidence: ['D1:1; D1:2'] },
      { question: 'Half?', answer: 'x', category: 2, evidence: ['D1:2', 'D9:9'] },
      { question: 'None?', answer: 'x', category: 5, evidence: ['D9:9'] },
    ];
    const turns = [turn, { ...turn, id: 'D1:2', speaker: 'Bob' }];
    writeFileSync(file, JSON.stringify([{ conversation: 7, speakers: ['Ada', 'Bob'], turns, questions }]));

    const [conversation] = readConversations(file);
    rmSync(folder, { recursive: true });

    expect(conversation?.name).toBe('7');
    expect(conversation?.turns.map(({ role }) => role)).toEqual(['user', 'assistant']);
    expect(conversation?.turns[0]?.atMs).toBe(Date.UTC(2023, 4, 8, 13, 56));
    expect(conversation?.questions.map(({ evidence }) => evidence)).toEqual([['D1:1', 'D1:2'], ['D1:2']]);
  });
});

describe(readTime.name, () => {
  it('knows noon from midnight, and refuses what is no time', () => {
    expect(readTime('12:09 am on 13 September, 2023')).toBe(Date.UTC(2023, 8, 13, 0, 9));
    expect(readTime('12:30 pm on 1 January, 2024')).toBe(Date.UTC(2024, 0, 1, 12, 30));
    expect(() => readTime('yesterday')).toThrow('Not a time');
  });
});

describe(recallAt.name, () => {
  const questions = [
    { text: '', category: 1, evidence: ['a', 'b'] },
    { text: '', category: 1, evidence: ['c'] },
  ];

  it('averages the share of evidence among the first k', () => {
    const found = [
      ['x', 'b', 'a'],
      ['x', 'y', 'z', 'c'],
    ];
    expect(recallAt(1, questions, found)).toBe(0);
    expect(recallAt(2, questions, found)).toBe(0.25);
    expect(recallAt(3, questions, found)).toBe(0.5);
    expect(recallAt(4, questions, found)).toBe(1);
  });
});

describe(randomFrom.name, () => {
  it('repeats itself for a seed and only for that', () => {
    const draw = (seed: number) => Array.from({ length: 5 }, randomFrom(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});
