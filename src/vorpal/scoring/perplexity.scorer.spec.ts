import { setTimeout } from 'node:timers/promises';
import { isAbortError } from '../../shared/index.js';
import {
  completion,
  modelList,
  sendJson,
  STUB_BOS,
  STUB_SEPARATOR,
  type StubHandler,
  stubLogprob,
  StubVorpal,
} from '../../../test/support/stub-vorpal.js';
import { failureOf, startVorpalModule, type VorpalParts } from '../../../test/support/vorpal-module.js';
import {
  informationOf,
  PerplexityScorer,
  type TextScore,
  VorpalFailedError,
  VorpalScoringPrefixError,
  VorpalScoringUnsupportedError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../index.js';

const COMPLETIONS = '/v1/completions';

/** What the text's bytes come to when all but the first `unscored` are scored. */
function expectedAverage(text: string, unscored: number): number {
  const logprobs = [...Buffer.from(text)].slice(unscored).map(stubLogprob);
  return logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length;
}

function expectScore(score: TextScore | undefined, text: string, unscored: number): void {
  const average = expectedAverage(text, unscored);
  expect(score?.tokenCount).toBe(Buffer.byteLength(text));
  expect(score?.avgLogprob).toBeCloseTo(average, 10);
  expect(score?.perplexity).toBeCloseTo(Math.exp(-average), 10);
  expect(score?.tokens.map(({ token }) => token)).toEqual([...Buffer.from(text)].map(String));
  expect(score).not.toHaveProperty('reason');
}

/** Refuses requests that have one of `bad` among their prompts and answers the others. */
const refuse =
  (bad: (prompt: string) => boolean, status: number, message: string): StubHandler =>
  ({ body }, response) => {
    const prompts = body.prompt as string[];
    if (prompts.some(bad)) sendJson(response, { error: { message, type: 'Error', code: status } }, status);
    else sendJson(response, completion(prompts.map((prompt) => [...Buffer.from(prompt)])));
  };

describe(PerplexityScorer.name, () => {
  let stub: StubVorpal;
  let parts: VorpalParts;

  const start = async (environment: NodeJS.ProcessEnv = {}, options = {}): Promise<PerplexityScorer> => {
    stub = await StubVorpal.start(options);
    parts = await startVorpalModule({ VORPAL_URL: stub.url, ...environment });
    return parts.scorer;
  };

  afterEach(async () => {
    await parts.close();
    await stub.stop();
  });

  it('scores a batch in one request and averages only the tokens of the texts', async () => {
    const sut = await start();
    const texts = ['The sky is blue.', 'Purple.', 'naïve 🦊'];
    const scores = await sut.score(texts.map((text) => ({ text })));
    texts.forEach((text, index) => {
      expectScore(scores[index], text, 1);
    });
    expect(scores.map(({ model }) => model)).toEqual(['stub-model', 'stub-model', 'stub-model']);
    expect(stub.requestsFor(COMPLETIONS).map(({ body }) => body)).toEqual([
      { model: 'stub-model', prompt: texts, echo: true, logprobs: 0, max_tokens: 1, temperature: 0 },
    ]);
  });

  it('does not count a BOS as a token of the text, and scores the first token after it', async () => {
    const sut = await start({}, { bos: true });
    const [score] = await sut.score([{ text: 'abc' }]);
    expectScore(score, 'abc', 0);
    expect(stub.requestsFor(COMPLETIONS)[0]?.body.prompt).toEqual(['abc']);
  });

  it('asks for the special tokens once per model', async () => {
    const sut = await start();
    await sut.score([{ text: 'abc' }]);
    const asked = stub.requestsFor('/tokenize').length;
    await sut.score([{ text: 'def' }]);
    expect(stub.requestsFor('/tokenize')).toHaveLength(asked);
    stub.model = 'replacement';
    stub.next(COMPLETIONS, (_, response) => {
      sendJson(response, { error: { message: 'The model `stub-model` does not exist.', type: 'NotFoundError' } }, 404);
    });
    await sut.score([{ text: 'ghi' }]);
    expect(stub.requestsFor('/tokenize')).toHaveLength(2 * asked);
  });

  describe('after a document separator', () => {
    const PREFIX = '<|endoftext|>';

    it('scores the first token too, and shows only tokens of the text', async () => {
      const sut = await start({}, { separator: true });
      const [score, single] = await sut.score([{ text: 'naïve' }, { text: 'x' }]);
      expectScore(score, 'naïve', 0);
      expectScore(single, 'x', 0);
      expect(score?.prefix).toBe(PREFIX);
      expect(stub.requestsFor(COMPLETIONS)[0]?.body.prompt).toEqual([`${PREFIX}naïve`, `${PREFIX}x`]);
    });

    it('has a context stand behind it, and the plain score as well', async () => {
      const sut = await start({}, { separator: true });
      const [score] = await sut.score([{ text: 'is', context: 'Sky\n', alsoPlain: true }]);
      expectScore(score, 'is', 0);
      expect(score?.plain?.avgLogprob).toBeCloseTo(expectedAverage('is', 0), 10);
      expect(stub.requestsFor(COMPLETIONS)[0]?.body.prompt).toEqual([
        [STUB_SEPARATOR, ...Buffer.from('Sky\nis')],
        [STUB_SEPARATOR, ...Buffer.from('is')],
      ]);
    });

    it('repeats it before every window of a long text', async () => {
      const sut = await start({ SCORING_WINDOW_OVERLAP_TOKENS: '0' }, { separator: true, maxModelLen: 64 });
      const text = 'It was the best of times, it was the worst of times. '.repeat(20);
      const [score] = await sut.score([{ text }]);
      expectScore(score, text, 0);
      const prompts = stub.requestsFor(COMPLETIONS).flatMap(({ body }) => body.prompt as number[][]);
      expect(prompts.every(([first, ...others]) => first === STUB_SEPARATOR && !others.includes(STUB_SEPARATOR))).toBe(
        true,
      );
    });

    it('sends ids where the tokenizer would not leave a string behind it as it is', async () => {
      const sut = await start({}, { separator: 'sticky' });
      const [score] = await sut.score([{ text: ' x' }]);
      expectScore(score, ' x', 0);
      expect(stub.requestsFor(COMPLETIONS)[0]?.body.prompt).toEqual([[STUB_SEPARATOR, ...Buffer.from(' x')]]);
    });

    it('has no more than the tokens of a text count against the budget', async () => {
      const sut = await start({ SCORING_MAX_TOKENS_PER_REQUEST: '16' }, { separator: true });
      await sut.score([{ text: 'abc' }, { text: 'def' }]);
      expect(stub.requestsFor(COMPLETIONS)[0]?.body.prompt).toEqual([`${PREFIX}abc`, `${PREFIX}def`]);
    });

    it('can be turned off', async () => {
      const sut = await start({ SCORING_PREFIX: 'none' }, { separator: true });
      const [score] = await sut.score([{ text: 'abc' }]);
      expectScore(score, 'abc', 1);
      expect(score?.prefix).toBeNull();
    });

    it('fails with the name of the setting where a token is named that the model does not have', async () => {
      const sut = await start({ SCORING_PREFIX: '<|doc|>' }, { separator: true });
      const error = await failureOf(sut.score([{ text: 'abc' }]));
      expect(error).toBeInstanceOf(VorpalScoringPrefixError);
      expect(error.message).toContain('SCORING_PREFIX');
    });
  });

  it.each([false, true])('averages only the message after a context (BOS: %s)', async (bos) => {
    const sut = await start({}, { bos });
    const context = 'Before.\n';
    const scores = await sut.score([{ text: 'one', context }, { text: 'two', context }, { text: 'three' }]);
    expectScore(scores[0], 'one', 0);
    expectScore(scores[1], 'two', 0);
    expectScore(scores[2], 'three', bos ? 0 : 1);
    const [request, ...others] = stub.requestsFor(COMPLETIONS);
    expect(others).toEqual([]);
    expect(request?.body.prompt).toEqual([
      [...(bos ? [STUB_BOS] : []), ...Buffer.from('Before.\none')],
      [...(bos ? [STUB_BOS] : []), ...Buffer.from('Before.\ntwo')],
      [...(bos ? [STUB_BOS] : []), ...Buffer.from('three')],
    ]);
    // Behind the questions for special tokens, each distinct part once.
    const tokenized = stub.requestsFor('/tokenize').map(({ body }) => body.prompt);
    expect(tokenized.slice(-4)).toEqual(['one', context, 'two', 'three']);
  });

  it.each([
    [false, '0'],
    [false, '16'],
    [true, '0'],
    [true, '16'],
  ])('counts every token of a text longer than the window once (BOS: %s, overlap %s)', async (bos, overlap) => {
    const sut = await start({ SCORING_WINDOW_OVERLAP_TOKENS: overlap }, { bos, maxModelLen: 64 });
    const text = 'It was the best of times, it was the worst of times. '.repeat(20);
    const [score] = await sut.score([{ text }]);
    expectScore(score, text, bos ? 0 : 1);
    const prompts = stub.requestsFor(COMPLETIONS).flatMap(({ body }) => body.prompt as number[][]);
    expect(prompts.length).toBeGreaterThan(10);
    expect(Math.max(...prompts.map(({ length }) => length))).toBe(63);
  });

  it('cuts a context that does not fit from its left', async () => {
    const sut = await start({}, { maxModelLen: 16 });
    const [score] = await sut.score([{ text: 'message', context: 'a very long context' }]);
    expectScore(score, 'message', 0);
    expect(stub.requestsFor(COMPLETIONS)[0]?.body.prompt).toEqual([[...Buffer.from(' contextmessage')]]);
  });

  it('tells the information of a text: its mean times the tokens that have a logprob', async () => {
    const sut = await start();
    const [score, single] = await sut.score([{ text: 'The sky is blue.' }, { text: 'x' }]);
    expect(informationOf(score!)).toBeCloseTo(-expectedAverage('The sky is blue.', 1) * 15, 10);
    expect(informationOf(single!)).toBeNull();
  });

  it('adds the score without context where it was asked for', async () => {
    const sut = await start();
    const [score, other] = await sut.score([
      { text: 'it is blue', context: 'The sky?\n', alsoPlain: true },
      { text: 'it is red', context: 'The sun?\n' },
    ]);
    expectScore(score, 'it is blue', 0);
    expect(score?.plain?.avgLogprob).toBeCloseTo(expectedAverage('it is blue', 1), 10);
    expect(other).not.toHaveProperty('plain');
    expect(stub.requestsFor(COMPLETIONS)).toHaveLength(1);
  });

  it('leaves the score without context out where it would cost a request of its own', async () => {
    const sut = await start({ SCORING_MAX_TOKENS_PER_REQUEST: '24' });
    const [score] = await sut.score([{ text: 'it is blue', context: 'The sky?\n', alsoPlain: true }]);
    expectScore(score, 'it is blue', 0);
    expect(score).not.toHaveProperty('plain');
    expect(stub.requestsFor(COMPLETIONS)).toHaveLength(1);
  });

  it('gives the same numbers alone, in a batch, and by token ids', async () => {
    const sut = await start({ SCORING_MAX_TOKENS_PER_REQUEST: '40' });
    const texts = ['The sky is blue.', 'Water is wet, mostly.', 'Two.'];
    const batch = await sut.score(texts.map((text) => ({ text })));
    expect(stub.requestsFor(COMPLETIONS).some(({ body }) => typeof body.prompt[0] === 'object')).toBe(true);
    const alone = [];
    for (const text of texts) alone.push(...(await sut.score([{ text }])));
    expect(stub.requestsFor(COMPLETIONS).at(-1)?.body.prompt).toEqual(['Two.']);
    expect(alone).toEqual(batch);
  });

  it('splits what is more than one request may hold, and has one of them under way at a time', async () => {
    const sut = await start({ SCORING_MAX_TOKENS_PER_REQUEST: '40' });
    let underWay = 0;
    let most = 0;
    stub.on(COMPLETIONS, async ({ body }, response) => {
      most = Math.max(most, ++underWay);
      await setTimeout(20);
      underWay--;
      sendJson(response, completion(body.prompt as number[][]));
    });
    const texts = Array.from({ length: 12 }, (_, index) => `This is text ${index}.`);
    const requestsWhenLastSent: number[] = [];
    const onLastSent = (): void => void requestsWhenLastSent.push(stub.requestsFor(COMPLETIONS).length + 1);
    const scores = await sut.score(
      texts.map((text) => ({ text })),
      { onLastSent },
    );
    expect(requestsWhenLastSent).toEqual([stub.requestsFor(COMPLETIONS).length]);
    texts.forEach((text, index) => {
      expectScore(scores[index], text, 1);
    });
    const totals = stub.requestsFor(COMPLETIONS).map(({ body }) => (body.prompt as number[][]).flat().length);
    expect(totals.length).toBeGreaterThanOrEqual(6);
    expect(Math.max(...totals)).toBeLessThanOrEqual(40);
    expect(most).toBe(1);
  });

  it('gives a reason instead of a number for texts with nothing to score', async () => {
    const sut = await start();
    const scores = await sut.score([{ text: '' }, { text: 'x' }, { text: 'xy' }]);
    expect(scores[0]).toMatchObject({ perplexity: null, tokenCount: 0, tokens: [], reason: 'The text has no tokens.' });
    expect(scores[1]).toMatchObject({ perplexity: null, avgLogprob: null, tokenCount: 1 });
    expect(scores[1]?.reason).toContain('single token');
    expectScore(scores[2], 'xy', 1);
    expect(stub.requestsFor(COMPLETIONS)[0]?.body.prompt).toEqual(['x', 'xy']);
  });

  it('asks nothing but the model for empty texts', async () => {
    const sut = await start();
    await expect(sut.score([{ text: '' }])).resolves.toMatchObject([{ perplexity: null, model: 'stub-model' }]);
    await expect(sut.score([])).resolves.toEqual([]);
    expect(stub.requests.map(({ path }) => path)).toEqual(['/v1/models']);
  });

  it('gives no number where the model holds a token for impossible', async () => {
    const sut = await start();
    stub.next(COMPLETIONS, (_, response) => {
      const answer = completion([[97, 98, 99]]);
      answer.choices[0]!.logprobs.token_logprobs[1] = -9999;
      sendJson(response, answer);
    });
    const [score] = await sut.score([{ text: 'abc' }]);
    expect(score).toMatchObject({ perplexity: null, tokenCount: 3 });
    expect(score?.reason).toContain('infinite');
  });

  it('sends lone surrogates as U+FFFD', async () => {
    const sut = await start();
    const [score] = await sut.score([{ text: 'a\ud800b' }]);
    expectScore(score, 'a\ufffdb', 1);
  });

  describe('when the server refuses a batch', () => {
    it.each([
      ['400', 400, 'this one is bad'],
      ['500', 500, 'index out of range'],
      ['values that are not finite', 500, 'Out of range float values are not JSON compliant'],
    ])(
      'with %s because of one text, scores the others and says why that one has no number',
      async (_, status, message) => {
        const sut = await start();
        stub.on(
          COMPLETIONS,
          refuse((prompt) => prompt === 'bad', status, message),
        );
        const scores = await sut.score([{ text: 'good' }, { text: 'bad' }, { text: 'fine' }]);
        expectScore(scores[0], 'good', 1);
        expectScore(scores[2], 'fine', 1);
        expect(scores[1]).toMatchObject({ perplexity: null, avgLogprob: null, tokens: [] });
        expect(scores[1]?.reason).toMatch(/^Vorpal cannot score this text: /);
        // A refusal stays one; what the server failed on may succeed another time.
        expect(scores[1]?.failure !== undefined).toBe(status === 500);
        expect(scores[0]?.failure).toBeUndefined();
        expect(stub.requestsFor(COMPLETIONS)).toHaveLength(4);
      },
    );

    it('of one text, finds out with a plain sentence that the text is to blame', async () => {
      const sut = await start();
      stub.on(
        COMPLETIONS,
        refuse((prompt) => prompt === 'bad', 400, 'no'),
      );
      const [score] = await sut.score([{ text: 'bad' }]);
      expect(score?.perplexity).toBeNull();
      expect(stub.requestsFor(COMPLETIONS)).toHaveLength(2);
    });

    it('whatever it holds, blames the server', async () => {
      const sut = await start();
      stub.on(
        COMPLETIONS,
        refuse(() => true, 400, 'logprobs are off'),
      );
      const error = await failureOf(sut.score([{ text: 'one' }, { text: 'two' }]));
      expect(error).toBeInstanceOf(VorpalScoringUnsupportedError);
      expect(error.message).toContain('logprobs are off');
      stub.on(
        COMPLETIONS,
        refuse(() => true, 500, 'broken'),
      );
      expect(await failureOf(sut.score([{ text: 'one' }]))).toBeInstanceOf(VorpalFailedError);
    });

    it('at the tokenizer, gives that text a reason', async () => {
      const sut = await start();
      await sut.score([{ text: 'warm up' }]);
      stub.next('/tokenize', (_, response) => {
        sendJson(response, { error: { message: 'cannot encode', type: 'BadRequestError', code: 400 } }, 400);
      });
      const scores = await sut.score([
        { text: 'bad', context: 'c' },
        { text: 'good', context: 'd' },
      ]);
      expect(scores[0]?.reason).toContain('cannot encode');
      expectScore(scores[1], 'good', 0);
    });
  });

  it('says so when the server returns only generated tokens', async () => {
    const sut = await start();
    stub.on(COMPLETIONS, (_, response) => {
      const answer = completion([[97, 98, 99]]);
      answer.choices[0]!.logprobs.token_logprobs = [-1];
      answer.choices[0]!.logprobs.tokens = ['x'];
      sendJson(response, answer);
    });
    const error = await failureOf(sut.score([{ text: 'abc' }]));
    expect(error).toBeInstanceOf(VorpalScoringUnsupportedError);
    expect(error.message).toMatch(/no log-probabilities of the prompt.*VORPAL_URL/);
  });

  it('throws, and reports no text as unscorable, when the server cannot be reached', async () => {
    const sut = await start();
    await sut.score([{ text: 'warm up' }]);
    stub.on(COMPLETIONS, (_, response) => {
      sendJson(response, '', 503);
    });
    expect(await failureOf(sut.score([{ text: 'abc' }]))).toBeInstanceOf(VorpalUnavailableError);
  });

  it('scores one by one what takes too long together, and gives up when even one does', async () => {
    const sut = await start({ VORPAL_SCORING_TIMEOUT_MS: '1000' });
    stub.on(COMPLETIONS, ({ body }, response) => {
      const prompts = body.prompt as string[];
      if (prompts.length === 1) sendJson(response, completion(prompts.map((prompt) => [...Buffer.from(prompt)])));
    });
    const scores = await sut.score([{ text: 'one' }, { text: 'two' }]);
    expectScore(scores[1], 'two', 1);
    stub.on(COMPLETIONS, () => undefined);
    expect(await failureOf(sut.score([{ text: 'one' }]))).toBeInstanceOf(VorpalTimeoutError);
  });

  it('does not take a time-out of a long text for an unreachable server', async () => {
    const sut = await start({ VORPAL_SCORING_TIMEOUT_MS: '300', VORPAL_BREAKER_FAILURES: '1' });
    stub.on(COMPLETIONS, ({ body }, response) => {
      const prompts = body.prompt as (string | number[])[];
      if (prompts.every(({ length }) => length < 100)) {
        sendJson(response, completion(prompts.map((prompt) => [...Buffer.from(prompt)])));
      }
    });
    expect(await failureOf(sut.score([{ text: 'long '.repeat(1_000) }]))).toBeInstanceOf(VorpalTimeoutError);
    const [score] = await sut.score([{ text: 'short' }]);
    expectScore(score, 'short', 1);
  });

  it('starts over with the new model when the server changes it in between', async () => {
    const sut = await start();
    await sut.score([{ text: 'abc' }]);
    stub.model = 'replacement';
    stub.next(COMPLETIONS, (_, response) => {
      sendJson(response, { error: { message: 'The model `stub-model` does not exist.', type: 'NotFoundError' } }, 404);
    });
    const [score] = await sut.score([{ text: 'abc', context: 'c' }]);
    expect(score?.model).toBe('replacement');
    expect(stub.requestsFor('/tokenize').at(-1)?.body.model).toBe('replacement');
  });

  it('scores short texts on a server without /tokenize', async () => {
    const sut = await start();
    stub.on('/tokenize', (_, response) => {
      sendJson(response, { detail: 'Not Found' }, 404);
    });
    const [score] = await sut.score([{ text: 'abc' }]);
    expectScore(score, 'abc', 1);
  });

  it('refuses a model whose window holds nothing', async () => {
    const sut = await start();
    stub.on('/v1/models', (_, response) => {
      sendJson(response, modelList(['tiny'], 2));
    });
    expect(await failureOf(sut.score([{ text: 'abc' }]))).toBeInstanceOf(VorpalScoringUnsupportedError);
  });

  it('passes an abort on to the server', async () => {
    const sut = await start();
    const controller = new AbortController();
    stub.on(COMPLETIONS, () => {
      controller.abort();
    });
    expect(isAbortError(await failureOf(sut.score([{ text: 'abc' }], { signal: controller.signal })))).toBe(true);
    await stub.requestsFor(COMPLETIONS)[0]?.abandoned;
  });
});
