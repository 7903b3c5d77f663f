import { TokenTextDecoder } from './token-text.js';

/** Tokens that are single bytes. */
const detokenize = (tokens: readonly number[]): string => Buffer.from(tokens).toString('utf8');
const decode = (bytes: Iterable<number>): { pieces: string[]; rest: string } => {
  const decoder = new TokenTextDecoder(detokenize);
  return { pieces: Array.from(bytes, (byte) => decoder.push(byte)), rest: decoder.flush() };
};

describe(TokenTextDecoder.name, () => {
  it('gives a character to the token that completes it', () => {
    expect(decode(Buffer.from('a😀é'))).toEqual({ pieces: ['a', '', '', '', '😀', '', 'é'], rest: '' });
  });

  it('keeps every character of any text', () => {
    const text = 'Grüße, 世界! \u{1F468}\u200D\u{1F469}\u200D\u{1F467} \uFFFD done';
    const { pieces, rest } = decode(Buffer.from(text));
    expect(pieces.join('') + rest).toBe(text);
  });

  it('gives up on bytes that can be no character', () => {
    const { pieces } = decode([0xff, 0xff, 0xff, 0xff, 0x61]);
    expect(pieces.join('')).toBe('\uFFFD\uFFFD\uFFFD\uFFFDa');
  });

  it('shows what is incomplete at the end', () => {
    expect(decode([0x61, 0xf0, 0x9f])).toEqual({ pieces: ['a', '', ''], rest: '\uFFFD' });
  });
});
