import { halves, textWindows, tokensAbout } from './text-windows.js';

const TOKENS = 20;
const words = (count: number): string => Array.from({ length: count }, (_, index) => `word${index}`).join(' ');

describe(textWindows.name, () => {
  it('leaves a text that fits as it is', () => {
    expect(textWindows('short', TOKENS, 4)).toEqual(['short']);
    expect(textWindows('', TOKENS, 4)).toEqual([]);
  });

  it.each([
    ['words', words(100)],
    ['a script without blanks', '漢字'.repeat(100)],
    ['characters of two units', '😀'.repeat(100)],
    ['no blank anywhere', 'x'.repeat(1_000)],
  ])('cuts %s into parts that together are the text', (_, text) => {
    const windows = textWindows(text, TOKENS, 100);
    expect(windows.length).toBeGreaterThan(5);
    expect(windows.join('')).toBe(text);
    for (const window of windows) {
      expect(tokensAbout(window)).toBeLessThanOrEqual(TOKENS + 1);
      expect(window.isWellFormed()).toBe(true);
    }
  });

  it('cuts at blanks', () => {
    for (const window of textWindows(words(100), TOKENS, 100).slice(0, -1)) expect(window).toMatch(/^word\d+.* $/);
  });

  it('leaves out the middle of what has too many', () => {
    const all = textWindows(words(100), TOKENS, 100);
    expect(textWindows(words(100), TOKENS, 4)).toEqual([...all.slice(0, 2), ...all.slice(-2)]);
    expect(textWindows(words(100), TOKENS, 1)).toEqual(all.slice(0, 1));
  });
});

describe(halves.name, () => {
  it.each(['one two three four', '漢字漢字', '😀😀😀', 'ab'])('are the text, none of them empty: %j', (text) => {
    const [first, second] = halves(text);
    expect(first + second).toBe(text);
    expect([first, second].every((half) => half !== '' && half.isWellFormed())).toBe(true);
  });
});
