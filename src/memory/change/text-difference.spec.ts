import { comparableText, differenceOf, isSameWord } from './text-difference.js';

const raws = (words: readonly { raw: string }[]) => words.map(({ raw }) => raw);
const wordOf = (text: string) => comparableText(text).words[0]!;
const compare = (before: string, after: string) => differenceOf(comparableText(before), comparableText(after));

describe(differenceOf.name, () => {
  it('finds what stands in the place of what', () => {
    const { replacements } = compare('The ferry to Split goes at 7:30.', 'The ferry to Split goes at 11:15.');
    expect(replacements.map(({ before, after }) => [raws(before), raws(after)])).toEqual([[['7:30'], ['11:15']]]);
  });

  it('tells what was put in from what was replaced', () => {
    const { replacements } = compare('I play chess.', 'I do not play bridge.');
    expect(replacements.map(({ before, after }) => [raws(before), raws(after)])).toEqual([
      [[], ['do', 'not']],
      [['chess'], ['bridge']],
    ]);
  });

  it('lays equal texts over each other, whatever their case and marks', () => {
    expect(compare('My tent is GREEN', 'my tent is green!').replacements).toEqual([]);
  });

  it('tells which words only one of them has, wherever they stand', () => {
    const { lost, added } = compare('On Friday I swim.', 'I swim and run on Sunday.');
    expect([raws(lost), raws(added)]).toEqual([['Friday'], ['and', 'run', 'Sunday']]);
  });

  it('reads no more of a text than it can compare in a moment', () => {
    const long = Array.from({ length: 5_000 }, (_, index) => `word${index}`).join(' ');
    expect(compare(long, long).before.words).toHaveLength(160);
  });
});

describe(isSameWord.name, () => {
  it.each([
    ['appointments', 'appointment'],
    ['Müllerin', 'Müllerinnen'],
    ['концерт', 'концерте'],
    ['seven', '7'],
    ['4:45 pm', '16:45'],
  ])('takes %s and %s for one word', (a, b) => {
    expect(isSameWord(wordOf(a), wordOf(b))).toBe(true);
  });

  it.each([
    ['0176 5550142', '0176 5550199'],
    ['10:15', '10:45'],
    ['Montag', 'Dienstag'],
    ['1,200', '1,250'],
    ['mother', 'brother'],
  ])('takes %s and %s for two', (a, b) => {
    expect(isSameWord(wordOf(a), wordOf(b))).toBe(false);
  });
});

describe(comparableText.name, () => {
  it('says where a sentence begins, so that a capital there is no name', () => {
    const { words } = comparableText('Tea is fine. Coffee from Peru is better.');
    expect(raws(words.filter(({ beginsSentence }) => beginsSentence))).toEqual(['Tea', 'Coffee']);
  });
});
