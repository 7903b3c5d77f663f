import {
  describeEvaluations,
  type Evaluation,
  findEvaluation,
  readArguments,
  requireFile,
  UsageError,
} from './evaluation.js';

const evaluation = (name: string): Evaluation => ({
  name,
  usage: 'FILE',
  about: `measures ${name}`,
  load: () => Promise.resolve(() => Promise.resolve()),
});
const ALL = [evaluation('blimp'), evaluation('locomo')];

describe(findEvaluation.name, () => {
  it('finds one by its name', () => {
    expect(findEvaluation(ALL, 'locomo')).toBe(ALL[1]);
  });

  it.each([undefined, 'belimp'])('answers %s with the list of what there is', (name) => {
    const list = describeEvaluations(ALL);
    expect(list).toContain('npm run eval -- blimp FILE\n      measures blimp');
    expect(() => findEvaluation(ALL, name)).toThrow(list);
  });
});

describe(requireFile.name, () => {
  it('takes exactly one file', () => {
    expect(requireFile(['a.json'])).toBe('a.json');
    expect(() => requireFile([])).toThrow('Name the file');
    expect(() => requireFile(['a.json', 'b.json'])).toThrow('"b.json" is one too many');
  });
});

describe(readArguments.name, () => {
  it('reads options and files, and refuses what it does not know', () => {
    const options = { json: { type: 'boolean', default: false } } as const;
    expect(readArguments(['a.json', '--json'], options)).toMatchObject({
      positionals: ['a.json'],
      values: { json: true },
    });
    expect(() => readArguments(['--jason'], options)).toThrow(UsageError);
  });
});
