import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningVorpal, startLocalVorpal } from '../../support/local-vorpal.js';
import { until } from '../../support/until.js';

const post = (url: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });

// Counting on greedily, the model never ends its text by itself.
const LONG_ANSWER = { prompt: '1 2 3 4 1 2 3 4 1 2 3 4 1 2 3 4', max_tokens: 2_000, temperature: 0, stream: true };

/** Starts an answer that goes on until it is aborted, and waits for its first words. */
async function startAnswer(url: string): Promise<AbortController> {
  const reader = new AbortController();
  const response = await post(`${url}/v1/completions`, LONG_ANSWER, reader.signal);
  await response.body!.getReader().read();
  return reader;
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
}

describe('the local Vorpal under load', () => {
  let vorpal: RunningVorpal;

  beforeAll(async () => {
    vorpal = await startLocalVorpal({ LOCAL_VORPAL_SEQUENCES: '1', LOCAL_VORPAL_QUEUE: '2' });
  }, 300_000);

  afterAll(async () => {
    await vorpal.stop();
  });

  it('answers 503 when its queue is full, and serves again when there is room', async () => {
    const completions = `${vorpal.url}/v1/completions`;
    const running = await startAnswer(vorpal.url);
    const short = { prompt: 'Hi', max_tokens: 1 };
    const waiting = [post(completions, short), post(completions, short)];
    await until(async () => (await metric(vorpal.url, 'vllm:num_requests_waiting')) >= 2, 'two requests to wait');

    const refused = await post(completions, short);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ error: { type: 'ServiceUnavailableError', code: 503 } });

    running.abort();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await post(completions, short)).status).toBe(200);
  });

  it('forgets a waiting request whose client has gone', async () => {
    const running = await startAnswer(vorpal.url);
    const gone = new AbortController();
    const waiting = post(`${vorpal.url}/v1/completions`, { prompt: ['a', 'b'], max_tokens: 1 }, gone.signal);
    await until(async () => (await metric(vorpal.url, 'vllm:num_requests_waiting')) >= 2, 'the request to wait');
    gone.abort();
    await expect(waiting).rejects.toThrow();
    await until(async () => (await metric(vorpal.url, 'vllm:num_requests_waiting')) === 0, 'it to be forgotten');
    running.abort();
  });

  it('breaks off scoring in the middle of a text when its client has gone', async () => {
    const gone = new AbortController();
    const scoredBefore = await metric(vorpal.url, 'vllm:prompt_tokens_total');
    const prompt = [Array.from({ length: 4_000 }, (_, index) => 300 + (index % 50))];
    const scoring = post(
      `${vorpal.url}/v1/completions`,
      { prompt, echo: true, logprobs: 0, max_tokens: 0 },
      gone.signal,
    );
    await until(async () => (await metric(vorpal.url, 'vllm:num_requests_running')) >= 1, 'scoring to begin');
    gone.abort();
    await expect(scoring).rejects.toThrow();
    await until(async () => (await metric(vorpal.url, 'vllm:num_requests_running')) === 0, 'scoring to end');
    // Had it gone on to the end, the text would have been counted.
    expect(await metric(vorpal.url, 'vllm:prompt_tokens_total')).toBe(scoredBefore);
  });

  it('refuses a batch that could never fit its queue, naming the setting', async () => {
    const response = await post(`${vorpal.url}/v1/completions`, { prompt: ['a', 'b', 'c'], max_tokens: 1 });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('LOCAL_VORPAL_QUEUE');
  });
});

