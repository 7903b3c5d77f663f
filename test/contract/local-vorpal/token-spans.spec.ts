import { PerplexityScorer, TokenSpansService } from '../../../src/vorpal/index.js';
import { type RunningVorpal, startLocalVorpal } from '../../support/local-vorpal.js';
import { StubVorpal } from '../../support/stub-vorpal.js';
import { startVorpalModule, TEST_KEY, type VorpalParts } from '../../support/vorpal-module.js';

const TEXTS = [
  'Plain words, as most are.',
  'Hi 👩‍💻 and 👨‍👩‍👧‍👦!',
  '你好，世界。 カタカナと漢字',
  'नमस्ते दुनिया',
  'e\u0301a\u0308 cafe\u0301',
  'a lone \uFFFD and \uFFFD\uFFFD more',
  ' \t\n\u00A0\u3000 x  \n',
  '😀',
  ' ',
  'what the user calls <|endoftext|> here',
];

/** Scores each text and asks for its tokens' texts. */
async function spansOf({ scorer, tokenSpans }: VorpalParts, texts: readonly string[]) {
  const scores = await scorer.score(texts.map((text) => ({ text })));
  const scored = scores.map((score, index) => ({ text: texts[index] ?? '', score }));
  return { scores, spans: await tokenSpans.spansOf(scored) };
}

describe(TokenSpansService.name, () => {
  let parts: VorpalParts;

  describe('over the local Vorpal', () => {
    let vorpal: RunningVorpal;

    beforeAll(async () => {
      vorpal = await startLocalVorpal({ VORPAL_API_KEY: TEST_KEY });
      parts = await startVorpalModule({ VORPAL_URL: vorpal.url });
    }, 300_000);

    afterAll(async () => {
      await parts.close();
      await vorpal.stop();
    });

    it.each(TEXTS)('shows %j in whole characters', async (text) => {
      const { scores, spans } = await spansOf(parts, [text]);
      expect(spans[0]).toHaveLength(scores[0]!.tokenCount);
      expect(spans[0]!.map(({ token }) => token).join('')).toBe(text);
      for (const { token, start, end } of spans[0]!) expect(text.slice(start, end)).toBe(token);
    });

    it('gives a character to the token with its first byte, whether windows or contexts divide the text or not', async () => {
      const text = 'Zwei 漢字 und 😀. '.repeat(12).trim();
      const narrow = await startVorpalModule({ VORPAL_URL: vorpal.url, SCORING_WINDOW_TOKENS: '32' });
      try {
        const [whole, cut] = [await spansOf(parts, [text]), await spansOf(narrow, [text])];
        expect(cut.spans).toEqual(whole.spans);
        expect(whole.spans[0]!.filter(({ token }) => token === '').length).toBeGreaterThan(12);
      } finally {
        await narrow.close();
      }
    });

    it(`scores the first token after the separator as ${PerplexityScorer.name} would any other`, async () => {
      const [alone, behind] = await parts.scorer.score([{ text: 'Hello' }, { text: 'Hello', context: 'Hello' }]);
      expect(alone).toMatchObject({ tokenCount: 1, prefix: '<|endoftext|>' });
      expect(alone!.perplexity).toBeGreaterThan(1);
      expect(behind!.perplexity).not.toBe(alone!.perplexity);
    });
  });

  describe('over a server that spells no tokens', () => {
    let stub: StubVorpal;

    beforeEach(async () => {
      stub = await StubVorpal.start();
      parts = await startVorpalModule({ VORPAL_URL: stub.url });
    });

    afterEach(async () => {
      await parts.close();
      await stub.stop();
    });

    it.each(TEXTS)('still covers %j', async (text) => {
      const { spans } = await spansOf(parts, [text]);
      expect(spans[0]!.map(({ token }) => token).join('')).toBe(text);
    });

    it('or none at all, covers a text that has a score', async () => {
      const scores = await parts.scorer.score([{ text: '你好' }]);
      stub.on('/tokenize', (_, response) => {
        response.writeHead(404).end();
      });
      const spans = await parts.tokenSpans.spansOf([{ text: '你好', score: scores[0]! }]);
      expect(spans[0]!.map(({ token }) => token)).toEqual(['你', '', '', '好', '', '']);
    });
  });
});
