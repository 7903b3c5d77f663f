import { namesTellSpans, tokenSpans } from './token-spans.js';

const BYTE_LEVEL = new TextDecoder('latin1');

/** A text's bytes cut into tokens of `sizes`, as a byte-level vocabulary spells them. */
function byteLevel(text: string, sizes: readonly number[]): string[] {
  let alphabetEnd = 0x100;
  const spelling = Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(prints ? byte : alphabetEnd++);
  });
  const bytes = [...Buffer.from(text)];
  return sizes.map((size) =>
    bytes
      .splice(0, size)
      .map((byte) => spelling[byte])
      .join(''),
  );
}

const ones = (text: string): number[] => Array.from(Buffer.from(text), () => 1);
const texts = (spans: readonly { token: string }[]): string[] => spans.map(({ token }) => token);

function expectToCover(text: string, spans: ReturnType<typeof tokenSpans>): void {
  expect(texts(spans).join('')).toBe(text);
  for (const { token, start, end } of spans) {
    expect(text.slice(start, end)).toBe(token);
    expect(token.isWellFormed()).toBe(true);
  }
}

const AWKWARD = {
  'an emoji with joiners': 'Hi 👩‍💻!',
  'Chinese and Japanese': '你好，世界。カタカナ',
  Devanagari: 'नमस्ते दुनिया',
  'combining marks': 'e\u0301a\u0308 cafe\u0301',
  'a replacement character of its own': 'a\uFFFDb\uFFFD\uFFFD',
  'white space': '  \t\n\u00A0\u3000 x \n',
  'what looks like a spelling': 'Ġsky ▁sky <0xF0>',
  flags: '🇹🇷🇩🇪',
};

describe(tokenSpans.name, () => {
  describe.each(Object.entries(AWKWARD))('with %s', (_, text) => {
    it.each([1, 2, 3, 5, 7])('takes whole characters from pieces of %i bytes', (size) => {
      const count = Math.ceil(Buffer.byteLength(text) / size);
      const pieces = byteLevel(
        text,
        Array.from({ length: count }, () => size),
      );
      const spans = tokenSpans(
        text,
        pieces.map(() => ''),
        pieces,
      );
      expect(spans).toHaveLength(count);
      expectToCover(text, spans);
      let byte = 0;
      for (const [index, { token }] of spans.entries()) {
        // A character is where its first byte is.
        const begun = new Set<number>();
        let at = 0;
        for (const character of text) {
          if (at >= byte && at < byte + size) begun.add(at);
          at += Buffer.byteLength(character);
        }
        expect(Array.from(token)).toHaveLength(begun.size);
        byte = (index + 1) * size;
      }
    });

    it.each([
      ['nothing', (): string => ''],
      ['the broken bytes', (part: Buffer): string => part.toString()],
      ['Latin-1', (part: Buffer): string => BYTE_LEVEL.decode(part)],
    ])('covers it where the server names %s', (_name, nameOf) => {
      const bytes = Buffer.from(text);
      const names = Array.from({ length: Math.ceil(bytes.length / 2) }, (_part, index) =>
        nameOf(bytes.subarray(2 * index, 2 * index + 2)),
      );
      const spans = tokenSpans(text, names);
      expect(spans).toHaveLength(names.length);
      expectToCover(text, spans);
    });

    it('covers it where its last token names a character', () => {
      const names = Array.from(text).flatMap((character) => [
        ...Array.from({ length: Buffer.byteLength(character) - 1 }, () => ''),
        character,
      ]);
      const spans = tokenSpans(text, names);
      expectToCover(text, spans);
      // As the bytes have it.
      expect(texts(spans)).toEqual(texts(tokenSpans(text, names, byteLevel(text, ones(text)))));
    });
  });

  it('gives a character to the first of its tokens, and the others nothing', () => {
    expect(tokenSpans('a😀b', ['a', '', '', '😀', 'b'])).toEqual([
      { token: 'a', start: 0, end: 1 },
      { token: '😀', start: 1, end: 3 },
      { token: '', start: 3, end: 3 },
      { token: '', start: 3, end: 3 },
      { token: 'b', start: 3, end: 4 },
    ]);
  });

  it('knows the pieces of sentencepiece, its space before the text and its bytes', () => {
    const pieces = ['▁The', '▁sky', '<0xF0>', '<0x9F>', '<0x98>', '<0x80>', '!'];
    const names = ['The', 'sky', '', '', '', '', '!'];
    expect(texts(tokenSpans('The sky😀!', names, pieces))).toEqual(['The', ' sky', '😀', '', '', '', '!']);
  });

  it('finds its way again behind characters that the server lost', () => {
    const names = ['Say', ' ', '', '', '', ' twice', ',', '', ' please'];
    const spans = tokenSpans('Say 你好 twice, 😀 please', names);
    expect(texts(spans)).toEqual(['Say', ' ', '你', '好', '', ' twice', ',', ' 😀', ' please']);
  });

  it('covers a text that the tokenizer folds', () => {
    const text = 'The Café in NAPLES';
    expectToCover(text, tokenSpans(text, ['the', 'cafe', 'in', 'naples'], ['the', 'cafe', 'in', 'naples']));
  });

  it('takes a time that grows with the text alone, whatever the names', () => {
    const text = 'ab你 '.repeat(30_000);
    const names = Array.from({ length: 90_000 }, (_, index) => (index % 3 === 0 ? 'zz' : ''));
    const startedAt = performance.now();
    expect(texts(tokenSpans(text, names)).join('')).toBe(text);
    // Quadratic work would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  it('has nothing for no tokens', () => {
    expect(tokenSpans('', [])).toEqual([]);
  });
});

describe(namesTellSpans.name, () => {
  it('is sure only of names that spell the text and are never empty', () => {
    expect(namesTellSpans('a b', ['a', ' b'])).toBe(true);
    expect(namesTellSpans('😀', ['', '😀'])).toBe(false);
    expect(namesTellSpans('a b', ['a', 'b'])).toBe(false);
  });
});