describe('the local Vorpal with odd input', () => {
  // A small one is full in a second, on a busy machine, too.
  const WINDOW = 1_024;
  let vorpal: RunningVorpal;

  beforeAll(async () => {
    vorpal = await startLocalVorpal({ BODY_LIMIT_BYTES: '200000', LOCAL_VORPAL_CONTEXT_TOKENS: String(WINDOW) });
  }, 300_000);

  afterAll(async () => {
    await vorpal.stop();
  });

  it.each([
    ['a lone surrogate', '"a\\ud800b"'],
    ['a NUL', '"a\\u0000b"'],
    ['control characters', '"\\u0001\\u0002\\u001b[0m\\u007f"'],
    ['blanks', '"   \\n\\t "'],
    ['what looks like a special token', '"<|im_start|>system<|im_end|><|endoftext|>"'],
    ['a word of 2,000 characters', JSON.stringify('a'.repeat(2_000))],
    ['half a character as ids', '[[162, 117]]'],
    ['one token', '[5]'],
  ])('scores, embeds and tokenizes %s', async (_, prompt) => {
    const response = await post(
      `${vorpal.url}/v1/completions`,
      `{"prompt": ${prompt}, "echo": true, "logprobs": 1, "max_tokens": 1}`,
    );
    const { choices } = (await response.json()) as { choices: { logprobs: { token_logprobs: (number | null)[] } }[] };
    expect(response.status).toBe(200);
    const [first, ...rest] = choices[0]!.logprobs.token_logprobs;
    expect(first).toBeNull();
    for (const logprob of rest) expect(Number.isFinite(logprob)).toBe(true);
    expect((await post(`${vorpal.url}/v1/embeddings`, `{"input": ${prompt}}`)).status).toBe(200);
  });

  it.each([
    ['/v1/completions', '{"prompt": null}'],
    ['/v1/completions', '{"prompt": [[]]}'],
    ['/v1/completions', '{"prompt": ["a", ""]}'],
    ['/v1/completions', '{"prompt": "a", "seed": 1.5}'],
    ['/v1/completions', '{"prompt": "a", "stop": [""]}'],
    ['/v1/completions', '{"prompt": "a", "n": 1000, "temperature": 1}'],
    ['/v1/completions', '{"prompt": "a", "suffix": "b"}'],
    ['/v1/completions', '{"prompt": "a", "__proto__": {"x": 1}}'],
    ['/v1/completions', 'null'],
    ['/v1/completions', '[]'],
    ['/v1/chat/completions', '{"messages": []}'],
    ['/v1/chat/completions', '{"messages": [{"role": "oracle", "content": "a"}]}'],
    ['/v1/chat/completions', '{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}'],
    ['/v1/chat/completions', '{"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]}'],
    ['/v1/embeddings', '{"input": ""}'],
    ['/v1/embeddings', '{"input": [999999]}'],
    ['/v1/embeddings', '{"input": "a", "dimensions": 7}'],
    ['/v1/embeddings', '{"input": "a", "model": "SmolLM2-135M-Instruct.Q4_1"}'],
    ['/v1/completions', '{"prompt": "a", "model": "all-MiniLM-L6-v2"}'],
    ['/tokenize', '{}'],
    ['/detokenize', '{"tokens": [999999]}'],
    ['/detokenize', '{"tokens": [-1]}'],
  ])('answers 400 at %s to %s', async (path, body) => {
    const response = await post(vorpal.url + path, body);
    const answer = (await response.json()) as { error: { message: string } };
    expect([response.status, typeof answer.error.message]).toEqual([400, 'string']);
  });

  it('answers 413 to a body over the limit', async () => {
    const response = await post(`${vorpal.url}/v1/completions`, { prompt: 'a '.repeat(150_000) });
    expect([response.status, await response.json()]).toEqual([
      413,
      { error: expect.objectContaining({ code: 413 }) as object },
    ]);
  });

  // As vLLM 0.32 answers; older versions, which refuse some of it in other words, are in the contract suite.
  it('generates what a nearly full window leaves, and refuses what is left without a token', async () => {
    const ask = async (length: number, max_tokens: number) => {
      const prompt = Array.from({ length }, (_, index) => 300 + (index % 50));
      const response = await post(`${vorpal.url}/v1/completions`, { prompt, max_tokens });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const clamped = await ask(WINDOW - 1, 16);
    expect(clamped.status).toBe(200);
    expect(clamped.body.usage).toEqual({ prompt_tokens: WINDOW - 1, completion_tokens: 1, total_tokens: WINDOW });
    const refusals = [await ask(WINDOW, 16), await ask(WINDOW + 1, 16), await ask(1, WINDOW + 1)];
    expect(refusals.map(({ status }) => status)).toEqual([400, 400, 400]);
    expect(refusals.map(({ body }) => body.error)).toEqual([
      {
        message: 'max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)',
        type: 'BadRequestError',
        param: 'max_tokens',
        code: 400,
      },
      expect.objectContaining({
        param: 'input_tokens',
        message: expect.stringContaining(`${WINDOW + 1} input tokens`) as string,
      }),
      expect.objectContaining({
        param: 'max_tokens',
        message: expect.stringContaining(`max_model_len=${WINDOW}`) as string,
      }),
    ]);
  }, 180_000);

  it('refuses more than 1,024 prompts in one request', async () => {
    const response = await post(`${vorpal.url}/v1/completions`, { prompt: Array(1_025).fill('a'), max_tokens: 1 });
    expect([response.status, await response.json()]).toEqual([
      400,
      {
        error: expect.objectContaining({
          param: 'prompt',
          message: expect.stringContaining('1024') as string,
        }) as object,
      },
    ]);
  });

  it('shows no other request’s text when it reuses what it has evaluated', async () => {
    const chat = async (content: string): Promise<unknown> => {
      const body = { messages: [{ role: 'user', content }], temperature: 0, max_tokens: 8 };
      return ((await (await post(`${vorpal.url}/v1/chat/completions`, body)).json()) as { choices: unknown }).choices;
    };
    const alone = await chat('Count from one to five.');
    await chat('Count from one to ten, backwards.');
    expect(await chat('Count from one to five.')).toEqual(alone);
  });

  it('is as ready as before after all that', async () => {
    expect((await fetch(`${vorpal.url}/health`)).status).toBe(200);
    expect(vorpal.output()).not.toMatch(/ERROR|FATAL/);
  });
});

describe('the local Vorpal while it starts', () => {
  it('says at once that it is loading, and what to wait for', async () => {
    const vorpal = await startLocalVorpal({}, { untilReady: false });
    const health = await fetch(`${vorpal.url}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({
      status: 'loading',
      message: expect.stringContaining('model') as string,
    });
    const chat = await post(`${vorpal.url}/v1/completions`, { prompt: 'a' });
    expect([chat.status, chat.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await vorpal.stop()).toBe(0);
  }, 180_000);

  it('says what to do when no source has the model, and goes on trying', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'vorpal-cache-'));
    const nowhere = { MODEL_SOURCES: 'huggingface', HF_ENDPOINT: 'http://127.0.0.1:1' };
    const vorpal = await startLocalVorpal({ BRAIN_CACHE_DIR: cache, ...nowhere }, { untilReady: false });
    const health = async (): Promise<{ status: string; message: string }> =>
      (await (await fetch(`${vorpal.url}/health`)).json()) as { status: string; message: string };
    await until(async () => (await health()).status === 'failed', 'the model to be given up');
    expect((await health()).message).toContain('LOCAL_VORPAL_MODEL');
    expect((await post(`${vorpal.url}/v1/completions`, { prompt: 'a' })).status).toBe(503);
    expect(await vorpal.stop()).toBe(0);
    await rm(cache, { recursive: true });
  }, 180_000);

  it('leaves with one readable line when its port is taken', async () => {
    const other: Server = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(startLocalVorpal({ LOCAL_VORPAL_PORT: String(port) })).rejects.toThrow(
      new RegExp(`ended with 1 [^]*Port ${port} on 127.0.0.1 is taken`),
    );
    other.close();
  });
});

describe('the local Vorpal when it is told to stop', () => {
  it('finishes the answer in flight on SIGTERM, refuses new ones, and exits with 0', async () => {
    const vorpal = await startLocalVorpal({ SHUTDOWN_GRACE_MS: '60000' }, { mode: 'standalone' });
    const answer = post(`${vorpal.url}/v1/completions`, { prompt: 'Once', max_tokens: 100, temperature: 0 });
    await until(async () => (await metric(vorpal.url, 'vllm:num_requests_running')) >= 1, 'the answer to begin');
    const exited = vorpal.stop();
    expect((await answer).status).toBe(200);
    await expect(fetch(`${vorpal.url}/health`)).rejects.toThrow();
    expect(await exited).toBe(0);
  }, 180_000);

  it('cuts what does not finish within the grace period, and exits with 0', async () => {
    const vorpal = await startLocalVorpal({ SHUTDOWN_GRACE_MS: '200' }, { mode: 'standalone' });
    const response = await post(`${vorpal.url}/v1/completions`, LONG_ANSWER);
    const reader = response.body!.getReader();
    await reader.read();
    const stoppedAt = performance.now();
    expect(await vorpal.stop()).toBe(0);
    // Of the minutes that the answer would take.
    expect(performance.now() - stoppedAt).toBeLessThan(30_000);
  }, 180_000);

  it('as a child leaves signals to its parent, and goes when the parent has gone', async () => {
    const vorpal = await startLocalVorpal({}, { untilReady: false });
    vorpal.process.kill('SIGTERM');
    vorpal.process.kill('SIGINT');
    expect((await fetch(`${vorpal.url}/health`)).status).toBe(503);
    const exited = once(vorpal.process, 'exit');
    vorpal.process.disconnect();
    await exited;
    expect(vorpal.process.signalCode).toBeNull();
  }, 180_000);
});
