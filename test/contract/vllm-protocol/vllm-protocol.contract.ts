import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import {
  chatCompletionResponseSchema,
  type CompletionLogprobs,
  type CompletionResponse,
  completionResponseSchema,
  decodeSseData,
  modelListSchema,
  nestedErrorBodySchema,
  tokenizeResponseSchema,
} from '@archive-brain/vllm-protocol';
import { byteLengthsOf } from '../../../src/vorpal/scoring/token-bytes.js';
import { until } from '../../support/until.js';
import { evaluateLoglikelihood } from './lm-evaluation-harness.js';

export interface VllmServerUnderTest {
  readonly url: () => string;
  readonly apiKey?: string;
  /** Name of the embedding model, where the server has one. */
  readonly embeddingModel?: string;
  /** How far logprobs of the same tokens may lie apart: servers on GPUs round differently from batch to batch. */
  readonly toleranceNats: number;
}

const TEXT = 'The quick brown fox jumps over the lazy dog.';

/** The part of vLLM's HTTP protocol that Archive-Brain relies on, to be met by every server it is pointed at. */
export function describeVllmProtocol(name: string, server: VllmServerUnderTest): void {
  const headers = {
    'content-type': 'application/json',
    ...(server.apiKey === undefined ? {} : { authorization: `Bearer ${server.apiKey}` }),
  };
  const call = (path: string, body?: unknown, signal?: AbortSignal): Promise<Response> =>
    fetch(server.url() + path, {
      headers,
      ...(body === undefined ? {} : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  const complete = async (body: object): Promise<CompletionResponse> => {
    const response = await call('/v1/completions', { temperature: 0, ...body });
    expect({ status: response.status, body: response.ok ? '' : await response.clone().text() }).toEqual({
      status: 200,
      body: '',
    });
    return completionResponseSchema.parse(await response.json());
  };
  const logprobsOf = (response: CompletionResponse, index = 0): CompletionLogprobs => {
    const { logprobs } = response.choices[index]!;
    return logprobs!;
  };
  const tokenize = async (prompt: string): Promise<number[]> => {
    const response = await call('/tokenize', { prompt, add_special_tokens: false });
    return tokenizeResponseSchema.parse(await response.json()).tokens;
  };
  const detokenize = async (tokens: number[]): Promise<string> => {
    const response = await call('/detokenize', { tokens });
    return ((await response.json()) as { prompt: string }).prompt;
  };
  const expectSameNumbers = (actual: CompletionLogprobs, expected: CompletionLogprobs): void => {
    expect(actual.tokens).toEqual(expected.tokens);
    actual.token_logprobs.forEach((logprob, index) => {
      const other = expected.token_logprobs[index] ?? null;
      if (logprob === null || other === null) expect([logprob, other]).toEqual([null, null]);
      else expect(Math.abs(logprob - other)).toBeLessThanOrEqual(server.toleranceNats);
    });
  };
  const runningRequests = async (): Promise<number> => {
    const text = await (await call('/metrics')).text();
    const values = [...text.matchAll(/^vllm:num_requests_running(?:\{[^}]*\})? (\S+)$/gm)].map(([, value]) => value);
    return values.reduce((sum, value) => sum + Number(value), 0);
  };
  const client = (): OpenAI =>
    new OpenAI({ baseURL: `${server.url()}/v1`, apiKey: server.apiKey ?? 'none', maxRetries: 0 });

  describe(`${name} speaks vLLM's protocol`, () => {
    let model: string;
    let windowTokens: number;

    beforeAll(async () => {
      const { data } = modelListSchema.parse(await (await call('/v1/models')).json());
      model = data[0]!.id;
      windowTokens = data[0]!.max_model_len!;
    });

    describe('scoring a prompt', () => {
      it('answers the prompt and one generated token in parallel arrays, the first without a logprob', async () => {
        const tokens = await tokenize(TEXT);
        const response = await complete({ prompt: tokens, echo: true, logprobs: 1, max_tokens: 1 });
        const logprobs = logprobsOf(response);
        expect(logprobs.token_logprobs).toHaveLength(tokens.length + 1);
        expect(logprobs.tokens).toHaveLength(tokens.length + 1);
        expect(logprobs.top_logprobs).toHaveLength(tokens.length + 1);
        expect(logprobs.text_offset).toHaveLength(tokens.length + 1);
        expect(logprobs.token_logprobs[0]).toBeNull();
        expect(logprobs.top_logprobs![0]).toBeNull();
        for (const logprob of logprobs.token_logprobs.slice(1)) expect(logprob).toBeLessThanOrEqual(0);
        expect(response.choices[0]!.text.startsWith(TEXT)).toBe(true);
        expect(response.usage).toMatchObject({ prompt_tokens: tokens.length, completion_tokens: 1 });
      });

      it('answers the prompt alone for max_tokens 0', async () => {
        const tokens = await tokenize(TEXT);
        const response = await complete({ prompt: tokens, echo: true, logprobs: 0, max_tokens: 0 });
        expect(logprobsOf(response).token_logprobs).toHaveLength(tokens.length);
        expect(response.choices[0]!.text).toBe(TEXT);
        expect(response.choices[0]!.finish_reason).toBe('length');
      });

      it('gives the same numbers to a text, to its token ids, and to both in a batch', async () => {
        const texts = [TEXT, 'It rained all night, and in the morning the river had risen.', 'No.', TEXT.repeat(12)];
        const request = { echo: true, logprobs: 0, max_tokens: 1, add_special_tokens: false };
        const single = await Promise.all(texts.map((prompt) => complete({ ...request, prompt })));
        const ids = await Promise.all(texts.map(tokenize));
        const batch = await complete({ ...request, prompt: texts });
        const idBatch = await complete({ ...request, prompt: ids });
        expect(batch.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
        texts.forEach((_, index) => {
          // The generated token is no part of the text; near a tie it may differ.
          const expected = withoutLast(logprobsOf(single[index]!));
          expectSameNumbers(withoutLast(logprobsOf(batch, index)), expected);
          expectSameNumbers(withoutLast(logprobsOf(idBatch, index)), expected);
        });
      });

      it('takes a flat list of ids as one prompt', async () => {
        const tokens = await tokenize(TEXT);
        const response = await complete({ prompt: tokens, max_tokens: 1 });
        expect(response.choices).toHaveLength(1);
      });

      it('lists the actual token and as many of the most likely ones as asked for', async () => {
        const { top_logprobs, token_logprobs, tokens } = logprobsOf(
          await complete({ prompt: TEXT, echo: true, logprobs: 3, max_tokens: 1 }),
        );
        top_logprobs!.slice(1).forEach((top, index) => {
          const count = Object.keys(top!).length;
          expect(count).toBeGreaterThanOrEqual(2);
          expect(count).toBeLessThanOrEqual(4);
          expect(top![tokens[index + 1]!]).toBe(token_logprobs[index + 1]);
        });
      });

      it('gives every token of characters of several bytes a number, and repeats the text as it was', async () => {
        const text = 'Heute: 漢字とひらがな, naïve 😀!';
        const ids = await tokenize(text);
        const response = await complete({
          prompt: text,
          echo: true,
          logprobs: 0,
          max_tokens: 0,
          add_special_tokens: false,
        });
        const { token_logprobs, tokens } = logprobsOf(response);
        expect(response.choices[0]!.text).toBe(text);
        // Where a character's bytes are spread over tokens, the versions differ in which of them shows it.
        expect([token_logprobs.length, tokens.length]).toEqual([ids.length, ids.length]);
        for (const logprob of token_logprobs.slice(1)) expect(logprob).toBeLessThanOrEqual(0);
      });

      it('takes a special token that is spelled in a text for what the tokenizer makes of it', async () => {
        const ids = await tokenize(`<|endoftext|>${TEXT}`);
        const request = { echo: true, logprobs: 0, max_tokens: 0, add_special_tokens: false };
        const asText = await complete({ ...request, prompt: `<|endoftext|>${TEXT}` });
        const asIds = await complete({ ...request, prompt: ids });
        expect(logprobsOf(asText).tokens).toHaveLength(ids.length);
        expectSameNumbers(logprobsOf(asText), logprobsOf(asIds));
      });

      it('reads the last tokens of a prompt where it is told to truncate it', async () => {
        const request = { echo: true, logprobs: 0, max_tokens: 0, add_special_tokens: false };
        const ids = await tokenize(TEXT);
        const cut = await complete({ ...request, prompt: ids, truncate_prompt_tokens: 4 });
        expectSameNumbers(logprobsOf(cut), logprobsOf(await complete({ ...request, prompt: ids.slice(-4) })));
        expect(cut.usage!.prompt_tokens).toBe(4);
      });

      it('scores likely words higher than unlikely ones', async () => {
        const mean = async (prompt: string): Promise<number> => {
          const values = logprobsOf(await complete({ prompt, echo: true, logprobs: 0, max_tokens: 0 })).token_logprobs;
          return values.slice(1).reduce<number>((sum, value) => sum + value!, 0) / (values.length - 1);
        };
        expect(await mean('The sun rises in the east and sets in the west.')).toBeGreaterThan(
          (await mean('West sets the rises in sun the and east the in.')) + 1,
        );
      });
    });

    describe('lm-evaluation-harness local-completions', () => {
      it('finds a greedy continuation greedy, and another one not', async () => {
        const context = await tokenize('The first president of the United States was');
        const greedy = await complete({ prompt: context, max_tokens: 4, logprobs: 0 });
        const continuation = await tokenize(greedy.choices[0]!.text);
        const other = await tokenize(' purple elephants');
        const results = await evaluateLoglikelihood({
          url: `${server.url()}/v1/completions`,
          headers,
          model,
          requests: [
            { context, continuation },
            { context, continuation: other },
          ],
        });
        expect(results.map(({ isGreedy }) => isGreedy)).toEqual([true, false]);
        expect(results[0]!.logprob).toBeGreaterThan(results[1]!.logprob);
      });
    });

    describe('generating', () => {
      it('repeats itself at temperature 0', async () => {
        const request = { prompt: 'One, two, three, four,', max_tokens: 6 };
        expect((await complete(request)).choices[0]!.text).toBe((await complete(request)).choices[0]!.text);
      });

      it('repeats itself with a seed, and differs with another', async () => {
        const text = async (seed: number): Promise<string> =>
          (await complete({ prompt: 'Once upon a time', max_tokens: 24, temperature: 1, seed })).choices[0]!.text;
        const first = await text(11);
        expect(await text(11)).toBe(first);
        expect(await text(12)).not.toBe(first);
      });

      it('generates 16 tokens unless told otherwise', async () => {
        const response = await complete({ prompt: 'Once upon a time there was a' });
        expect(response.usage!.completion_tokens).toBe(16);
        expect(response.choices[0]!.finish_reason).toBe('length');
      });

      it('ends before a stop string', async () => {
        const response = await complete({
          prompt: 'One, two, three, four,',
          max_tokens: 40,
          stop: [', eight', ' seven'],
        });
        expect(response.choices[0]!.text).not.toContain('seven');
        expect(response.choices[0]!.finish_reason).toBe('stop');
      });

      it('goes on past the end of the text where it is told to ignore it', async () => {
        const chat = async (options: object) => {
          const messages = [{ role: 'user', content: 'Say hello.' }];
          const response = await call('/v1/chat/completions', { model, messages, temperature: 0, ...options });
          const { choices, usage } = chatCompletionResponseSchema.parse(await response.json());
          return { finish: choices[0]!.finish_reason, tokens: usage!.completion_tokens! };
        };
        const { finish, tokens } = await chat({ max_tokens: 400 });
        expect(finish).toBe('stop');
        expect(await chat({ max_tokens: tokens + 5, ignore_eos: true })).toEqual({
          finish: 'length',
          tokens: tokens + 5,
        });
      });

      it('answers n choices for every prompt, in order', async () => {
        const response = await complete({
          prompt: ['A', 'B'],
          n: 2,
          max_tokens: 3,
          temperature: 1,
          seed: 3,
          echo: true,
        });
        expect(response.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
        expect(response.choices.map(({ text }) => text[0])).toEqual(['A', 'A', 'B', 'B']);
      });

      it('streams what it would answer in one piece, with echo, logprobs and usage', async () => {
        const request = { prompt: TEXT, max_tokens: 5, temperature: 0, echo: true, logprobs: 1 };
        const whole = await complete(request);
        const response = await call('/v1/completions', {
          ...request,
          stream: true,
          stream_options: { include_usage: true },
        });
        expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
        const chunks: CompletionResponse[] = [];
        for await (const data of decodeSseData(response.body!))
          chunks.push(completionResponseSchema.parse(JSON.parse(data)));
        const choices = chunks.flatMap((chunk) => chunk.choices);
        expect(choices.map(({ text }) => text).join('')).toBe(whole.choices[0]!.text);
        expect(choices.flatMap(({ logprobs }) => logprobs!.tokens)).toEqual(logprobsOf(whole).tokens);
        // The offsets are not compared: vLLM 0.17 begins them anew in each chunk.
        expect(choices.flatMap(({ logprobs }) => logprobs!.text_offset)).toHaveLength(
          logprobsOf(whole).text_offset!.length,
        );
        expect(choices.at(-1)!.finish_reason).toBe('length');
        // Of `usage` these three alone: a chunk leaves out the null fields that a whole answer has.
        const { prompt_tokens, completion_tokens, total_tokens } = whole.usage!;
        expect(chunks.at(-1)).toMatchObject({
          choices: [],
          usage: { prompt_tokens, completion_tokens, total_tokens },
        });
      });

      it('frees its place when the client disconnects', async () => {
        const reader = new AbortController();
        const prompt = Array.from({ length: 4 }, () => 'Write a very long story about the sea.');
        // The model must not end the texts by itself before the client looks and leaves.
        const request = { prompt, max_tokens: 1_000, temperature: 1, stream: true, ignore_eos: true };
        const response = await call('/v1/completions', request, reader.signal);
        await response.body!.getReader().read();
        expect(await runningRequests()).toBeGreaterThan(0);
        reader.abort();
        await until(async () => (await runningRequests()) === 0, 'all requests to end after the client left');
      });
    });

    describe('tokenizer', () => {
      it('takes a text apart and puts it together again', async () => {
        const text = 'Déjà vu: naïve 漢字 and 😀!';
        expect(await detokenize(await tokenize(text))).toBe(text);
      });

      it('spells tokens as the vocabulary does, from which their bytes are known', async () => {
        const text = 'Déjà vu: 漢字, 👩‍💻 and नमस्ते!';
        const response = await call('/tokenize', { prompt: text, add_special_tokens: false, return_token_strs: true });
        const { tokens, token_strs: pieces } = tokenizeResponseSchema.parse(await response.json());
        expect(pieces).toHaveLength(tokens.length);
        const lengths = byteLengthsOf(pieces ?? [], text);
        expect(lengths?.reduce((sum, length) => sum + length, 0)).toBe(Buffer.byteLength(text));
      });

      it('applies the chat template to messages', async () => {
        const response = await call('/tokenize', { messages: [{ role: 'user', content: 'Hello there' }] });
        const { tokens, count, max_model_len } = tokenizeResponseSchema.parse(await response.json());
        expect(tokens).toHaveLength(count);
        expect(max_model_len).toBe(windowTokens);
        expect(await detokenize(tokens)).toContain('Hello there');
      });
    });

    describe('the openai client', () => {
      it('lists models', async () => {
        const page = await client().models.list();
        expect(page.data.map(({ id }) => id)).toContain(model);
      });

      it('completes', async () => {
        const { choices } = await client().completions.create({ model, prompt: TEXT, max_tokens: 4, temperature: 0 });
        expect(choices[0]!.text.length).toBeGreaterThan(0);
      });

      it('chats, in one piece and streamed, to the same effect', async () => {
        const request = {
          model,
          messages: [{ role: 'user' as const, content: 'Say hello.' }],
          temperature: 0,
          max_completion_tokens: 12,
        };
        const whole = await client().chat.completions.create(request);
        expect(whole.choices[0]!.message.role).toBe('assistant');
        expect(whole.usage!.completion_tokens).toBeGreaterThan(0);
        let streamed = '';
        let usage: unknown;
        const options = { stream: true, stream_options: { include_usage: true } } as const;
        for await (const chunk of await client().chat.completions.create({ ...request, ...options })) {
          streamed += chunk.choices[0]?.delta.content ?? '';
          usage = chunk.usage ?? usage;
        }
        expect(streamed).toBe(whole.choices[0]!.message.content);
        expect(usage).toMatchObject({ completion_tokens: whole.usage!.completion_tokens });
      });

      it('gets the logprobs of a chat', async () => {
        const { choices } = await client().chat.completions.create({
          model,
          messages: [{ role: 'user', content: 'Say hello.' }],
          temperature: 0,
          max_completion_tokens: 3,
          logprobs: true,
          top_logprobs: 2,
        });
        const { content } = choices[0]!.logprobs!;
        expect(content!.map(({ token }) => token).join('')).toContain(choices[0]!.message.content!);
        for (const { logprob, top_logprobs } of content!) {
          expect(top_logprobs).toHaveLength(2);
          expect(top_logprobs[0]!.logprob).toBe(logprob);
        }
      });

      it('understands the errors', async () => {
        const messages = [{ role: 'user' as const, content: 'Hi' }];
        await expect(client().chat.completions.create({ model: 'no-such-model', messages })).rejects.toThrow(
          NotFoundError,
        );
        await expect(client().chat.completions.create({ model, messages, temperature: -1 })).rejects.toThrow(
          BadRequestError,
        );
      });

      if (server.embeddingModel !== undefined) describeEmbeddings(client, server.embeddingModel);
    });

    describe('what it refuses', () => {
      it.each<[string, object, number, RegExp]>([
        ['an unknown model', { model: 'no-such-model', prompt: 'a' }, 404, /`no-such-model` does not exist/],
        ['a missing prompt', {}, 400, /prompt/],
        ['an empty prompt', { prompt: '' }, 400, /prompt/],
        ['an empty list of prompts', { prompt: [] }, 400, /./],
        ['a prompt of another type', { prompt: { text: 'a' } }, 400, /prompt/],
        ['an id beyond the vocabulary', { prompt: [1, 999_999_999] }, 400, /out of vocabulary/],
        ['a negative id', { prompt: [1, -1] }, 400, /./],
        ['no tokens without echo', { prompt: 'a', max_tokens: 0 }, 400, /max_tokens must be at least 1/],
        ['too many alternatives', { prompt: 'a', logprobs: 21 }, 400, /max allowed/],
        ['a temperature below 0', { prompt: 'a', temperature: -1 }, 400, /temperature/],
        ['stream options without a stream', { prompt: 'a', stream_options: { include_usage: true } }, 400, /[Ss]tream/],
        ['broken types', { prompt: 'a', max_tokens: 'many' }, 400, /max_tokens/],
      ])('%s', async (_, body, status, message) => {
        const response = await call('/v1/completions', body);
        expect(response.status).toBe(status);
        const { error } = nestedErrorBodySchema.parse(await response.json());
        expect(error.message).toMatch(message);
        expect(error.code).toBe(status);
      });

      const naming = (): RegExp => new RegExp(`context length is (only )?${windowTokens} tokens`);

      it.each([
        ['/v1/completions', (text: string) => ({ prompt: text })],
        ['/v1/chat/completions', (text: string) => ({ messages: [{ role: 'user', content: text }] })],
      ])('a prompt longer than the window, naming the window, at %s', async (path, bodyOf) => {
        for (const words of [windowTokens, 40 * windowTokens]) {
          const response = await call(path, { ...bodyOf('word '.repeat(words)), max_tokens: 1 });
          expect(response.status).toBe(400);
          const { error } = nestedErrorBodySchema.parse(await response.json());
          expect(error.message).toMatch(naming());
        }
      });

      it('a prompt that leaves no token to generate', async () => {
        const prompt = Array.from({ length: windowTokens }, () => 300);
        const response = await call('/v1/completions', { prompt, max_tokens: 1 });
        expect(response.status).toBe(400);
        nestedErrorBodySchema.parse(await response.json());
      });

      it.each([
        ['/v1/completions', { prompt: 'a' }, 'max_tokens'],
        ['/v1/chat/completions', { messages: [{ role: 'user', content: 'a' }] }, 'max_tokens'],
      ])('more output than the window holds, as a matter of the setting, at %s', async (path, body, field) => {
        const response = await call(path, { ...body, [field]: windowTokens + 1 });
        expect(response.status).toBe(400);
        const { error } = nestedErrorBodySchema.parse(await response.json());
        expect([error.param, error.message]).toEqual([field, expect.stringContaining(field) as string]);
      });

      it('what passes the window with its output, unless it generates what fits', async () => {
        const body = { prompt: 'One, two, three,', max_tokens: windowTokens, stop: [' ', ','], temperature: 0 };
        const response = await call('/v1/completions', body);
        // vLLM up to 0.17 refuses, 0.32 answers.
        expect([200, 400]).toContain(response.status);
        const answer: unknown = await response.json();
        if (response.ok) expect(completionResponseSchema.parse(answer).usage!.total_tokens).toBeLessThan(windowTokens);
        else expect(nestedErrorBodySchema.parse(answer).error.message).toMatch(naming());
      });

      it('broken JSON', async () => {
        expect((await call('/v1/completions', '{"prompt": "a"')).status).toBe(400);
      });

      it('another content type', async () => {
        const response = await fetch(`${server.url()}/v1/completions`, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'text/plain' },
          body: '{"prompt":"a"}',
        });
        expect(response.status).toBe(400);
      });

      it('unknown paths and methods', async () => {
        const unknown = await call('/v1/no-such-path', {});
        expect([unknown.status, await unknown.json()]).toEqual([404, { detail: 'Not Found' }]);
        const unfit = await call('/v1/completions');
        expect([unfit.status, await unfit.json()]).toEqual([405, { detail: 'Method Not Allowed' }]);
      });

      if (server.apiKey !== undefined) {
        it('a missing or wrong key, on /v1 only', async () => {
          const withKey = (authorization?: string): Promise<Response> =>
            fetch(`${server.url()}/v1/models`, { headers: authorization === undefined ? {} : { authorization } });
          for (const authorization of [undefined, 'Bearer wrong', `Basic ${server.apiKey}`, 'Bearer ']) {
            const response = await withKey(authorization);
            expect([response.status, await response.json()]).toEqual([401, { error: 'Unauthorized' }]);
          }
          expect((await fetch(`${server.url()}/health`)).status).toBe(200);
          expect((await fetch(`${server.url()}/version`)).status).toBe(200);
        });
      }
    });

    it('is healthy, without a word', async () => {
      const response = await call('/health');
      expect([response.status, await response.text()]).toEqual([200, '']);
    });

    it('tells its version', async () => {
      expect(await (await call('/version')).json()).toEqual({ version: expect.stringMatching(/^\d/) as string });
    });
  });
}

function describeEmbeddings(client: () => OpenAI, model: string): void {
  const embed = async (input: string | string[], encoding_format?: 'float'): Promise<number[][]> => {
    const format = encoding_format ? { encoding_format } : {};
    const { data } = await client().embeddings.create({ model, input, ...format });
    return data.map(({ embedding }) => embedding);
  };
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, index) => sum + value * b[index]!, 0);

  it('embeds as base64 and as numbers to the same effect, with unit length', async () => {
    const [asBase64] = await embed('A cat sits on the mat.');
    const [asNumbers] = await embed('A cat sits on the mat.', 'float');
    asBase64!.forEach((value, index) => {
      expect(value).toBeCloseTo(asNumbers![index]!, 6);
    });
    expect(dot(asNumbers!, asNumbers!)).toBeCloseTo(1, 5);
  });

  it('embeds a list in its order, near in meaning near in space', async () => {
    const [cat, kitten, rates] = await embed([
      'A cat sits on the mat.',
      'A kitten is lying on the rug.',
      'The central bank raised its interest rates.',
    ]);
    expect(dot(cat!, kitten!)).toBeGreaterThan(dot(cat!, rates!) + 0.2);
    expect(dot(cat!, (await embed('A cat sits on the mat.'))[0]!)).toBeCloseTo(1, 5);
  });

  it('refuses a text longer than the window that it lists, and embeds its beginning where it is told to', async () => {
    const listed = (await client().models.list()).data.find(({ id }) => id === model) as { max_model_len?: number };
    const input = 'word '.repeat(listed.max_model_len!);
    await expect(client().embeddings.create({ model, input })).rejects.toThrow(BadRequestError);
    const cut = { model, input, truncate_prompt_tokens: 12 };
    const { usage } = await client().embeddings.create(cut);
    expect(usage.prompt_tokens).toBe(12);
  });
}

function withoutLast({ tokens, token_logprobs }: CompletionLogprobs): CompletionLogprobs {
  return { tokens: tokens.slice(0, -1), token_logprobs: token_logprobs.slice(0, -1) };
}
