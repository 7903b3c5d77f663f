import { findSpecialTokens, NO_SPECIAL_TOKENS, specialTokensBetween, type Tokenize } from './special-tokens.js';
import { VorpalProtocolError, VorpalScoringPrefixError } from '../vorpal.errors.js';

interface TokenizerOptions {
  /** Spellings that are one token, by their ids. */
  readonly special?: Readonly<Record<string, number>>;
  readonly bos?: number;
  readonly eos?: number;
  /** Whether the text gets a space at its start, as sentencepiece ones do; not behind a special token. */
  readonly spaceFirst?: boolean;
  /** Whether a special token takes the white space behind it. */
  readonly strips?: boolean;
}

/** Bytes are tokens, and so are the special ones. */
function tokenizer({ special = {}, bos, eos, spaceFirst, strips }: TokenizerOptions): Tokenize {
  const bytesOf = (text: string, isFirst: boolean) => [...Buffer.from(isFirst && spaceFirst ? ` ${text}` : text)];
  return (text, addSpecialTokens) => {
    const [token, id] = Object.entries(special).find(([spelling]) => text.startsWith(spelling)) ?? [];
    const rest = text.slice(token?.length ?? 0);
    const ids = id === undefined ? bytesOf(text, true) : [id, ...bytesOf(strips ? rest.trimStart() : rest, false)];
    const around = (extra: number | undefined) => (addSpecialTokens && extra !== undefined ? [extra] : []);
    return Promise.resolve([...around(bos), ...ids, ...around(eos)]);
  };
}

const SEPARATORS = { '<|endoftext|>': 900, '</s>': 901 };

describe(findSpecialTokens.name, () => {
  describe('auto', () => {
    it('adds nothing where the tokenizer adds a BOS', async () => {
      await expect(findSpecialTokens(tokenizer({ bos: 800, special: SEPARATORS }), 'auto')).resolves.toEqual({
        prefix: [800],
        stringPrefix: '',
        suffix: [],
        separator: null,
      });
    });

    it('takes the first separator that is a single token', async () => {
      await expect(findSpecialTokens(tokenizer({ special: SEPARATORS }), 'auto')).resolves.toEqual({
        prefix: [900],
        stringPrefix: '<|endoftext|>',
        suffix: [],
        separator: '<|endoftext|>',
      });
      await expect(findSpecialTokens(tokenizer({ special: { '</s>': 901 }, eos: 901 }), 'auto')).resolves.toEqual({
        prefix: [901],
        stringPrefix: '</s>',
        suffix: [901],
        separator: '</s>',
      });
    });

    it('adds nothing where the model has none of them', async () => {
      await expect(findSpecialTokens(tokenizer({ special: { '<|im_start|>': 902 } }), 'auto')).resolves.toEqual(
        NO_SPECIAL_TOKENS,
      );
    });

    it('adds nothing where what the tokenizer adds cannot be told apart', async () => {
      const odd: Tokenize = (text, special) => Promise.resolve(special ? [7] : [...Buffer.from(text)]);
      await expect(findSpecialTokens(odd, 'auto')).resolves.toEqual(NO_SPECIAL_TOKENS);
    });

    it.each([{ spaceFirst: true }, { strips: true }])(
      'keeps to ids where a string would be split otherwise (%j)',
      async (options) => {
        const specialTokens = await findSpecialTokens(tokenizer({ special: SEPARATORS, ...options }), 'auto');
        expect(specialTokens).toMatchObject({ prefix: [900], separator: '<|endoftext|>' });
        expect(specialTokens.stringPrefix).toBeUndefined();
      },
    );
  });

  it('none adds nothing, whatever there is', async () => {
    await expect(findSpecialTokens(tokenizer({ special: SEPARATORS }), 'none')).resolves.toEqual(NO_SPECIAL_TOKENS);
  });

  describe('a named token', () => {
    it('stands behind the BOS, unless it is the BOS', async () => {
      const special = { '<s>': 800, '<|doc|>': 903 };
      await expect(findSpecialTokens(tokenizer({ bos: 800, special }), '<|doc|>')).resolves.toMatchObject({
        prefix: [800, 903],
        stringPrefix: '<|doc|>',
      });
      await expect(findSpecialTokens(tokenizer({ bos: 800, special }), '<s>')).resolves.toMatchObject({
        prefix: [800],
        stringPrefix: '',
        separator: '<s>',
      });
    });

    it('that is several tokens of the model is an error that names the setting', async () => {
      const specialTokens = findSpecialTokens(tokenizer({ special: SEPARATORS }), '<|doc|>');
      await expect(specialTokens).rejects.toThrow(VorpalScoringPrefixError);
      await expect(specialTokens).rejects.toThrow(/<\|doc\|> \(SCORING_PREFIX\) is 7 tokens of this model/);
    });
  });

  describe('on a server without /tokenize', () => {
    const none: Tokenize = () => Promise.reject(new VorpalProtocolError('Vorpal does not know /tokenize.'));

    it('adds nothing by itself', async () => {
      await expect(findSpecialTokens(none, 'auto')).resolves.toEqual(NO_SPECIAL_TOKENS);
    });

    it('cannot look up a named token', async () => {
      await expect(findSpecialTokens(none, '<|doc|>')).rejects.toThrow(VorpalScoringPrefixError);
    });
  });
});

describe(specialTokensBetween.name, () => {
  it.each([
    [[1, 2], [1, 2], { prefix: [], suffix: [] }],
    [[9, 1, 2], [1, 2], { prefix: [9], suffix: [] }],
    [[9, 9, 1, 2, 8], [1, 2], { prefix: [9, 9], suffix: [8] }],
    [[9, 3], [1, 2], undefined],
  ])('%j without %j', (withSpecial, plain, expected) => {
    expect(specialTokensBetween(withSpecial, plain)).toEqual(expected);
  });
});
