import { randomUUID } from 'node:crypto';
import { TestBrain } from '../support/brain.js';
import { chatEvents, collect } from '../support/chat-events.js';
import { untilValue } from '../support/until.js';
import { areaUnderCurve, PAIRINGS } from './sentences.js';

interface Perplexity {
  perplexity: number | null;
  avg_logprob: number | null;
  token_count: number;
  tokens: { token: string; start: number; end: number; logprob: number | null }[];
  reason?: string;
  model: string;
}

// What is longer than small windows is scored in seconds, and tests the same.
const SMALL_WINDOWS = {
  CHAT_MAX_TOKENS: '4',
  LOCAL_VORPAL_CONTEXT_TOKENS: '384',
  SCORING_WINDOW_TOKENS: '64',
  SCORING_WINDOW_OVERLAP_TOKENS: '16',
};
// What is tested is that it happens; how fast is measured elsewhere, and machines that run tests are busy.
const LIMIT_MS = 600_000;

describe('the brain with its embedded Vorpal and stream', () => {
  let sut: TestBrain;

  beforeAll(async () => {
    sut = await TestBrain.start(SMALL_WINDOWS);
    await sut.ready(LIMIT_MS);
  }, LIMIT_MS);

  afterAll(() => sut.dispose());

  it('answers a chat with the documented fields', async () => {
    const { status, body } = await sut.post('/chat', {
      message: 'The sky is blue',
      user_id: 'ada',
      session_id: 'first',
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      response: expect.stringMatching(/\S/),
      engine: 'vorpal',
      model: expect.stringMatching(/SmolLM2/i),
      session_id: 'first',
      memories: [],
      finish_reason: expect.stringMatching(/^(stop|length)$/),
      usage: {
        prompt_tokens: expect.any(Number),
        completion_tokens: expect.any(Number),
        total_tokens: expect.any(Number),
      },
    });
  });

  it('streams a chat piece by piece, as it is generated', async () => {
    const response = await fetch(`${sut.url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message: 'Tell me about the sea.', user_id: 'ada', session_id: 'streamed', stream: true }),
    });
    const events = await collect(chatEvents(response));
    const pieces = events.flatMap(({ type, text }) => (type === 'delta' ? [text] : []));
    expect(pieces.length).toBeGreaterThan(1);
    expect(events.at(-1)).toEqual({
      type: 'done',
      response: pieces.join(''),
      engine: 'vorpal',
      model: expect.stringMatching(/SmolLM2/i),
      session_id: 'streamed',
      memories: expect.any(Array),
      finish_reason: expect.stringMatching(/^(stop|length)$/),
      usage: {
        prompt_tokens: expect.any(Number),
        completion_tokens: expect.any(Number),
        total_tokens: expect.any(Number),
      },
    });
  });

  it('makes a session id where the client names none', async () => {
    const { body } = await sut.post('/chat', { message: 'Hello there, how are you?' });
    expect(body.session_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('logs the start of the worker, each message and its perplexity', async () => {
    await sut.post('/chat', { message: 'The sky is blue', session_id: 'logged' });
    await sut.program.waitForLog(/^Memory worker started$/);
    const message = await sut.program.waitForLog(/^Message: The sky is blue\.\.\.$/);
    const perplexity = await sut.program.waitForLog(/^Perplexity: \d+\.\d\d$/);
    expect([message.context, perplexity.context]).toEqual(['MemoryWorker', 'MemoryWorker']);
  });

  it('gives the worker the same number as POST /perplexity', async () => {
    const message = 'Walking along the river, we saw a heron catch a silver fish.';
    await sut.post('/chat', { message, session_id: 'compared' });
    const report = await sut.workerUntil(({ recent }) => recent.some(({ session_id }) => session_id === 'compared'));
    const scored = report.recent.find(({ session_id }) => session_id === 'compared');
    const { body } = await sut.post<Perplexity>('/perplexity', { text: message });
    expect(scored?.token_count).toBe(body.token_count);
    expect(scored?.avg_logprob).toBeCloseTo(body.avg_logprob!, 3);
    expect(Math.log(scored!.perplexity!)).toBeCloseTo(Math.log(body.perplexity!), 3);
  });

  it('computes the perplexity as exp of the negative mean of the token logprobs it shows', async () => {
    const { body } = await sut.post<Perplexity>('/perplexity', {
      text: 'A quiet evening by the fire with a good book.',
    });
    const logprobs = body.tokens.flatMap(({ logprob }) => (logprob === null ? [] : [logprob]));
    const mean = logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length;
    expect(body.token_count).toBe(body.tokens.length);
    // The first one, too: it is scored after the model's document separator.
    expect(logprobs).toHaveLength(body.tokens.length);
    expect(body.avg_logprob).toBeCloseTo(mean, 6);
    expect(body.perplexity).toBeCloseTo(Math.exp(-mean), 4);
  });

  it('scores texts in their order, and less surprising after a context that announces them', async () => {
    const texts = ['The capital of France is Paris.', 'Zorp quandle ifflic bru vestoo harkint.'];
    const plain = await sut.post<{ model: string; results: Perplexity[] }>('/perplexity', { texts });
    expect(plain.body.results[1]!.perplexity!).toBeGreaterThan(plain.body.results[0]!.perplexity!);
    const contextual = await sut.post<{ results: Perplexity[] }>('/perplexity', {
      texts,
      context: 'Zorp quandle ifflic bru vestoo harkint.\n',
    });
    expect(contextual.body.results[1]!.perplexity!).toBeLessThan(plain.body.results[1]!.perplexity! / 10);
  });

  it('says why a text has no perplexity', async () => {
    const { status, body } = await sut.post<Perplexity>('/perplexity', { text: '' });
    expect(status).toBe(200);
    expect(body.perplexity).toBeNull();
    expect(body.reason).toEqual(expect.stringMatching(/\S/));
  });

  it('scores a message of one token, and names what it was scored after', async () => {
    const { body } = await sut.post<Perplexity & { prefix: string }>('/perplexity', { text: 'a' });
    expect(body).toMatchObject({ token_count: 1, prefix: '<|endoftext|>', tokens: [{ token: 'a', start: 0, end: 1 }] });
    expect(body.perplexity).toBeGreaterThan(1);
  });

  it('shows whole characters, wherever the tokens divide their bytes', async () => {
    const text = 'Naïve 漢字 👩‍💻 नमस्ते e\u0301 \uFFFD\n done';
    const { body } = await sut.post<Perplexity>('/perplexity', { text });
    expect(body.tokens.map(({ token }) => token).join('')).toBe(text);
    expect(body.tokens.length).toBeGreaterThan(Array.from('漢字👩‍💻नमस्ते').length);
    for (const { token, start, end } of body.tokens) {
      expect(text.slice(start, end)).toBe(token);
      expect(token.isWellFormed()).toBe(true);
    }
  });

  it(
    'scores a text longer than the window, each token once',
    async () => {
      const text = 'The quick brown fox jumps over the lazy dog near the old mill. '.repeat(20).trim();
      const { status, body } = await sut.post<Perplexity>('/perplexity', { text });
      expect(status).toBe(200);
      expect(body.token_count).toBeGreaterThan(3 * Number(SMALL_WINDOWS.SCORING_WINDOW_TOKENS));
      expect(body.tokens.filter(({ logprob }) => logprob === null)).toEqual([]);
      expect(body.perplexity).toBeGreaterThan(1);
    },
    LIMIT_MS,
  );

  it(
    'finds everyday sentences less surprising than nonsense, in every pairing and overall (AUC ≥ 0.95)',
    async () => {
      const perplexities = new Map<string, number>();
      const sentences = Object.values(PAIRINGS).flat();
      for (const [index, { everyday, nonsense }] of sentences.entries()) {
        // Of a user each, so that nothing is recalled, which the model would have to read.
        for (const [kind, message] of Object.entries({ everyday, nonsense })) {
          const name = `${kind}-${index}`;
          await sut.post('/chat', { message, user_id: name, session_id: name });
        }
      }
      const expected = sentences.flatMap((_, index) => [`everyday-${index}`, `nonsense-${index}`]);
      const report = await sut.workerUntil(
        ({ recent }) => expected.every((session) => recent.some(({ session_id }) => session_id === session)),
        LIMIT_MS,
      );
      for (const { session_id, perplexity } of report.recent) perplexities.set(session_id, perplexity!);
      const of = (kind: string, from = 0, to = sentences.length) =>
        sentences.slice(from, to).map((_, index) => perplexities.get(`${kind}-${from + index}`)!);

      let start = 0;
      for (const pairs of Object.values(PAIRINGS)) {
        const end = start + pairs.length;
        expect(median(of('everyday', start, end))).toBeLessThan(median(of('nonsense', start, end)));
        start = end;
      }
      expect(areaUnderCurve(of('everyday'), of('nonsense'))).toBeGreaterThanOrEqual(0.95);
    },
    LIMIT_MS,
  );

  describe('bad input', () => {
    const TOO_LONG = 'a'.repeat(32_769);
    it.each<[string, unknown, number, string]>([
      ['no message', {}, 400, 'REQUEST_INVALID'],
      ['an empty message', { message: '' }, 400, 'REQUEST_INVALID'],
      ['a blank message', { message: ' \n\t ' }, 400, 'REQUEST_INVALID'],
      ['a message that is no string', { message: 42 }, 400, 'REQUEST_INVALID'],
      ['a message that is null', { message: null }, 400, 'REQUEST_INVALID'],
      ['an unknown field', { message: 'hello', colour: 'red' }, 400, 'REQUEST_INVALID'],
      ['an empty user id', { message: 'hello', user_id: '' }, 400, 'REQUEST_INVALID'],
      ['a lone surrogate', '{"message":"half an emoji: \\ud83d"}', 400, 'REQUEST_INVALID'],
      ['an over-long message', { message: TOO_LONG }, 413, 'REQUEST_TEXT_TOO_LONG'],
      ['a body over the limit', { message: 'a'.repeat(2_000_000) }, 413, 'REQUEST_BODY_TOO_LARGE'],
      ['broken JSON', '{"message": "hel', 400, 'REQUEST_MALFORMED'],
      ['an empty body', '', 400, 'REQUEST_MALFORMED'],
      ['an array', [], 400, 'REQUEST_INVALID'],
      ['a prototype key', '{"message":"hi","__proto__":{"x":1}}', 400, 'REQUEST_MALFORMED'],
    ])('refuses %s with a problem', async (_name, body, status, code) => {
      const answer = await sut.post('/chat', body);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer).toMatchObject({ status, body: { status, code, detail: expect.stringMatching(/\S/) } });
    });

    it('captures nothing that it refuses', async () => {
      const user_id = randomUUID();
      for (const message of ['', ' \n\t ', 42, null, TOO_LONG]) await sut.post('/chat', { message, user_id });
      // What a user says is decided on in its order.
      await sut.post('/chat', { message: 'This one is captured.', user_id, session_id: 'the next' });
      const { body } = await untilValue(
        () => sut.get<{ decisions: { session_id: string }[] }>(`/decisions?user_id=${user_id}`),
        ({ body: { decisions } }) => decisions.length >= 1,
        { timeoutMs: LIMIT_MS },
      );
      expect(body.decisions).toMatchObject([{ session_id: 'the next' }]);
    });

    it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml'])(
      'refuses content type %s with 415',
      async (contentType) => {
        const answer = await sut.post('/chat', '{"message":"hello"}', { 'content-type': contentType });
        expect(answer).toMatchObject({ status: 415, body: { code: 'REQUEST_UNSUPPORTED_MEDIA_TYPE' } });
      },
    );

    it('answers an unknown route with a problem', async () => {
      expect(await sut.get('/nothing-here')).toMatchObject({ status: 404, body: { code: 'ROUTE_NOT_FOUND' } });
    });

    it('accepts control characters, emoji and mixed scripts', async () => {
      for (const message of [
        'bell \u0007 and null \u0000 and escape \u001b[31m',
        '👩🏽‍🚀🇺🇳 שלום नमस्ते こんにちは',
        '\u202eright to left',
      ]) {
        expect((await sut.post('/chat', { message })).status).toBe(200);
      }
    });

    it(
      'answers a word longer than the window honestly and goes on',
      async () => {
        const { status, body } = await sut.post('/chat', { message: 'qzxj'.repeat(160), session_id: 'endless' });
        expect([200, 400, 413]).toContain(status);
        if (status !== 200) expect(body.code).toBe('VORPAL_CONTEXT_LENGTH');
        const report = await sut.workerUntil(
          ({ recent }) => recent.some(({ session_id }) => session_id === 'endless'),
          LIMIT_MS,
        );
        expect(report.recent.find(({ session_id }) => session_id === 'endless')!.perplexity).toBeGreaterThan(1);
        expect((await sut.post('/chat', { message: 'Still there?' })).status).toBe(200);
      },
      LIMIT_MS,
    );

    it.each<[string, unknown, number]>([
      ['neither text nor texts', {}, 400],
      ['both', { text: 'a', texts: ['b'] }, 400],
      ['no texts', { texts: [] }, 400],
      ['65 texts', { texts: Array.from({ length: 65 }, () => 'hello') }, 400],
      ['a text that is a number', { texts: ['a', 3] }, 400],
      ['an over-long text', { text: TOO_LONG }, 413],
    ])('POST /perplexity refuses %s', async (_name, body, status) => {
      const answer = await sut.post('/perplexity', body);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    });
  });

  it('reports the health of every part', async () => {
    const { status, body } = await sut.get('/health');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'ok',
      details: {
        server: { status: 'up' },
        stream: { status: 'up', kind: 'sqlite' },
        vorpal: { status: 'up' },
        memory_worker: { status: 'up', state: 'running' },
      },
    });
    for (const path of ['live', 'ready', 'startup']) expect((await sut.get(`/health/${path}`)).status).toBe(200);
  });
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
