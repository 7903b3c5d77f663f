import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBeam } from './beam.js';
import { inFirstPerson, readLocomo, readTime } from './locomo.js';

const AT = '1:56 pm on 8 May, 2023';
const LOCOMO = [
  {
    conversation: 7,
    speakers: ['Ada', 'Bob'],
    turns: [
      { id: 'D1:1', session: 1, at: AT, speaker: 'Ada', text: 'I bought a boat.' },
      { id: 'D1:2', session: 1, at: AT, speaker: 'Bob', text: 'I own a bakery.' },
    ],
    questions: [
      {
        question: 'What is Ada’s boat like, and where did Ada buy it?',
        answer: '',
        category: 2,
        evidence: ['D1:1; D1:2'],
      },
      { question: 'What does Bob own?', answer: '', category: 4, evidence: ['D1:2', 'D9:9'] },
      { question: 'Where did Ada meet Bob?', answer: '', category: 1, evidence: ['D1:1'] },
      { question: 'What does Ada eat?', answer: '', category: 3, evidence: ['D9:9'] },
    ],
  },
];
const BEAM = [
  {
    conversation: 3,
    speakers: ['User', 'Assistant'],
    turns: [
      { id: '0', session: '1', at: '2024-03-15', speaker: 'User', role: 'user', text: 'My budget is 900.' },
      {
        id: '1',
        session: '1',
        at: '2024-03-15',
        speaker: 'Assistant',
        role: 'assistant',
        text: 'Then take the train.',
      },
    ],
    questions: [
      { question: 'What is my budget?', answer: '', category: 'extraction', evidence: ['0'] },
      { question: 'What did you advise?', answer: '', category: 'extraction', evidence: ['1'] },
      { question: 'Who am I?', answer: '', category: 'abstention', evidence: [] },
    ],
  },
];

describe('data of evaluations', () => {
  let folder: string;
  let file: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evaluation-data-'));
    file = join(folder, 'data.json');
  });

  afterAll(() => rm(folder, { recursive: true }));

  it('has each speaker of LoCoMo as a user whose turns alone are captured, asking in the first person', async () => {
    await writeFile(file, JSON.stringify(LOCOMO));
    const [ada, bob, ...others] = readLocomo(file, 'one-user');

    expect(others).toEqual([]);
    expect(ada?.turns.map(({ role, isCaptured, text }) => [role, isCaptured, text])).toEqual([
      ['user', true, 'I bought a boat.'],
      ['assistant', false, 'I own a bakery.'],
    ]);
    expect(ada?.questions).toEqual([
      { text: 'What is my boat like, and where did I buy it?', category: 'temporal', evidence: ['D1:1'] },
    ]);
    expect(bob?.questions).toEqual([{ text: 'What does I own?', category: 'single-hop', evidence: ['D1:2'] }]);
    expect(ada?.userId).not.toBe(bob?.userId);
  });

  it('has both speakers by name in one store', async () => {
    await writeFile(file, JSON.stringify(LOCOMO));
    const [both] = readLocomo(file, 'two-speakers');

    expect(both?.turns.map(({ isCaptured, text, words }) => [isCaptured, text, words])).toEqual([
      [true, 'Ada (2023-05-08): I bought a boat.', 'I bought a boat.'],
      [true, 'Bob (2023-05-08): I own a bakery.', 'I own a bakery.'],
    ]);
    expect(both?.questions.map(({ evidence }) => evidence)).toEqual([['D1:1', 'D1:2'], ['D1:2'], ['D1:1']]);
  });

  it('has the assistant of BEAM as context, or as memories', async () => {
    await writeFile(file, JSON.stringify(BEAM));
    const [context] = readBeam(file, false);
    const [all] = readBeam(file, true);

    expect(context?.turns.map(({ isCaptured }) => isCaptured)).toEqual([true, false]);
    expect(context?.questions.map(({ text }) => text)).toEqual(['What is my budget?']);
    expect(all?.turns.map(({ isCaptured }) => isCaptured)).toEqual([true, true]);
    expect(all?.questions).toHaveLength(2);
    expect(all?.turns[0]?.atMs).toBe(Date.UTC(2024, 2, 15));
  });
});

describe(inFirstPerson.name, () => {
  it('turns a name into I and my, and no part of another', () => {
    expect(inFirstPerson("Jon's and Jonah's: did Jon see James’ boat?", 'Jon')).toBe(
      "my and Jonah's: did I see James’ boat?",
    );
    expect(inFirstPerson('James’ boat', 'James')).toBe('my boat');
  });
});

describe(readTime.name, () => {
  it.each([
    ['1:56 pm on 8 May, 2023', '2023-05-08T13:56:00.000Z'],
    ['12:09 am on 13 September, 2023', '2023-09-13T00:09:00.000Z'],
    ['12:30 pm on 1 January, 2024', '2024-01-01T12:30:00.000Z'],
  ])('reads %s', (text, expected) => {
    expect(new Date(readTime(text)).toISOString()).toBe(expected);
  });

  it('refuses a file that is not LoCoMo', () => {
    expect(() => readTime('yesterday')).toThrow('yesterday');
  });
});
